package layer

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Write writes files as a tar archive. Entries are sorted by path, hard links
// come last; folders that are not listed but lie above a file are added with
// mode 0755. All times are zero and nobody is named, so the same files give the
// same bytes. w is written in pieces of some size.
func Write(w io.Writer, files []File) error {
	return write(context.Background(), w, files)
}

func write(ctx context.Context, w io.Writer, files []File) error {
	all, err := arrange(files)
	if err != nil {
		return err
	}
	bw := bufio.NewWriterSize(w, 1<<20)
	tw := tar.NewWriter(bw)
	buf := make([]byte, 256<<10)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := &all[i]
		if err := tw.WriteHeader(header(f)); err != nil {
			return cairn.Errorf(cairn.CodeInvalid, "%s cannot be written into a layer: %w", clip(f.Path), err)
		}
		if f.Type == tar.TypeReg && (f.Size > 0 || f.Open != nil) {
			if err := copyFile(tw, f, buf); err != nil {
				return err
			}
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return bw.Flush()
}

// header chooses the format by fixed rules: USTAR where everything fits into its
// plain fields, else PAX. The library's own choice could differ between releases.
func header(f *File) *tar.Header {
	h := &tar.Header{
		Typeflag: f.Type, Name: f.Path, Linkname: f.Link, Mode: f.Mode & 0o7777, Uid: f.UID, Gid: f.GID,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	switch f.Type {
	case tar.TypeReg:
		h.Size = f.Size
	case tar.TypeDir:
		h.Name += "/"
	}
	const maxOctal = 1<<21 - 1
	if !plain(h.Name) || !plain(h.Linkname) || h.Size >= 1<<33 || h.Uid > maxOctal || h.Gid > maxOctal {
		h.Format = tar.FormatPAX
	}
	return h
}

func plain(s string) bool {
	if len(s) > 100 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// arrange checks the list, adds the folders above and sorts.
func arrange(files []File) ([]File, error) {
	byPath := make(map[string]int, len(files)+len(files)/4)
	all := make([]File, 0, len(files)+len(files)/4)
	for _, f := range files {
		if f.Type == 0 {
			f.Type = tar.TypeReg
		}
		if err := check(&f); err != nil {
			return nil, err
		}
		if i, twice := byPath[f.Path]; twice {
			if old := &all[i]; old.Type == tar.TypeDir && f.Type == tar.TypeDir && old.Mode == f.Mode && old.UID == f.UID && old.GID == f.GID {
				continue
			}
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s is twice in one layer", clip(f.Path))
		}
		byPath[f.Path] = len(all)
		all = append(all, f)
	}
	for i := range all { // what is added below needs no look
		for d := parent(all[i].Path); d != ""; d = parent(d) {
			if j, there := byPath[d]; there {
				if all[j].Type != tar.TypeDir {
					return nil, cairn.Errorf(cairn.CodeInvalid, "%s is no folder, but %s lies in it", clip(d), clip(all[i].Path))
				}
				break // its own parents are looked at in its own turn, or were added with it
			}
			byPath[d] = len(all)
			all = append(all, File{Path: d, Mode: 0o755, Type: tar.TypeDir})
		}
		if f := &all[i]; f.Type == tar.TypeLink {
			if j, there := byPath[f.Link]; !there || all[j].Type != tar.TypeReg {
				return nil, cairn.Errorf(cairn.CodeInvalid, "the hard link %s points to %q, which is no file of this layer", clip(f.Path), clip(f.Link))
			}
		}
	}
	slices.SortFunc(all, func(a, b File) int {
		if la, lb := a.Type == tar.TypeLink, b.Type == tar.TypeLink; la != lb {
			if la {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return all, nil
}

func check(f *File) error {
	if err := cleanPath(f.Path); err != nil {
		return err
	}
	if f.UID < 0 || f.GID < 0 || f.Mode < 0 || f.Mode > 0o7777 {
		return cairn.Errorf(cairn.CodeInvalid, "%s has owner %d:%d and mode %o", clip(f.Path), f.UID, f.GID, f.Mode)
	}
	switch f.Type {
	case tar.TypeReg:
		if f.Size < 0 || f.Size > 0 && f.Open == nil || f.Link != "" {
			return cairn.Errorf(cairn.CodeInvalid, "%s is a file of %d bytes without a source", clip(f.Path), f.Size)
		}
		return nil
	case tar.TypeDir:
		if f.Link != "" {
			return cairn.Errorf(cairn.CodeInvalid, "the folder %s has a link target", clip(f.Path))
		}
	case tar.TypeSymlink, tar.TypeLink:
		if f.Link == "" || strings.IndexByte(f.Link, 0) >= 0 || len(f.Link) > maxPath {
			return cairn.Errorf(cairn.CodeInvalid, "the link %s has no proper target: %q", clip(f.Path), clip(f.Link))
		}
	default:
		return cairn.Errorf(cairn.CodeInvalid, "%s is of type %q, which is not written into layers", clip(f.Path), f.Type)
	}
	return nil
}

func copyFile(w io.Writer, f *File, buf []byte) error {
	if f.Open == nil {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	var sum hash.Hash
	src := io.Reader(io.LimitReader(r, f.Size+1))
	if f.Digest != "" {
		sum = sha256.New()
		src = io.TeeReader(src, sum)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, src, buf) // the wrapper keeps buf in use
	if n > f.Size || errors.Is(err, tar.ErrWriteTooLong) {
		return cairn.Errorf(cairn.CodeConflict, "%s grew while it was read; it had %d bytes", clip(f.Path), f.Size)
	}
	if err != nil {
		return err
	}
	if n < f.Size {
		return cairn.Errorf(cairn.CodeConflict, "%s shrank while it was read, from %d bytes to %d", clip(f.Path), f.Size, n)
	}
	if sum != nil {
		if got := cairn.DigestOf(sum.Sum(nil)); got != f.Digest {
			return cairn.Errorf(cairn.CodeConflict, "%s changed while it was read: it is %s instead of %s", clip(f.Path), got, f.Digest)
		}
	}
	return nil
}

// Build writes the files as a layer into dir, which must exist. The file is
// named by its digest, and appears by rename when it is whole. It is not synced:
// whoever keeps it does that, or checks its digest when it is used again.
func Build(ctx context.Context, dir string, files []File) (*Blob, error) {
	tmp, err := os.CreateTemp(dir, ".layer-*")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for a layer: %w", err)
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	sum := sha256.New()
	var n counter
	err = write(ctx, io.MultiWriter(tmp, sum, &n), files)
	if cerr := tmp.Close(); err == nil && cerr != nil {
		err = cairn.Errorf(cairn.CodeFailed, "the layer cannot be written: %w", cerr)
	}
	if err != nil {
		return nil, err
	}
	b := &Blob{Digest: cairn.DigestOf(sum.Sum(nil)), Size: int64(n)}
	b.Path = filepath.Join(dir, b.Digest.Hex()+".tar")
	if err := os.Rename(tmp.Name(), b.Path); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the layer cannot be put in place: %w", err)
	}
	return b, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
