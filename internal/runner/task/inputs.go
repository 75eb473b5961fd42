package task

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// inputsAction is the second step: code and inputs are brought to their places.
type inputsAction struct{}

func (inputsAction) Run(ctx context.Context, c *runner.StepContext) error {
	s, err := server(c)
	if err != nil {
		return err
	}
	l, t := layoutOf(c), c.Spec.Task
	if err := made(l.work(), l.data(), l.logs()); err != nil {
		return err
	}
	if code := t.Task.Code; code != nil {
		if err := fetch(ctx, s, *code, l.work()); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "the code cannot be had: %w", err)
		}
		c.Logf("code: %s", about(*code))
	}
	for _, inc := range t.Task.Includes {
		if err := include(ctx, s, inc, l.work()); err != nil {
			return err
		}
		c.Logf("code: %s, with %s", inc.Name, about(inc))
	}
	for _, v := range t.Values {
		path := l.input(v.Name)
		switch {
		case v.Data != nil:
			if err := fetch(ctx, s, *v.Data, path); err != nil {
				return cairn.Errorf(cairn.CodeFailed, "input %s cannot be had: %w", v.Name, err)
			}
			c.Logf("input %s: %s", v.Name, about(*v.Data))
		case v.List != nil:
			for i, d := range v.List {
				if err := fetch(ctx, s, d, filepath.Join(path, strconv.Itoa(i))); err != nil {
					return cairn.Errorf(cairn.CodeFailed, "input %s cannot be had: %w", v.Name, err)
				}
			}
			c.Logf("input %s: what %d jobs made", v.Name, len(v.List))
		default:
			c.Logf("input %s: %s", v.Name, v.Text)
		}
	}
	for _, o := range t.Task.Outputs {
		dir := l.output(o.Name)
		if isFile(o.Type) {
			dir = filepath.Dir(dir)
		}
		if err := made(dir); err != nil {
			return err
		}
	}
	return nil
}

// isFile reports whether a port of that type is one file.
func isFile(t string) bool { return t == "uri_file" || cairn.LiteralType(t) }

// about says what data is, for people.
func about(d cairn.DataValue) string {
	from := string(d.Ref)
	if from == "" {
		from = d.URI
	}
	text := d.Digest.Short()
	if d.Type == "folder" && d.Files > 0 {
		text += fmt.Sprintf(", %d files", d.Files)
	}
	if d.Size > 0 {
		text += ", " + size(d.Size)
	}
	if from != "" {
		text = from + " (" + text + ")"
	}
	return text
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// fetch writes data to a path: a folder's files into it, or one file.
func fetch(ctx context.Context, s Server, d cairn.DataValue, path string) error {
	if d.Type == "file" {
		if err := made(filepath.Dir(path)); err != nil {
			return err
		}
		return s.DownloadBlob(ctx, d.Digest, path)
	}
	if err := made(path); err != nil {
		return err
	}
	return s.DownloadTree(ctx, d.Digest, path)
}

// include puts a further file or folder into the code, under its own name.
func include(ctx context.Context, s Server, d cairn.DataValue, work string) error {
	name := filepath.Base(d.Name)
	if d.Name == "" || name != d.Name || name == "." || name == ".." {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no name for something in the code", d.Name)
	}
	path := filepath.Join(work, name)
	if _, err := os.Lstat(path); err == nil && d.Type == "file" {
		return cairn.Errorf(cairn.CodeInvalid, "%s is among the additional_includes, and in the code as well", name)
	}
	if err := fetch(ctx, s, d, path); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be had: %w", name, err)
	}
	return nil
}
