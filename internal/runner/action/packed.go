package action

import (
	"archive/zip"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// eighth reads the inputs of version 8. Bytes are compared with their digests in any
// case: what digest-mismatch says of one that does not fit never happens.
func (a *download) eighth(c *runner.StepContext) (packed bool, err error) {
	if a.major < 8 {
		return false, nil
	}
	switch v := c.Input("digest-mismatch"); v {
	case "", "ignore", "info", "warn", "error":
	default:
		return false, cairn.Errorf(cairn.CodeInvalid, "Invalid value for 'digest-mismatch': '%s'. Valid options are: ignore, info, warn, error", v)
	}
	return boolInput(c, "skip-decompress", false)
}

// bringPacked writes an artifact as a zip of its name. One that came as a zip is
// that zip, byte for byte.
func bringPacked(ctx context.Context, c *runner.StepContext, x cairn.Artifact, dir string) error {
	if x.MediaType != "" {
		return bring(ctx, c, x, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
	}
	to := filepath.Join(dir, x.Name+".zip")
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return cairn.Errorf(cairn.CodeFailed, "cannot replace %s: %w", to, err)
	}
	if server, ok := c.Server.(keeper); ok && x.Archive != "" && x.Gone == "" {
		if err := fetch(ctx, server, x.Archive, to); err != nil {
			return err
		}
		return c.Server.UseArtifact(ctx, x.Ref())
	}
	tmp, err := os.MkdirTemp(scratch(c), "artifact-")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for the artifact: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := bring(ctx, c, x, tmp); err != nil {
		return err
	}
	if err := zipFolder(tmp, to); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", to, err)
	}
	return nil
}

// zipFolder packs a folder, the same each time.
func zipFolder(dir, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: filepath.ToSlash(rel), Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(fi.Mode())
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		r, err := os.Open(path)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	for _, end := range []func() error{z.Close, f.Close} {
		if cerr := end(); err == nil {
			err = cerr
		}
	}
	return err
}
