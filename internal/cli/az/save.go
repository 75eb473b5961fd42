package az

import (
	"context"
	"os"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/output"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// saveAs writes an answer into the file that --save-as names.
func (c *call) saveAs(o any) error {
	name := c.get("save_as")
	if name == "" {
		return nil
	}
	v, err := query.FromAny(o)
	if err != nil {
		return err
	}
	f, err := os.Create(c.k.Path(name))
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", name, err)
	}
	if err := output.Write(f, "yaml", v, output.Options{}); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", name, err)
	}
	return nil
}

// validateJob checks a file in the shape of the original's answer.
func validateJob(_ context.Context, c *call) (any, error) {
	folder, name, err := source.Open(c.k, c.get("file"))
	if err != nil {
		return nil, err
	}
	_, ps := folder.Load(name, pipeline.Options{Kind: "job", Set: c.list("set")})
	if !cairn.HasErrors(ps) {
		return object("result", "Succeeded"), nil
	}
	found := []any{}
	for _, p := range ps {
		if p.Severity == cairn.SeverityError {
			found = append(found, object("message", p.Message, "path", p.Path, "location", p.File))
		}
	}
	return object("result", "Failed", "errors", found), nil
}

// asYAML is a value of a file as a text of its own.
func asYAML(v pipeline.Value) (string, error) {
	q, err := query.FromAny(v.Plain())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = output.Write(&b, "yaml", q, output.Options{})
	return b.String(), err
}
