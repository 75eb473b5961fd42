package layer

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// ApplyOptions say how layers are unpacked.
type ApplyOptions struct {
	// Limits are per layer.
	Limits Limits
	// Unprivileged unpacks as any user can, also as root: no owners, no device nodes,
	// and folders that their owner can always change.
	Unprivileged bool
	// Skip leaves paths out, together with what lies below them; nil skips nothing.
	Skip func(path string) bool
	// Skipped is told of each entry that cannot be made here (device nodes); nil is
	// told nothing.
	Skipped func(path, why string)
}

// Apply unpacks layers into dir, the lowest first, each over what is there. dir
// must exist and should be empty; whoever calls renames it when all is well. No
// entry gets out of dir, whatever links the layers hold: a link is followed, where
// one lies on the way, as a process inside the image would follow it.
func Apply(ctx context.Context, dir string, layers []Source, o ApplyOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder to unpack into: %w", err)
	}
	defer root.Close()
	a := &applier{root: root, o: o, asRoot: os.Geteuid() == 0 && !o.Unprivileged, folders: newFolders(), buf: make([]byte, 256<<10)}
	defer a.leave()
	for i := range layers {
		a.made = map[string]bool{}
		if err := layers[i].read(ctx, o.Limits, func(h *tar.Header, r io.Reader, _ int64) error { return a.entry(h, r) }); err != nil {
			return err
		}
	}
	return a.finish()
}

// applier holds what one Apply knows. Paths in it are resolved: no part of them
// is a link, except that the last may be one.
type applier struct {
	root   *os.Root
	o      ApplyOptions
	asRoot bool
	// made are the paths of the layer at hand and all above them: whiteouts are
	// about the layers below.
	made    map[string]bool
	folders *folders
	// at is the folder that is open, since entries of one folder follow each other;
	// dir is its resolved path and asked what the layer called it.
	at    *os.Root
	dir   string
	asked string
	buf   []byte
}

// leave forgets the open folder: it may have been replaced.
func (a *applier) leave() {
	if a.at != nil && a.at != a.root {
		a.at.Close()
	}
	a.at = nil
}

// enter opens a folder of the image. Where make is false and it is not there, it
// returns false.
func (a *applier) enter(dir string, make bool) (bool, error) {
	if a.at != nil && a.asked == dir {
		return true, nil
	}
	a.leave()
	real, err := a.resolve(dir, make)
	if err != nil || real == missing {
		return false, err
	}
	at := a.root
	if real != "" {
		if at, err = a.root.OpenRoot(real); err != nil {
			return false, applyError(dir, err)
		}
	}
	a.at, a.dir, a.asked = at, real, dir
	return true, nil
}

// missing is no path of an image.
const missing = "\x00"

// maxLinks is how many links may lie on one way, as in Linux.
const maxLinks = 40

// mark notes that this layer made a path.
func (a *applier) mark(p string) {
	for ; p != "" && !a.made[p]; p = parent(p) {
		a.made[p] = true
	}
}

func join(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}

func (a *applier) entry(h *tar.Header, r io.Reader) error {
	name, err := entryPath(h.Name)
	if err != nil {
		return err
	}
	if a.skips(name) {
		return nil
	}
	if name == "" {
		if h.Typeflag == tar.TypeDir {
			a.folders.set("", h)
		}
		return nil
	}
	dir, base := parent(name), path.Base(name)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return a.whiteout(dir, base)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return badLayer("%q is of the unknown type %q", clip(name), h.Typeflag)
	}
	if _, err := a.enter(dir, true); err != nil {
		return err
	}
	if err := a.clear(base, h.Typeflag == tar.TypeDir); err != nil {
		return applyError(name, err)
	}
	p := join(a.dir, base)
	if err := a.make(h, r, name, base); err != nil {
		return err
	}
	a.mark(p)
	return nil
}

func (a *applier) skips(name string) bool {
	if a.o.Skip == nil {
		return false
	}
	for p := name; p != ""; p = parent(p) {
		if a.o.Skip(p) {
			return true
		}
	}
	return false
}

// clear makes room for an entry; a folder stays where a folder is to be.
func (a *applier) clear(base string, folder bool) error {
	fi, err := a.at.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || folder && fi.IsDir() {
		return err
	}
	return a.remove(join(a.dir, base), base, fi)
}

