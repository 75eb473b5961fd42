package action

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// pointer is what git keeps of a file in LFS.
type pointer struct {
	oid  string // sha256, hex
	size int64
}

var pointerRE = regexp.MustCompile(`^version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,18})\n$`)

// maxPointer is the size of the largest pointer by its specification.
const maxPointer = 1024

// largeFiles replaces pointers by their files. Cairn keeps no LFS objects: they come
// from the working tree that the run began in, or git-lfs of this machine fetches
// them from the server that the repository names.
func (a *checkout) largeFiles(ctx context.Context, c *runner.StepContext, code cairn.CodeRef, in checkoutInput) error {
	root, err := os.OpenRoot(in.dir)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", in.dir, err)
	}
	defer root.Close()
	found, err := pointers(root)
	if err != nil || len(found) == 0 {
		return err
	}
	var stores []string
	if code.GitDir != "" {
		stores = append(stores, filepath.Join(code.GitDir, "lfs", "objects"))
	}
	if d := lfsOf(code.WorkDir); d != "" {
		stores = append(stores, d)
	}
	var missing []string
	var done strings.Builder
	for _, name := range found {
		p, ok := readPointer(root, name)
		if !ok {
			continue
		}
		switch err := restore(root, name, p, stores); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, name)
		case err != nil:
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", name, err)
		default:
			done.WriteString(name + "\x00")
		}
	}
	if n := len(found) - len(missing); n > 0 {
		c.Logf("%d of %d LFS files are taken from the working tree of the run", n, len(found))
		if err := a.settle(ctx, c, in.dir, done.String()); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return a.fetchLarge(ctx, c, in.dir, missing)
}

// settle tells git that files which are no pointers any more did not change.
func (a *checkout) settle(ctx context.Context, c *runner.StepContext, dir, names string) error {
	list := filepath.Join(c.Dirs.Temp, "lfs-files")
	if err := os.WriteFile(list, []byte(names), 0o600); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the list of LFS files cannot be written: %w", err)
	}
	defer os.Remove(list)
	_, err := c.Exec(ctx, runner.Process{Args: []string{"sh", "-c", `git update-index --assume-unchanged -z --stdin <"$0"`, list}, Dir: dir})
	return err
}

// fetchLarge asks git-lfs for what is not here.
func (a *checkout) fetchLarge(ctx context.Context, c *runner.StepContext, dir string, missing []string) error {
	fail := cairn.Errorf(cairn.CodeNotFound, "%d LFS files are not on this machine, the first is %s", len(missing), missing[0]).
		WithHint("git lfs pull in the working tree and run again; or keep large files as data: cairn data create NAME PATH")
	if status, err := c.Exec(ctx, runner.Process{Args: []string{"git", "lfs", "version"}, Dir: dir, Stdout: io.Discard, Stderr: io.Discard}); err != nil || status != 0 {
		return fail
	}
	for _, args := range [][]string{{"git", "lfs", "install", "--local"}, {"git", "lfs", "pull"}} {
		status, err := c.Exec(ctx, runner.Process{Args: args, Dir: dir})
		if err != nil {
			return err
		}
		if status != 0 {
			return fail
		}
	}
	return nil
}

// lfsOf is where a working tree keeps LFS objects.
func lfsOf(work string) string {
	if work == "" {
		return ""
	}
	dir := filepath.Join(work, ".git")
	if fi, err := os.Stat(dir); err == nil && !fi.IsDir() { // a linked work tree
		b, err := os.ReadFile(dir)
		if err != nil {
			return ""
		}
		at := strings.TrimSpace(strings.TrimPrefix(string(b), "gitdir:"))
		if !filepath.IsAbs(at) {
			at = filepath.Join(work, at)
		}
		dir = filepath.Dir(filepath.Dir(at))
	}
	return filepath.Join(dir, "lfs", "objects")
}

// pointers lists the files of a work tree that are pointers.
func pointers(root *os.Root) ([]string, error) {
	var out []string
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if fi, err := d.Info(); err != nil || fi.Size() > maxPointer || fi.Size() < 100 {
			return err
		}
		if _, ok := readPointer(root, p); ok {
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

func readPointer(root *os.Root, name string) (pointer, bool) {
	f, err := root.Open(name)
	if err != nil {
		return pointer{}, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(bufio.NewReader(f), maxPointer+1))
	m := pointerRE.FindSubmatch(b)
	if err != nil || m == nil {
		return pointer{}, false
	}
	size, err := strconv.ParseInt(string(m[2]), 10, 64)
	return pointer{string(m[1]), size}, err == nil
}

// restore writes the object of a pointer over it, once its bytes are known to be right.
func restore(root *os.Root, name string, p pointer, stores []string) error {
	var in *os.File
	err := fs.ErrNotExist
	for _, s := range stores {
		if in, err = os.Open(filepath.Join(s, p.oid[:2], p.oid[2:4], p.oid)); err == nil {
			break
		}
	}
	if err != nil {
		return fs.ErrNotExist
	}
	defer in.Close()
	fi, err := root.Stat(name)
	if err != nil {
		return err
	}
	temp := name + ".cairn-lfs"
	out, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fi.Mode().Perm())
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), in)
	err = errors.Join(err, out.Close())
	if err == nil && (n != p.size || hex.EncodeToString(sum.Sum(nil)) != p.oid) {
		err = fmt.Errorf("its LFS object is damaged")
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}
