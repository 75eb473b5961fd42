package build

import (
	"crypto/sha1" //nolint:gosec // git names blobs by it
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
)

// buildContext is the folder that COPY reads from, without what .dockerignore
// leaves out. Nothing outside of it is ever opened: all access goes through the
// root handle, and links are followed here, inside it.
type buildContext struct {
	root       *os.Root
	dir        string
	ignore     *dockerfile.Ignore
	ignoreName string // the name of the file with the patterns
	limits     Limits
	warn       func(string, ...any)
}

// openContext reads <Dockerfile>.dockerignore, else .dockerignore.
func openContext(dir, dockerfilePath string, l Limits, warn func(string, ...any)) (*buildContext, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeNotFound, "the build context cannot be opened: %w", err)
	}
	c := &buildContext{root: root, dir: dir, limits: l, warn: warn}
	for _, name := range []string{dockerfilePath + ".dockerignore", filepath.Join(dir, ".dockerignore")} {
		src, err := readFile(name, dockerfile.MaxSize+1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c.ignoreName = filepath.Base(name)
		if err != nil {
			root.Close()
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be read: %w", c.ignoreName, err)
		}
		if c.ignore, err = dockerfile.ParseIgnore(c.ignoreName, src); err != nil {
			root.Close()
			return nil, err
		}
		break
	}
	return c, nil
}

func (c *buildContext) close() { c.root.Close() }

// errNone says that a path is not there; errIgnored that it is left out.
var (
	errNone    = errors.New("not there")
	errIgnored = errors.New("left out")
)

// maxLinks bounds how many links one path may go through.
const maxLinks = 40

// resolve follows the links of a path, as a process would that has the context
// as its root: an absolute target begins there, and .. does not lead out.
func (c *buildContext) resolve(p string) (string, fs.FileInfo, error) {
	todo := strings.Split(strings.Trim(path.Clean("/"+p), "/"), "/")
	at := ""
	var fi fs.FileInfo
	links := 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := path.Join(at, part)
		var err error
		if fi, err = c.root.Lstat(filepath.FromSlash(next)); err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
				return "", nil, errNone
			}
			return "", nil, err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := c.root.Readlink(filepath.FromSlash(next))
		if err != nil {
			return "", nil, err
		}
		if links++; links > maxLinks {
			return "", nil, cairn.Errorf(cairn.CodeInvalid, "the links at %s go round in a circle", clip(p)).
				WithHint("let one of them point to a file")
		}
		if outside(at, target) {
			return "", nil, cairn.Errorf(cairn.CodeInvalid, "%s is a link to %s, which leaves the build context", clip(next), clip(target)).
				WithHint("only what lies in the context can be copied; copy the file into it, or build from a folder above")
		}
		todo = append(strings.Split(filepath.ToSlash(target), "/"), todo...)
		fi = nil
	}
	if fi == nil || at == "" {
		var err error
		if fi, err = c.root.Lstat(filepath.FromSlash(orDot(at))); err != nil {
			return "", nil, errNone
		}
	}
	ignored, err := c.ignored(at)
	if err != nil {
		return "", nil, err
	}
	if ignored && !(fi.IsDir() && c.ignore.Exceptions()) {
		return at, fi, errIgnored
	}
	return at, fi, nil
}

func outside(at, target string) bool {
	if path.IsAbs(target) {
		return true
	}
	depth := 0
	if at != "" {
		depth = strings.Count(at, "/") + 1
	}
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

func orDot(p string) string {
	if p == "" {
		return "."
	}
	return p
}

// state is what the patterns say of a path, with that of the folders above.
func (c *buildContext) state(p string) (bool, dockerfile.State, error) {
	var ignored bool
	var st dockerfile.State
	if c.ignore == nil || p == "" {
		return false, st, nil
	}
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		var err error
		if ignored, st, err = c.ignore.Match(p[:i], st); err != nil {
			return false, st, cairn.Errorf(cairn.CodeInvalid, "%s has a bad pattern: %w", c.ignoreName, err)
		}
	}
	return ignored, st, nil
}