// remove takes a path away, below the open folder.
func (a *applier) remove(p, base string, fi fs.FileInfo) error {
	if !fi.IsDir() {
		return a.at.Remove(base)
	}
	a.folders.forget(p)
	return a.at.RemoveAll(base)
}

// make creates the entry, whose name is free (or a folder that a folder wants).
func (a *applier) make(h *tar.Header, r io.Reader, name, base string) error {
	fail := func(err error) error { return applyError(name, err) }
	mode := permissions(h.Mode)
	switch h.Typeflag {
	case tar.TypeDir:
		if err := a.at.Mkdir(base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fail(err)
		}
		a.folders.set(join(a.dir, base), h)
		return nil
	case tar.TypeReg:
		f, err := a.at.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, a.buf); err != nil {
			return fail(err)
		}
		if a.asRoot {
			if err := f.Chown(h.Uid, h.Gid); err != nil { // before the mode: it takes setuid away
				return fail(err)
			}
		}
		if err := f.Chmod(mode); err != nil {
			return fail(err)
		}
		if err := f.Close(); err != nil {
			return fail(err)
		}
		if err := a.at.Chtimes(base, h.ModTime, h.ModTime); err != nil {
			return fail(err)
		}
		return nil
	case tar.TypeSymlink:
		if h.Linkname == "" {
			return badLayer("the link %q has no target", clip(name))
		}
		if err := a.at.Symlink(h.Linkname, base); err != nil {
			return fail(err)
		}
	case tar.TypeLink:
		return a.hardLink(h, name, base)
	default:
		if !a.asRoot && h.Typeflag != tar.TypeFifo {
			a.skipped(name, "device nodes need root")
			return nil
		}
		if err := makeNode(a.at, base, h); err != nil {
			if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
				a.skipped(name, "this system does not let it be made")
				return nil
			}
			return fail(err)
		}
		if err := a.at.Chmod(base, mode); err != nil {
			return fail(err)
		}
	}
	if a.asRoot {
		if err := a.at.Lchown(base, h.Uid, h.Gid); err != nil {
			return fail(err)
		}
	}
	return nil
}

// hardLink finds the target as the image sees it; a link as the target is itself
// meant, as in link(2).
func (a *applier) hardLink(h *tar.Header, name, base string) error {
	target, err := entryPath(h.Linkname)
	if err != nil {
		return err
	}
	if a.skips(target) {
		a.skipped(name, "the file that it is a hard link to was left out")
		return nil
	}
	dir, err := a.resolve(parent(target), false)
	if err != nil {
		return err
	}
	old := join(dir, path.Base(target))
	if fi, err := a.root.Lstat(old); dir == missing || target == "" || err != nil || fi.IsDir() {
		return badLayer("%q is a hard link to %q, which is no file", clip(name), clip(h.Linkname))
	}
	if err := a.root.Link(old, join(a.dir, base)); err != nil {
		return applyError(name, err)
	}
	return nil
}

func (a *applier) skipped(name, why string) {
	if a.o.Skipped != nil {
		a.o.Skipped(name, why)
	}
}

// finish sets owners, modes and times of folders, the inner ones first.
func (a *applier) finish() error {
	for _, p := range a.folders.paths() {
		f, name := a.folders.known[p], p
		if name == "" {
			name = "."
		}
		if a.asRoot {
			if err := a.root.Lchown(name, f.uid, f.gid); err != nil {
				return applyError(p, err)
			}
		}
		mode := permissions(f.mode)
		if !a.asRoot {
			mode |= 0o700 // who unpacked it can also remove it
		}
		if err := a.root.Chmod(name, mode); err != nil {
			return applyError(p, err)
		}
		if err := a.root.Chtimes(name, f.modTime, f.modTime); err != nil {
			return applyError(p, err)
		}
	}
	return nil
}

// permissions are the mode bits of a tar header as Go has them.
func permissions(m int64) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for bit, f := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= f
		}
	}
	return mode
}

// applyError says where unpacking failed; errors about the layer itself pass.
func applyError(name string, err error) error {
	var e *cairn.Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
		return readError(err)
	}
	if isNameError(err) {
		return badLayer("%q cannot be a file here: %w", clip(name), err)
	}
	return cairn.Errorf(cairn.CodeFailed, "%s cannot be unpacked: %w", clip(name), err)
}
