package repo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// maxBelow bounds a file that ReadBelow reads: what a smoke request sends, and
// one byte more.
const maxBelow = 8<<20 + 1

// Stages reads .cairn/stages.yml of a work tree; nil where there is none.
func Stages(root string) (*stages.File, []cairn.Problem, error) {
	src, err := ReadBelow(root, stages.Path)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	f, problems := stages.Parse(stages.Path, src)
	return f, problems, nil
}

// ReadBelow reads a file of a work tree, bounded; no link leads out of it.
func ReadBelow(root, rel string) ([]byte, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot open %s: %w", root, err)
	}
	defer r.Close()
	fi, err := r.Stat(filepath.FromSlash(rel))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no file %s", rel)
	case err != nil:
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", rel, err)
	case !fi.Mode().IsRegular(): // a pipe would never end
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a file (%s)", rel, fi.Mode().Type())
	}
	f, err := r.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", rel, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBelow))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", rel, err)
	}
	return b, nil
}
