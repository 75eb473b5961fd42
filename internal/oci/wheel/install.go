package wheel

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// installation is a set of wheels and where each of their files goes.
type installation struct {
	t        *target
	wheels   []*archive
	placed   map[string]placedFile
	warnings []string
	clashes  int
}

// placedFile is one file of the image: from a wheel, or written here.
type placedFile struct {
	a       *archive
	from    string // path in the wheel; "" for text
	text    []byte
	mode    int64
	size    int64
	digest  string // as in RECORD: "sha256=…"
	project string
}

// install opens the wheels and places their files. They come sorted by name; of
// two that bring the same file the later wins, as it would when one is installed
// after the other.
func install(t *target, l *Lock, paths []string) (*installation, error) {
	in := &installation{t: t, placed: map[string]placedFile{}}
	for i, p := range l.Packages {
		a, err := openArchive(p, paths[i])
		if err == nil {
			in.wheels = append(in.wheels, a)
			err = in.place(a)
		}
		if err != nil {
			in.close()
			return nil, err
		}
	}
	if in.clashes > maxClashes {
		in.warnings = append(in.warnings, fmt.Sprintf("and %d more files that two packages bring", in.clashes-maxClashes))
	}
	return in, nil
}

const maxClashes = 10

func (in *installation) close() {
	for _, a := range in.wheels {
		a.f.Close()
	}
}

// place maps the files of one wheel and writes its RECORD anew.
func (in *installation) place(a *archive) error {
	own := map[string]placedFile{}
	put := func(p string, f placedFile) error {
		if _, twice := own[p]; twice {
			return a.bad("two of its files become %s", clip(p))
		}
		f.a, f.project = a, a.pkg.Name
		own[p] = f
		return nil
	}
	slices.Sort(a.order)
	for _, p := range a.order {
		if a.unlisted(p) || isByteCode(p) || p == a.info+"/INSTALLER" || p == a.info+"/direct_url.json" || p == a.info+"/REQUESTED" {
			continue
		}
		dst, script, err := in.destination(a, p)
		if err != nil {
			return err
		}
		e := a.files[p]
		f := placedFile{from: p, mode: 0o644, size: int64(e.UncompressedSize64), digest: a.record[p].algorithm + "=" + a.record[p].sum}
		if script || e.Mode()&0o111 != 0 && e.ExternalAttrs>>16 != 0 {
			f.mode = 0o755
		}
		if script {
			if err := in.rewrite(a, &f); err != nil {
				return err
			}
		}
		if err := put(dst, f); err != nil {
			return err
		}
	}
	scripts, err := in.entryPoints(a)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(scripts) {
		p := path.Join(in.t.scripts, name)
		delete(own, p) // a generated script goes over one that the wheel brings
		if err := put(p, textFile(scripts[name], 0o755)); err != nil {
			return err
		}
	}
	info := path.Join(in.t.site, a.info)
	if err := put(info+"/INSTALLER", textFile([]byte("cairn\n"), 0o644)); err != nil {
		return err
	}
	if a.pkg.Direct {
		b, err := json.Marshal(map[string]any{"url": a.pkg.URL, "archive_info": map[string]any{
			"hash": "sha256=" + a.pkg.SHA256, "hashes": map[string]string{"sha256": a.pkg.SHA256}}})
		if err != nil {
			return err
		}
		if err := put(info+"/direct_url.json", textFile(b, 0o644)); err != nil {
			return err
		}
	}
	if err := put(info+"/RECORD", textFile(in.recordOf(info, own), 0o644)); err != nil {
		return err
	}
	return in.merge(own)
}

// merge adds a wheel's files to those of the wheels before it.
func (in *installation) merge(own map[string]placedFile) error {
	for _, p := range sortedKeys(own) {
		f := own[p]
		if old, there := in.placed[p]; there && (old.digest != f.digest || old.mode != f.mode) {
			if in.clashes++; in.clashes <= maxClashes {
				in.warnings = append(in.warnings, fmt.Sprintf("%s and %s both bring %s: the one of %s is used", old.project, f.project, p, f.project))
			}
		}
		in.placed[p] = f
	}
	return nil
}

func textFile(b []byte, mode int64) placedFile {
	sum := sha256.Sum256(b)
	return placedFile{text: b, mode: mode, size: int64(len(b)), digest: "sha256=" + encodeSum(sum[:])}
}

// isByteCode reports whether a file is a cache that Python writes itself, with
// times in it.
func isByteCode(p string) bool {
	return strings.HasSuffix(p, ".pyc") && path.Base(path.Dir(p)) == "__pycache__"
}

// destination is where a file of a wheel goes.
func (in *installation) destination(a *archive, p string) (dst string, script bool, err error) {
	t := in.t
	rest, ok := strings.CutPrefix(p, a.data+"/")
	if !ok {
		if top, _, _ := strings.Cut(p, "/"); strings.HasSuffix(top, ".data") && strings.EqualFold(top, a.data) {
			return "", false, a.bad("its folder %s is not spelled like %s", top, a.data)
		}
		return path.Join(t.site, p), false, nil
	}
	kind, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return "", false, a.bad("%q lies in no scheme", clip(p))
	}
	switch kind {
	case "purelib", "platlib":
		return path.Join(t.site, rest), false, nil
	case "scripts":
		return path.Join(t.scripts, rest), true, nil
	case "headers":
		return path.Join(t.prefix, "include", fmt.Sprintf("python%d.%d", t.major, t.minor), a.pkg.Name, rest), false, nil
	case "data":
		return path.Join(t.prefix, rest), false, nil
	}
	return "", false, a.bad("%q is of the unknown scheme %q", clip(p), kind)
}

// recordOf is the RECORD of what is installed: paths relative to site-packages.
func (in *installation) recordOf(info string, own map[string]placedFile) []byte {
	rows := make([][]string, 0, len(own)+1)
	for p, f := range own {
		rows = append(rows, []string{relative(in.t.site, p), f.digest, strconv.FormatInt(f.size, 10)})
	}
	rows = append(rows, []string{relative(in.t.site, info+"/RECORD"), "", ""})
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.WriteAll(rows) // a buffer takes everything
	return b.Bytes()
}

// relative spells a path of the image as RECORD does; both are clean and relative.
func relative(site, p string) string {
	r, err := filepath.Rel(site, p)
	if err != nil {
		return p
	}
	return filepath.ToSlash(r)
}

// files are the entries of the layer, sorted; their contents are unpacked and
// checked ahead of the reader, on several processors.
func (in *installation) files(ctx context.Context) []layer.File {
	paths := sortedKeys(in.placed)
	out := make([]layer.File, 0, len(paths))
	ahead := newAhead(ctx)
	for _, p := range paths {
		f := in.placed[p]
		entry := layer.File{Path: p, Mode: f.mode, Type: tar.TypeReg, Size: f.size}
		switch {
		case f.from == "":
			entry.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.text)), nil }
		case f.size > aheadMax:
			entry.Open = func() (io.ReadCloser, error) { return f.a.open(f.from) }
		default:
			entry.Open = ahead.add(f)
		}
		out = append(out, entry)
	}
	ahead.start()
	return out
}

// scriptName reports whether an entry point's name stays in the scripts' folder.
func scriptName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 200 && !strings.ContainsAny(s, "/\\\x00\n\r") && !strings.HasPrefix(s, ".wh.")
}

func (a *archive) badEntry(name, value string) error {
	return cairn.Errorf(cairn.CodeInvalid, "the wheel %s has an entry point that cannot be a script: %s = %s", a.pkg.File, clip(name), clip(value)).
		WithHint("an entry point reads: name = module:function")
}
