package ignore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The names of ignore files. In a folder that has both, the first one counts.
const (
	amlIgnore = ".amlignore"
	gitIgnore = ".gitignore"
)

// never lists what no snapshot holds, whatever the ignore files say.
var never = []string{".git", "__pycache__"}

const (
	maxIgnoreFile = 1 << 20
	maxFiles      = 200_000
)

// File is a file that is taken along.
type File struct {
	Path string // below the folder, with slashes
	Name string // where it lies on this machine, links followed
	Size int64
	Exec bool
}

// Found is what Walk finds. Notes say what was passed over that somebody may miss.
type Found struct {
	Files []File // in the order of their paths
	Size  int64
	Notes []string
}

// Options say which folders count.
type Options struct {
	// Top is the folder from which on ignore files count, such as the top of the
	// repository: dir itself or one above it. "" is dir.
	Top string
	// All takes everything, whatever ignore files say, save git's own folder.
	All bool
	// Inside is the folder that symbolic links may lead to; "" is Top.
	Inside string
}

// Walk lists the files of a folder that are not ignored. An .amlignore in the folder
// itself takes the place of all .gitignore files; else every .gitignore counts, from
// that of Top to those of folders far below. Symbolic links are followed, as long as
// they stay inside; nothing of a folder is read that leads to itself.
func Walk(ctx context.Context, dir string, o Options) (*Found, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", dir, err)
	}
	if o.Top == "" {
		o.Top = dir
	}
	if o.Inside == "" {
		o.Inside = o.Top
	}
	inside, err := filepath.EvalSymlinks(o.Inside)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", o.Inside, err)
	}
	w := &walker{ctx: ctx, dir: dir, inside: inside, never: never, found: &Found{}}
	var m Matcher
	if o.All {
		w.never, w.all = never[:1], true
	} else {
		_, err = os.Lstat(filepath.Join(dir, amlIgnore))
		w.amlOnly = err == nil
		if m, err = w.above(o.Top); err != nil {
			return nil, err
		}
	}
	if err := w.folder(real, "", m, []string{real}); err != nil {
		return nil, err
	}
	slices.SortFunc(w.found.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return w.found, nil
}

type walker struct {
	ctx     context.Context
	dir     string // as it was asked for
	inside  string
	prefix  string // of dir below the top, with a slash behind; "" at the top
	amlOnly bool
	all     bool
	never   []string
	found   *Found
}

// above reads the ignore files of the folders above dir. A folder that they ignore
// was named all the same: then they have no part in it.
func (w *walker) above(top string) (Matcher, error) {
	var m Matcher
	rel, err := filepath.Rel(top, w.dir)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return m, nil
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	w.prefix = strings.Join(parts, "/") + "/"
	if w.amlOnly {
		return m, nil
	}
	for i := range parts {
		base := strings.Join(parts[:i], "/")
		if m, err = w.read(m, filepath.Join(top, filepath.FromSlash(base)), base); err != nil {
			return m, err
		}
		if m.Ignored(strings.Join(parts[:i+1], "/"), true) {
			return Matcher{}, nil
		}
	}
	return m, nil
}

// read adds the ignore file of a folder, if it has one that counts.
func (w *walker) read(m Matcher, folder, base string) (Matcher, error) {
	if w.all {
		return m, nil
	}
	for _, name := range []string{amlIgnore, gitIgnore} {
		if name == gitIgnore && w.amlOnly {
			return m, nil
		}
		full := filepath.Join(folder, name)
		fi, err := os.Lstat(full)
		if err != nil || !fi.Mode().IsRegular() {
			continue // git reads no ignore file through a link
		}
		f, err := os.Open(full)
		if err != nil {
			return m, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", full, err)
		}
		src, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
		f.Close()
		if err != nil {
			return m, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", full, err)
		}
		if len(src) > maxIgnoreFile {
			return m, cairn.Errorf(cairn.CodeTooLarge, "%s is larger than 1 MB", full)
		}
		return m.With(base, src), nil
	}
	return m, nil
}

// folder walks one folder: real is where it lies, rel its path below dir, chain the
// real folders on the way to it.
func (w *walker) folder(real, rel string, m Matcher, chain []string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", w.shown(rel), err)
	}
	if m, err = w.read(m, real, strings.TrimSuffix(w.prefix+rel, "/")); err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(w.never, e.Name()) {
			continue
		}
		if err := w.entry(e, filepath.Join(real, e.Name()), path.Join(rel, e.Name()), m, chain); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(e fs.DirEntry, name, rel string, m Matcher, chain []string) error {
	dir := e.IsDir()
	if e.Type()&fs.ModeSymlink != 0 {
		fi, err := os.Stat(name)
		dir = err == nil && fi.IsDir()
		if m.Ignored(w.prefix+rel, dir) {
			return nil
		}
		if err != nil {
			// Editors leave such links beside files that are open.
			w.note("%s is left out: it is a symbolic link to something that is not there", w.shown(rel))
			return nil
		}
		if name, err = w.follow(name, rel); err != nil {
			return err
		}
		if dir && slices.ContainsFunc(chain, func(c string) bool { return c == name }) {
			w.note("%s is left out: the symbolic link leads to a folder that it lies in", w.shown(rel))
			return nil
		}
	} else if m.Ignored(w.prefix+rel, dir) {
		return nil
	}
	if dir {
		return w.folder(name, rel, m, append(chain[:len(chain):len(chain)], name))
	}
	fi, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // went away while we looked
	case err != nil:
		return cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", w.shown(rel), err)
	case !fi.Mode().IsRegular():
		return cairn.Errorf(cairn.CodeInvalid, "%s is neither a file nor a folder (%s)", w.shown(rel), fi.Mode().Type()).
			WithHint("remove it, or name it in %s", gitIgnore)
	case len(w.found.Files) == maxFiles:
		return cairn.Errorf(cairn.CodeTooLarge, "%s holds more than %d files", w.dir, maxFiles).
			WithHint("name what is no code in %s or %s", gitIgnore, amlIgnore)
	}
	w.found.Files = append(w.found.Files, File{Path: rel, Name: name, Size: fi.Size(), Exec: fi.Mode()&0o111 != 0})
	w.found.Size += fi.Size()
	return nil
}

// follow returns where a link leads. A link that leaves the folder is refused: code
// of a stranger could name any file of this machine.
func (w *walker) follow(name, rel string) (string, error) {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "cannot follow %s: %w", w.shown(rel), err)
	}
	if below, err := filepath.Rel(w.inside, real); err != nil || !filepath.IsLocal(below) {
		target, _ := os.Readlink(name)
		return "", cairn.Errorf(cairn.CodeInvalid, "the symbolic link %s leads to %s, outside of %s", w.shown(rel), target, w.inside).
			WithHint("copy what it leads to, or name the link in %s", gitIgnore)
	}
	return real, nil
}

func (w *walker) shown(rel string) string { return filepath.Join(w.dir, filepath.FromSlash(rel)) }

func (w *walker) note(format string, args ...any) {
	w.found.Notes = append(w.found.Notes, fmt.Sprintf(format, args...))
}
