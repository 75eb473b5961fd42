package asset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func (a *assets) newShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME[:VERSION|@LABEL]",
		Short: "Show a version: digest, tags, what made it, what used it",
		Example: a.text(`cairn NOUN show digits
cairn NOUN show digits@production --json --jq .version.digest`),
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: a.complete(true),
	}
	if a.kind == cairn.AssetModel {
		cmd.Short = "Show a version: digest, metrics, confusion matrix, what made it"
	}
	out := a.k.JSONFlags(cmd, client.AssetDetail{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, d, err := a.resolve(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(d)
		}
		var extra modelFacts
		if a.kind == cairn.AssetModel {
			extra = readModelFacts(c.Context(), cl, d)
		}
		return write(a.k.Term.Out, detail(a.k, d, extra))
	}
	return cmd
}

// detail is a version as people read it.
func detail(k *kit.Kit, d *client.AssetDetail, m modelFacts) string {
	s := k.Term.OutStyle()
	v := &d.Version
	var b strings.Builder
	head := s.Bold(string(v.Ref()))
	if len(d.Labels) > 0 {
		head += "  @" + strings.Join(d.Labels, " @")
	}
	if v.Archived {
		head += "  " + s.Yellow("archived")
	}
	b.WriteString(head + "\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", name, value)
		}
	}
	row("digest", string(v.Digest))
	size := term.Size(v.Size)
	if v.Type != typeFile {
		size = term.Count(v.Files, "file") + ", " + size
	}
	row("holds", size)
	row("description", term.Clean(v.Description))
	if len(v.Tags) > 0 {
		row("tags", tags(v.Tags))
	}
	if len(v.Properties) > 0 {
		row("properties", tags(v.Properties))
	}
	row("stage", v.Stage)
	row("created", fmt.Sprintf("%s by %s", v.CreatedAt.UTC().Format("2006-01-02 15:04:05 UTC"), term.Clean(v.By)))
	row("made by", string(d.MadeBy))
	row("mlflow run", v.SourceRun)
	for i, u := range d.UsedBy {
		if i == 10 {
			row("", fmt.Sprintf("… and %d more", len(d.UsedBy)-i))
			break
		}
		name := "used by"
		if i > 0 {
			name = ""
		}
		row(name, string(u))
	}
	if len(m.metrics) > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.Bold("metrics"))
		width := 0
		for _, f := range m.metrics {
			width = max(width, len(f.Name))
		}
		for _, f := range m.metrics {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, term.Clean(f.Name), term.Clean(f.Value))
		}
	}
	if m.matrix != nil {
		fmt.Fprintf(&b, "\n%s (rows: true, columns: predicted)\n%s", s.Bold("confusion matrix"), m.matrix.text(s))
	}
	fmt.Fprintf(k.Term.Err, "%s cairn trace %s\n", k.Term.ErrStyle().Cyan("next:"), v.Ref())
	return b.String()
}

// modelFacts are what is shown of a model beside its row.
type modelFacts struct {
	metrics []cairn.TraceFact
	matrix  *matrix
}

// readModelFacts gathers metrics from the trace, and a confusion matrix from the
// model's own files, from what its tracking run logged or from the artifacts of
// the workflow run that made it. All of it is an addition: what cannot be read is
// left out.
func readModelFacts(ctx context.Context, cl *kit.Client, d *client.AssetDetail) modelFacts {
	var m modelFacts
	tr, err := cl.Trace(ctx, string(d.Version.Ref()), false)
	if err != nil {
		return m
	}
	tr.Walk(func(depth int, n *cairn.TraceNode) {
		if depth > 2 {
			return
		}
		for _, f := range n.Facts {
			if f.Group == "metric" && !slices.ContainsFunc(m.metrics, func(o cairn.TraceFact) bool { return o.Name == f.Name }) {
				m.metrics = append(m.metrics, f)
			}
		}
	})
	if m.matrix = treeMatrix(ctx, cl, d.Version.Digest); m.matrix != nil {
		return m
	}
	if d.Version.SourceRun != "" {
		if files, err := cl.TrackingFiles(ctx, d.Version.SourceRun); err == nil {
			if m.matrix = findMatrix(ctx, cl, files); m.matrix != nil {
				return m
			}
		}
	}
	if d.Version.Run == 0 {
		return m
	}
	arts, err := cl.Artifacts(ctx, d.Version.Run)
	if err != nil {
		return m
	}
	for _, a := range arts {
		if a.Attempt != d.Version.Attempt {
			continue // another attempt trained another model
		}
		if m.matrix = treeMatrix(ctx, cl, a.Digest); m.matrix != nil {
			break
		}
	}
	return m
}

func treeMatrix(ctx context.Context, cl *kit.Client, root cairn.Digest) *matrix {
	files, err := cl.TreeFiles(ctx, root)
	if err != nil {
		return nil
	}
	return findMatrix(ctx, cl, files)
}

// findMatrix looks for confusion_matrix.json among files.
func findMatrix(ctx context.Context, cl *kit.Client, files []client.TreeFile) *matrix {
	for _, f := range files {
		base := strings.ReplaceAll(filepath.Base(f.Path), "-", "_")
		if base != "confusion_matrix.json" || f.Size > 1<<20 {
			continue
		}
		r, _, err := cl.GetBlob(ctx, f.Digest)
		if err != nil {
			return nil
		}
		b, err := io.ReadAll(io.LimitReader(r, 1<<20))
		r.Close()
		if err != nil {
			return nil
		}
		if m := parseMatrix(b); m != nil {
			return m
		}
	}
	return nil
}

// fetchFile writes a single blob as dir/name, checked against its digest.
func fetchFile(ctx context.Context, cl *kit.Client, d cairn.Digest, dir, name string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
	}
	r, _, err := cl.GetBlob(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.CreateTemp(dir, ".download-*")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: %w", dir, err)
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), r)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: %w", dir, err)
	}
	if got := cairn.DigestOf(sum.Sum(nil)); got != d {
		return cairn.Errorf(cairn.CodeInternal, "%s arrived as %s", d, got).WithHint("cairn fsck checks what is stored")
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}
