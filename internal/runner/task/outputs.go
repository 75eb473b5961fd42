package task

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// outputsAction is the last step: what the command made is kept, also where it failed.
type outputsAction struct{}

// ArtifactsOutput is the output that every task has: outputs, logs and user_logs.
const ArtifactsOutput = "artifacts"

// maxLiteral bounds the file of a literal output.
const maxLiteral = 64 << 10

func (outputsAction) Run(ctx context.Context, c *runner.StepContext) error {
	s, err := server(c)
	if err != nil {
		return err
	}
	ok := c.Status == "" || c.Status == cairn.Success
	var errs []error
	if err := keepFiles(ctx, c, s); err != nil {
		errs = append(errs, err)
	}
	t := c.Spec.Task
	for i := range t.Task.Outputs {
		o := &t.Task.Outputs[i]
		var err error
		if cairn.LiteralType(o.Type) {
			err = literal(c, o, ok)
		} else {
			err = keep(ctx, c, s, o, ok)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// keepFiles keeps ./outputs, ./logs and what the command printed.
func keepFiles(ctx context.Context, c *runner.StepContext, s Server) error {
	l := layoutOf(c)
	for _, name := range []string{"outputs", "logs"} {
		from, to := filepath.Join(l.work(), name), filepath.Join(l.logs(), name)
		if fi, err := os.Stat(from); err != nil || !fi.IsDir() {
			continue
		}
		if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cairn.Errorf(cairn.CodeFailed, "./%s cannot be kept: %w", name, err)
		}
	}
	if !exists(l.logs()) {
		return nil
	}
	root, size, files, err := s.UploadTree(ctx, l.logs(), nil)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "outputs and logs cannot be kept: %w", err)
	}
	if files == 0 {
		return nil
	}
	a, err := s.CreateArtifact(ctx, cairn.Artifact{Name: artifactName(c, ArtifactsOutput), Digest: root, Size: size, Files: files})
	if err != nil {
		return err
	}
	c.SetOutput(ArtifactsOutput, cairn.DataValue{Type: "folder", Digest: root, Size: size, Files: files, Ref: a.Ref(), Asset: "uri_folder"}.Encode())
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// artifactName is unique within a run: the job's path and the output's name.
func artifactName(c *runner.StepContext, output string) string {
	clean := strings.Map(func(r rune) rune {
		switch r {
		case '/', '\\':
			return '.'
		case '"', ':', '<', '>', '|', '*', '?', '\r', '\n':
			return '_'
		}
		return r
	}, c.Spec.Path+"."+output)
	if len(clean) > 250 {
		clean = cairn.SumBytes([]byte(clean)).Short() + strings.ToValidUTF8(clean[len(clean)-200:], "")
	}
	return clean
}

// keep uploads one output, and registers it where that was asked for.
func keep(ctx context.Context, c *runner.StepContext, s Server, o *cairn.TaskOutput, ok bool) error {
	l := layoutOf(c)
	path := l.output(o.Name)
	fi, err := os.Stat(path)
	dir, names := path, []string(nil)
	switch {
	case isFile(o.Type) && (err != nil || fi.IsDir()):
		if !ok {
			return nil // it failed before it came to that
		}
		what := "it wrote none"
		if err == nil {
			what = "it made a folder of it"
		}
		return cairn.Errorf(cairn.CodeFailed, "output %s has to be a file at %s, and %s", o.Name, path, what).
			WithHint("the command is given the path as ${{outputs.%s}}", o.Name)
	case isFile(o.Type):
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	case err != nil:
		if !ok {
			return nil
		}
		if err := made(path); err != nil {
			return err
		}
		c.Warn("output %s: the command removed its folder; it is kept as an empty one", o.Name)
	case !fi.IsDir():
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	}
	if ok && names == nil && isEmpty(path) {
		c.Warn("output %s: the command wrote nothing to it", o.Name)
	}
	root, total, files, err := s.UploadTree(ctx, dir, names)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "output %s cannot be kept: %w", o.Name, err)
	}
	v := cairn.DataValue{Type: "folder", Digest: root, Size: total, Files: files, Asset: o.Type}
	if names != nil {
		v.Type, v.Name = "file", names[0]
		if v.Digest, err = sum(path); err != nil {
			return err
		}
	}
	a, err := s.CreateArtifact(ctx, cairn.Artifact{Name: artifactName(c, o.Name), Digest: root, Size: total, Files: files})
	if err != nil {
		return err
	}
	v.Ref = a.Ref()
	c.Logf("output %s: %s", o.Name, about(v))
	if r := o.Register; r != nil && ok {
		tags := map[string]string{}
		for _, t := range c.Spec.Task.Task.Tags {
			tags[t.Name] = t.Value
		}
		made, err := s.RegisterOutput(ctx, *r, v, tags)
		if err != nil {
			return cairn.Errorf(cairn.CodeOf(err), "output %s cannot be registered as %s: %w", o.Name, r.Name, err)
		}
		v.Ref = made.Ref()
		c.Logf("output %s: registered as %s", o.Name, made.Ref())
	}
	c.SetOutput(o.Name, v.Encode())
	return nil
}

func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// sum is the digest of a file.
func sum(path string) (cairn.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	return cairn.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))), nil
}

// literal reads an output that is a value: the text of its file.
func literal(c *runner.StepContext, o *cairn.TaskOutput, ok bool) error {
	path := layoutOf(c).output(o.Name)
	f, err := os.Open(path)
	if err != nil {
		if !ok {
			return nil
		}
		return cairn.Errorf(cairn.CodeFailed, "output %s is a %s: the command has to write it to the file %s, and did not", o.Name, o.Type, path).
			WithHint("the command is given the path as ${{outputs.%s}}", o.Name)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLiteral+1))
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "output %s cannot be read: %w", o.Name, err)
	}
	if len(b) > maxLiteral {
		return cairn.Errorf(cairn.CodeTooLarge, "output %s is a %s, and its file holds more than %d bytes", o.Name, o.Type, maxLiteral)
	}
	text := strings.TrimSpace(string(b))
	if err := checkLiteral(o, text); err != nil {
		return err
	}
	c.Logf("output %s: %s", o.Name, text)
	c.SetOutput(o.Name, text)
	return nil
}
