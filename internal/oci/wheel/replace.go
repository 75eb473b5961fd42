package wheel

import (
	"context"
	"encoding/csv"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// replaced lists the files of packages that the base has in another version:
// they are removed, as pip uninstalls before it installs. Else two versions of
// one package would lie in the image.
func replaced(ctx context.Context, r *Request, l *Lock) ([]string, error) {
	if r.Base == nil {
		return nil, nil
	}
	dir, err := r.Base.ReadDir(r.SitePackages)
	if err != nil {
		return nil, nil // there is none yet
	}
	want := map[string]string{}
	for _, p := range l.Packages {
		want[p.Name] = p.Version
	}
	var records []string
	var out []string
	for _, i := range dir {
		base, ok := strings.CutSuffix(path.Base(i.Path), ".dist-info")
		name, version, ok2 := strings.Cut(base, "-")
		if v, there := want[normalize(name)]; !ok || !ok2 || !there || v == version {
			continue
		}
		if _, err := r.Base.Stat(i.Path + "/RECORD"); err == nil {
			records = append(records, i.Path+"/RECORD")
		}
		out = append(out, i.Path)
	}
	if len(records) == 0 {
		return out, nil
	}
	err = r.Base.ReadFiles(ctx, records, func(p string, _ layer.Info, in io.Reader) error {
		site, info := path.Dir(path.Dir(p)), path.Dir(p)
		cr := csv.NewReader(io.LimitReader(in, maxMeta))
		cr.FieldsPerRecord = -1
		for n := 0; n < maxWheelFiles; n++ {
			row, err := cr.Read()
			if err != nil {
				return nil // the end, or a RECORD that nobody can read: pip gives up there too
			}
			f := strings.TrimPrefix(path.Join("/", site, row[0]), "/")
			if path.IsAbs(row[0]) {
				f = strings.TrimPrefix(path.Clean(row[0]), "/")
			}
			if f == "" || strings.HasPrefix(f, info+"/") {
				continue
			}
			if fi, err := r.Base.Lstat(f); err == nil && !fi.IsDir() {
				out = append(out, f)
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}
