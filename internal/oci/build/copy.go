package build

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
)

// source is where a COPY takes its files from.
type source interface {
	// stat says what lies at a path, through links; errNone and errIgnored tell of
	// nothing.
	stat(p string) (at string, n *node, err error)
	// list visits what lies below a folder, the folder first, sorted.
	list(dir string, visit func(p string, n *node) error) error
	glob(pattern string) ([]string, error)
}

// contextSource is the build context.
type contextSource struct{ c *buildContext }

func (s contextSource) node(p string, fi fs.FileInfo, link string) *node {
	n := &node{typ: tar.TypeReg, mode: modeOf(fi.Mode())}
	switch {
	case fi.IsDir():
		n.typ = tar.TypeDir
	case link != "":
		n.typ, n.link, n.mode = tar.TypeSymlink, link, 0o777
	default:
		n.size = fi.Size()
		n.open = func() (io.ReadCloser, error) { return s.c.open(p) }
	}
	return n
}

// modeOf drops the write bits of group and others: they tell of the umask of a
// check-out, and the same commit shall be the same image everywhere.
func modeOf(m fs.FileMode) int64 {
	mode := int64(m.Perm()) &^ 0o022
	for bit, unix := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 && !m.IsDir() {
			mode |= unix
		}
	}
	return mode
}

func (s contextSource) stat(p string) (string, *node, error) {
	at, fi, err := s.c.resolve(p)
	if err != nil {
		return at, nil, err
	}
	if !fi.IsDir() && !fi.Mode().IsRegular() {
		return at, nil, cairn.Errorf(cairn.CodeInvalid, "%s is neither a file nor a folder", clip(p))
	}
	return at, s.node(at, fi, ""), nil
}

func (s contextSource) list(dir string, visit func(string, *node) error) error {
	return s.c.walk(dir, func(e entry) error { return visit(e.path, s.node(e.path, e.info, e.link)) })
}

func (s contextSource) glob(pattern string) ([]string, error) { return s.c.glob(pattern) }

// copyOp carries out one COPY or ADD.
type copyOp struct {
	j     *job
	c     *dockerfile.Copy
	line  int
	text  string
	t     *tree
	src   source
	owner *owner // nil: as the source says for archives and stages, else root
	mode  int64  // -1: as the source says
	skip  *dockerfile.Ignore
}

func (j *job) copy(ctx context.Context, st *stage, op *dockerfile.Op) error {
	c := op.Copy
	o := &copyOp{j: j, c: c, line: op.Line, text: op.Text, t: st.tree, mode: -1}
	fail := func(err error, word string) error {
		var n *needError
		if errors.As(err, &n) || ctx.Err() != nil {
			return err
		}
		e := cairn.AsError(err)
		if e.Position != nil {
			return err
		}
		return e.At(j.file.At(op.Line, word))
	}
	var err error
	if o.src, err = j.source(ctx, c); err != nil {
		return fail(err, "")
	}
	if c.Chown != "" {
		if o.owner, err = st.owner(c.Chown); err != nil {
			return fail(err, c.Chown)
		}
	}
	if c.Chmod != "" {
		n, err := strconv.ParseInt(c.Chmod, 8, 32)
		if err != nil {
			return fail(cairn.Errorf(cairn.CodeInvalid, "--chmod=%s is not a mode", clip(c.Chmod)), c.Chmod)
		}
		o.mode = n
	}
	if len(c.Exclude) > 0 {
		if o.skip, err = dockerfile.NewIgnore("--exclude", c.Exclude); err != nil {
			return fail(err, "--exclude")
		}
	}
	for _, s := range c.Sources {
		if err := o.take(ctx, s); err != nil {
			return fail(err, s)
		}
	}
	for _, in := range c.Inline {
		if err := o.inline(in); err != nil {
			return fail(err, in.Name)
		}
	}
	return nil
}

