package source

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Folder is a folder of this machine as pipeline.Files: the top of the repository that
// a file lies in, else the file's own folder. What a file names above it, with "../",
// is read too; no path of this machine gets into what is sent.
type Folder struct {
	Root string // absolute
	// Repository says that Root is the top of a git work tree.
	Repository bool
	k          *kit.Kit
}

// Open finds the folder of a file that was named on the command line, and the file's
// path in it.
func Open(k *kit.Kit, file string) (*Folder, string, error) {
	if _, err := k.ReadFile(file, pipeline.MaxFile); err != nil {
		return nil, "", err
	}
	full := k.Path(file)
	f := &Folder{Root: filepath.Dir(full), k: k}
	if top := repository(f.Root); top != "" {
		f.Root, f.Repository = top, true
	}
	rel, err := filepath.Rel(f.Root, full)
	if err != nil {
		return nil, "", cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", file, err)
	}
	return f, filepath.ToSlash(rel), nil
}

// repository is the nearest folder, dir or above it, that holds .git; "" where none does.
func repository(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// Path is where something lies on this machine.
func (f *Folder) Path(name string) string {
	if path.IsAbs(name) || filepath.IsAbs(filepath.FromSlash(name)) {
		return filepath.FromSlash(name)
	}
	return filepath.Join(f.Root, filepath.FromSlash(name))
}

// ReadFile reads a file that a file names.
func (f *Folder) ReadFile(name string) ([]byte, error) {
	r, err := os.Open(f.Path(name))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, pipeline.MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > pipeline.MaxFile {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is larger than a file may be", name)
	}
	return b, nil
}

// Stat says whether a path is there, and whether it is a folder.
func (f *Folder) Stat(name string) (dir bool, err error) {
	fi, err := os.Stat(f.Path(name))
	if err != nil {
		return false, err
	}
	return fi.IsDir(), nil
}

// Load reads a file of the folder with all that it names by path. Problems name files
// as the user would, and show the lines that they point into.
func (f *Folder) Load(name string, o pipeline.Options) (*pipeline.Document, []cairn.Problem) {
	doc, ps := pipeline.Load(f, name, o)
	return doc, f.Problems(ps)
}

// Problems turns positions in the folder into ones that a user can open.
func (f *Folder) Problems(ps []cairn.Problem) []cairn.Problem {
	lines := map[string][]string{}
	for i := range ps {
		p := &ps[i]
		if p.File == "" {
			continue
		}
		if p.Snippet == "" && p.Line > 0 {
			if _, read := lines[p.File]; !read {
				src, _ := f.ReadFile(p.File) // one that cannot be read has no lines to show
				lines[p.File] = strings.Split(string(src), "\n")
			}
			if text := lines[p.File]; p.Line <= len(text) {
				p.Snippet = strings.TrimSuffix(text[p.Line-1], "\r")
			}
		}
		p.File = f.Shown(p.File)
	}
	return ps
}

// Shown is a path of the folder as the user would type it.
func (f *Folder) Shown(name string) string {
	full := f.Path(name)
	rel, err := filepath.Rel(f.k.Dir, full)
	if err != nil || strings.HasPrefix(rel, filepath.Join("..", "..", "..")) {
		return full
	}
	return rel
}