func (c *buildContext) ignored(p string) (bool, error) {
	ignored, _, err := c.state(p)
	return ignored, err
}

// entry is one thing of the context.
type entry struct {
	path string // in the context
	info fs.FileInfo
	link string
}

// walk visits a folder and everything below it that is not left out, sorted.
// The folder itself comes first.
func (c *buildContext) walk(dir string, visit func(entry) error) error {
	_, st, err := c.state(dir)
	if err != nil {
		return err
	}
	fi, err := c.root.Lstat(filepath.FromSlash(orDot(dir)))
	if err != nil {
		return c.readError(dir, err)
	}
	if err := visit(entry{path: dir, info: fi}); err != nil {
		return err
	}
	return c.walkIn(dir, st, 0, visit)
}

func (c *buildContext) walkIn(dir string, above dockerfile.State, depth int, visit func(entry) error) error {
	if depth > 500 {
		return cairn.Errorf(cairn.CodeTooLarge, "the folders of the build context are nested too deeply at %s", clip(dir))
	}
	entries, err := c.readDir(dir)
	if err != nil {
		return err
	}
	for _, d := range entries {
		p := path.Join(dir, d.Name())
		ignored, st := false, above
		if c.ignore != nil {
			if ignored, st, err = c.ignore.Match(p, above); err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%s has a bad pattern: %w", c.ignoreName, err)
			}
		}
		if ignored && !(d.IsDir() && c.ignore.Exceptions()) {
			continue
		}
		fi, err := d.Info()
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // it went while we looked
			}
			return c.readError(p, err)
		}
		e := entry{path: p, info: fi}
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			if e.link, err = c.root.Readlink(filepath.FromSlash(p)); err != nil {
				return c.readError(p, err)
			}
		case !fi.IsDir() && !fi.Mode().IsRegular():
			c.warn("%s is neither file nor folder nor link and is left out", clip(p))
			continue
		}
		if !ignored {
			if err := visit(e); err != nil {
				return err
			}
		}
		if fi.IsDir() {
			if err := c.walkIn(p, st, depth+1, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *buildContext) readDir(dir string) ([]fs.DirEntry, error) {
	f, err := c.root.Open(filepath.FromSlash(orDot(dir)))
	if err != nil {
		return nil, c.readError(dir, err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, c.readError(dir, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (c *buildContext) readError(p string, err error) error {
	var ce *cairn.Error
	if errors.As(err, &ce) {
		return err
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return cairn.Errorf(cairn.CodeFailed, "%s of the build context cannot be read: %w", clip(orDot(p)), err).
		WithHint("a line in .dockerignore leaves it out")
}

// open opens a file; a link there by now is refused by the root handle or is
// another file, which its digest shows.
func (c *buildContext) open(p string) (io.ReadCloser, error) {
	f, err := c.root.Open(filepath.FromSlash(p))
	if err != nil {
		return nil, c.readError(p, err)
	}
	return f, nil
}

// sums are the digest of a file and its name as a git blob.
func sums(open func() (io.ReadCloser, error), size int64) (cairn.Digest, string, error) {
	r, err := open()
	if err != nil {
		return "", "", err
	}
	defer r.Close()
	d, g := sha256.New(), sha1.New() //nolint:gosec // git names blobs by it
	fmt.Fprintf(g, "blob %d\x00", size)
	n, err := io.Copy(io.MultiWriter(d, g), io.LimitReader(r, size+1))
	if err != nil {
		return "", "", err
	}
	if n != size {
		return "", "", cairn.Errorf(cairn.CodeConflict, "it changed while it was read: it has %d bytes instead of %d", n, size)
	}
	return cairn.DigestOf(d.Sum(nil)), hex.EncodeToString(g.Sum(nil)), nil
}

func clip(s string) string {
	if len(s) <= 200 {
		return s
	}
	return s[:200] + "…"
}
