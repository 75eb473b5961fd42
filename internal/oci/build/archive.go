package build

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/klauspost/compress/zstd"
)

// archiveWindow bounds what a zstd archive may refer back to.
const archiveWindow = 128 << 20

// unpack is what ADD does with a tar archive. done is false for a file that is
// none: it is copied.
func (o *copyOp) unpack(ctx context.Context, name string, n *node) (done bool, err error) {
	if n.typ != tar.TypeReg || n.size < 20 {
		return false, nil
	}
	kind, err := sniff(n)
	if err != nil || kind == "" {
		return false, err
	}
	if kind == "xz" {
		lower := strings.ToLower(name)
		if !strings.HasSuffix(lower, ".tar.xz") && !strings.HasSuffix(lower, ".txz") {
			return false, nil
		}
		return false, &needError{dockerfile.Need{Line: o.line, Text: o.text, Reason: clip(name) + " is compressed with xz; gzip, bzip2 and zstd need no executor"}}
	}
	dest, err := o.mkdir(o.c.Dest)
	if err != nil {
		return false, err
	}
	r, err := n.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	src := io.Reader(r)
	if kind == "bzip2" {
		src = bzip2.NewReader(bufio.NewReader(r))
	}
	u := &unpacker{o: o, dest: dest, made: map[string]*node{}}
	if u.sp, err = o.j.spool(); err != nil {
		return false, err
	}
	err = layer.ReadLimited(src, "", layer.Limits{Entries: o.j.o.Limits.Files, Size: o.j.o.Limits.Bytes}, func(h *tar.Header, r io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return u.entry(h, r)
	})
	if err != nil {
		e := *cairn.AsError(err)
		if e.Code == cairn.CodeUnavailable {
			return true, err
		}
		if e.Code == cairn.CodeInternal {
			e.Code = cairn.CodeInvalid // the archive is cut or broken
		}
		return true, cairn.Errorf(e.Code, "ADD: the archive %s cannot be unpacked: %s", clip(name), strings.Replace(e.Message, "the layer", "the archive", 1)).
			WithHint("COPY takes it as a file")
	}
	return true, nil
}

// sniff says how a file is packed; "" for what is no tar archive.
func sniff(n *node) (string, error) {
	r, err := n.open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	plain := io.Reader(br)
	kind := "tar"
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		kind = "gzip"
		if plain, err = gzip.NewReader(br); err != nil {
			return "", nil
		}
	case bytes.HasPrefix(head, []byte("BZh")):
		kind, plain = "bzip2", bzip2.NewReader(br)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		kind = "zstd"
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(archiveWindow), zstd.WithDecoderMaxWindow(archiveWindow))
		if err != nil {
			return "", nil
		}
		defer z.Close()
		plain = z
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return "xz", nil
	}
	if _, err := tar.NewReader(plain).Next(); err != nil {
		return "", nil // no tar archive inside
	}
	return kind, nil
}

// unpacker takes the entries of an archive into the image.
type unpacker struct {
	o    *copyOp
	dest string
	sp   *spool
	made map[string]*node // by their path in the archive, for hard links
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	for part := range strings.SplitSeq(h.Name, "/") {
		if part == ".." {
			return cairn.Errorf(cairn.CodeInvalid, "the entry %q climbs out of its folder", clip(h.Name))
		}
	}
	in := rel(h.Name)
	if in == "" {
		return nil
	}
	if out, err := u.o.excluded(in); err != nil || out {
		return err
	}
	n := &node{typ: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid}
	if n.uid < 0 || n.gid < 0 || n.uid > maxID || n.gid > maxID {
		return cairn.Errorf(cairn.CodeInvalid, "the entry %q belongs to %d:%d", clip(in), h.Uid, h.Gid)
	}
	switch h.Typeflag {
	case tar.TypeDir:
	case tar.TypeReg:
		open, err := u.sp.keep(r)
		if err != nil {
			return err
		}
		n.size, n.open = h.Size, open
	case tar.TypeSymlink:
		if n.link = h.Linkname; n.link == "" {
			return cairn.Errorf(cairn.CodeInvalid, "the link %q has no target", clip(in))
		}
		n.mode = 0o777
	case tar.TypeLink:
		old := u.made[rel(h.Linkname)]
		if old == nil {
			return cairn.Errorf(cairn.CodeInvalid, "%q is a hard link to %q, which is no file of the archive", clip(in), clip(h.Linkname))
		}
		c := *old
		n = &c
	case tar.TypeXGlobalHeader:
		return nil
	default:
		u.o.j.warn("%s in an archive is neither file nor folder nor link and is left out", clip(in))
		return nil
	}
	u.made[in] = n
	p := path.Join(u.dest, in)
	if n.typ == tar.TypeDir {
		// As it is in the archive, also where a folder is there already.
		at, err := u.o.t.mkdir(p, 0o755, 0, 0)
		if err != nil || at == "" {
			return err
		}
		c := *n
		c.made = true
		if u.o.owner != nil {
			c.uid, c.gid = u.o.owner.uid, u.o.owner.gid
		}
		if u.o.mode >= 0 {
			c.mode = u.o.mode
		}
		return u.o.t.put(at, &c)
	}
	return u.o.put(p, n)
}
