package feedback

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// exportLimit bounds the reports of one export.
const exportLimit = 10_000

// Export makes a data version of what was reported: a folder per expected class,
// and in it what was sent, under the id of its prediction. The version is linked
// to the predictions. The filter's repository, stage, release and times count.
func (s *Service) Export(ctx context.Context, name string, f cairn.PredictionFilter, actor cairn.Principal) (*cairn.PredictionExport, error) {
	if _, err := s.stages(ctx, f.Repository, f.Stage); err != nil {
		return nil, err
	}
	f.Limit = exportLimit
	rs, err := s.o.Rows.Reports(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &cairn.PredictionExport{}
	folders := map[string][]cairn.TreeEntry{}
	var of []Exported
	for i := range rs {
		e, why, err := s.entry(ctx, &rs[i])
		if err != nil {
			return nil, err
		}
		if why != "" {
			out.Left = append(out.Left, cairn.PredictionLeft{Prediction: rs[i].Prediction, Reason: why})
			continue
		}
		folder := FolderName(rs[i].Expected)
		folders[folder] = append(folders[folder], *e)
		of = append(of, Exported{rs[i].Prediction, folder + "/" + e.Name})
	}
	if len(of) == 0 {
		e := cairn.Errorf(cairn.CodeNotFound, "there is no report to export")
		if len(out.Left) > 0 {
			return nil, e.WithHint("%d reports have no input: %s: %s", len(out.Left), out.Left[0].Prediction, out.Left[0].Reason)
		}
		return nil, e.WithHint("cairn prediction report ID --expected X makes one")
	}
	tree, err := s.tree(ctx, folders)
	if err != nil {
		return nil, err
	}
	v, err := s.o.CreateData(ctx, NewData{
		Name: name, Tree: tree, Of: of, Description: "Reported as wrong, by what was expected",
		Tags: tags(f),
	}, actor)
	if err != nil {
		return nil, err
	}
	out.Data, out.Digest, out.Files, out.Size = v.Ref(), v.Digest, v.Files, v.Size
	return out, nil
}

func tags(f cairn.PredictionFilter) map[string]string {
	out := map[string]string{"source": "predictions"}
	if f.Repository != "" {
		out["repository"] = f.Repository
	}
	if f.Stage != "" {
		out["stage"] = f.Stage
	}
	return out
}

// entry is the file of one report; why says that it has none.
func (s *Service) entry(ctx context.Context, r *cairn.PredictionReport) (_ *cairn.TreeEntry, why string, _ error) {
	if r.Input == "" {
		return nil, "what was sent is not kept", nil
	}
	size, err := s.o.Blobs.Stat(ctx, r.Input)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, "what was sent is not stored any more", nil
	} else if err != nil {
		return nil, "", err
	}
	return &cairn.TreeEntry{Name: string(r.Prediction) + Ext(r.Name, "", nil), Mode: cairn.ModeFile, Size: size, Digest: r.Input}, "", nil
}

func (s *Service) tree(ctx context.Context, folders map[string][]cairn.TreeEntry) (cairn.Digest, error) {
	var top []cairn.TreeEntry
	for name, entries := range folders {
		slices.SortFunc(entries, func(a, b cairn.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
		d, err := s.o.Blobs.PutTree(ctx, entries)
		if err != nil {
			return "", err
		}
		e := cairn.TreeEntry{Name: name, Mode: cairn.ModeDir, Digest: d, Files: int64(len(entries))}
		for _, x := range entries {
			e.Size += x.Size
		}
		top = append(top, e)
	}
	slices.SortFunc(top, func(a, b cairn.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	return s.o.Blobs.PutTree(ctx, top)
}

// FolderName makes the name of a folder of what was expected: the text itself
// where it can be one; what a folder cannot be called is written as in a URL, so
// that two classes never share a folder.
func FolderName(expected string) string {
	var b strings.Builder
	for i, r := range expected {
		switch {
		case r == '/' || r == '\\' || r == '%' || r < 0x20 || r == 0x7f || i == 0 && r == '.':
			fmt.Fprintf(&b, "%%%02X", r)
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	if b.Len() > 255 {
		// 200 bytes at most are kept of what was expected: only escapes make it so long.
		sum := cairn.SumBytes([]byte(expected)).Short()
		return strings.ToValidUTF8(b.String()[:200], "") + "%" + sum
	}
	return b.String()
}