// take copies what one source names.
func (o *copyOp) take(ctx context.Context, src string) error {
	if o.c.Parents {
		return o.parents(src)
	}
	matches := []string{src}
	if hasWildcard(src) {
		var err error
		if matches, err = o.src.glob(src); err != nil {
			return err
		}
		if len(matches) == 0 {
			if _, _, err := o.src.stat(fixed(src)); errors.Is(err, errNone) {
				return o.missing(src, errNone)
			}
			o.j.warn("line %d: %s matches no file", o.line, clip(src))
			return nil
		}
		if len(matches) > 1 && !strings.HasSuffix(o.c.Dest, "/") && !o.t.isDir(o.c.Dest) {
			return cairn.Errorf(cairn.CodeInvalid, "%s matches %d files, and %s does not end in a slash", clip(src), len(matches), o.c.Dest).
				WithHint("a folder is written %s/", o.c.Dest)
		}
	}
	for _, m := range matches {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, n, err := o.src.stat(m)
		if errors.Is(err, errNone) || errors.Is(err, errIgnored) {
			return o.missing(src, err)
		}
		if err != nil {
			return err
		}
		if n.typ == tar.TypeDir {
			err = o.folder(at)
		} else {
			err = o.file(ctx, m, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fixed is the folder that a pattern looks into.
func fixed(pattern string) string {
	var out []string
	for part := range strings.SplitSeq(rel(pattern), "/") {
		if hasWildcard(part) {
			break
		}
		out = append(out, unescape(part))
	}
	return strings.Join(out, "/")
}

// missing says what is not there and what may have been meant.
func (o *copyOp) missing(src string, why error) error {
	verb := "COPY"
	if o.c.Add {
		verb = "ADD"
	}
	cs, ok := o.src.(contextSource)
	if !ok {
		where := "the stage"
		if o.c.Stage != nil && o.c.Stage.Name != "" {
			where = "the stage " + o.c.Stage.Name
		} else if o.c.Image != nil {
			where = "the image " + o.c.Image.Name
		}
		e := cairn.Errorf(cairn.CodeNotFound, "%s: %s is not in %s", verb, clip(src), where)
		if is, ok := o.src.(*imageSource); ok {
			dir, base := path.Split(rel(src))
			if near := cairn.Nearest(base, is.names(strings.TrimSuffix(dir, "/"))); near != "" {
				return e.WithHint("did you mean /%s?", path.Join(dir, near))
			}
		}
		return e.WithHint("a path of --from is one in that image or stage: what its own lines copied or its base holds")
	}
	if errors.Is(why, errIgnored) {
		return cairn.Errorf(cairn.CodeNotFound, "%s: %s is left out of the build context by %s", verb, clip(src), cs.c.ignoreName).
			WithHint("a line !%s in %s takes it in again", rel(src), cs.c.ignoreName)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "%s: %s is not in the build context", verb, clip(src))
	switch near := cs.c.near(src); {
	case len(near) > 0:
		return e.WithHint("did you mean %s?", strings.Join(near, " or "))
	case strings.HasPrefix(path.Clean(src), ".."):
		return e.WithHint("a build sees nothing above its context; build from a folder above, with --file for the Dockerfile")
	default:
		return e.WithHint("sources are paths inside the build context, the last argument of cairn image build")
	}
}

// folder copies what is in a folder into the destination.
func (o *copyOp) folder(dir string) error {
	dest, err := o.mkdir(o.c.Dest)
	if err != nil {
		return err
	}
	return o.src.list(dir, func(p string, n *node) error {
		in := strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
		if p == dir {
			return nil // the folder itself is not copied, what is in it is
		}
		if out, err := o.excluded(in); err != nil || out {
			return err
		}
		return o.put(path.Join(dest, in), n)
	})
}

// file copies one file, to a name or into a folder.
func (o *copyOp) file(ctx context.Context, name string, n *node) error {
	base := path.Base(rel(name))
	if out, err := o.excluded(base); err != nil || out {
		return err
	}
	if o.c.Unpack {
		done, err := o.unpack(ctx, name, n)
		if done || err != nil {
			return err
		}
	}
	dest := o.c.Dest
	if strings.HasSuffix(dest, "/") || o.t.isDir(dest) {
		dir, err := o.mkdir(dest)
		if err != nil {
			return err
		}
		dest = path.Join(dir, base)
	}
	return o.put(rel(dest), n)
}

func (o *copyOp) inline(in dockerfile.Inline) error {
	data := in.Data
	n := &node{typ: tar.TypeReg, mode: 0o644, size: int64(len(data)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil }}
	return o.file(context.Background(), in.Name, n)
}

// mkdir makes the folder that is copied into; it belongs to whom --chown says.
func (o *copyOp) mkdir(p string) (string, error) {
	uid, gid := o.ids()
	return o.t.mkdir(p, 0o755, uid, gid)
}

// ids are those of --chown, else root's.
func (o *copyOp) ids() (uid, gid int) {
	if o.owner == nil {
		return 0, 0
	}
	return o.owner.uid, o.owner.gid
}

// put places a copy of n, with owner and mode as the line says.
func (o *copyOp) put(p string, n *node) error {
	c := *n
	if o.owner != nil {
		c.uid, c.gid = o.owner.uid, o.owner.gid
	}
	if o.mode >= 0 && c.typ != tar.TypeSymlink {
		c.mode = o.mode
	}
	if c.typ != tar.TypeDir {
		uid, gid := o.ids()
		return o.t.place(p, &c, uid, gid)
	}
	at, err := o.t.resolve(p, true)
	if err != nil {
		return err
	}
	old := o.t.at(at)
	if old != nil && old.typ == tar.TypeDir && o.owner == nil && o.mode < 0 {
		return nil // a folder that is there stays as it is
	}
	if _, err := o.t.mkdir(at, 0o755, c.uid, c.gid); err != nil || at == "" {
		return err
	}
	c.made = true
	return o.t.put(at, &c)
}

func (o *copyOp) excluded(in string) (bool, error) {
	if o.skip == nil {
		return false, nil
	}
	var st dockerfile.State
	var out bool
	for i := 0; i <= len(in); i++ {
		if i < len(in) && in[i] != '/' {
			continue
		}
		var err error
		if out, st, err = o.skip.Match(in[:i], st); err != nil {
			return false, err
		}
	}
	return out, nil
}

// parents is COPY --parents: what matches keeps its path, from /./ on.
func (o *copyOp) parents(src string) error {
	root, pattern := "", src
	if before, after, ok := strings.Cut(src, "/./"); ok {
		root, pattern = before, after
	}
	at, n, err := o.src.stat(root)
	if err != nil || n.typ != tar.TypeDir {
		return o.missing(root, errNone)
	}
	pattern = rel(pattern)
	if pattern == "" {
		pattern = "**"
	}
	match, err := dockerfile.NewIgnore("COPY --parents", []string{pattern})
	if err != nil {
		return err
	}
	dest, err := o.mkdir(o.c.Dest)
	if err != nil {
		return err
	}
	found := false
	one := &copyOp{j: o.j, c: o.c, line: o.line, t: o.t, src: o.src, owner: o.owner, mode: o.mode, skip: match}
	err = o.src.list(at, func(p string, n *node) error {
		in := strings.TrimPrefix(strings.TrimPrefix(p, at), "/")
		if in == "" {
			return nil
		}
		if ok, err := one.excluded(in); err != nil || !ok {
			return err
		}
		found = true
		if out, err := o.excluded(in); err != nil || out {
			return err
		}
		return o.put(path.Join(dest, in), n)
	})
	if err == nil && !found {
		if hasWildcard(src) {
			o.j.warn("line %d: %s matches no file", o.line, clip(src))
			return nil
		}
		return o.missing(src, errNone)
	}
	return err
}
