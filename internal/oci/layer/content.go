package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/cairn-ml/cairn"
)

// maxReadFile bounds ReadFile where the caller does not.
const maxReadFile = 64 << 20

// ReadFile returns the content of a file of at most limit bytes (0: 64 MiB).
func (f *FS) ReadFile(ctx context.Context, p string, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = maxReadFile
	}
	var out []byte
	err := f.ReadFiles(ctx, []string{p}, func(_ string, i Info, r io.Reader) error {
		if i.Size > limit {
			return cairn.Errorf(cairn.CodeTooLarge, "%s in the image has %d bytes; at most %d are read", clip(p), i.Size, limit)
		}
		b, err := io.ReadAll(io.LimitReader(r, limit))
		out = b
		return err
	})
	return out, err
}

// ReadFiles visits the content of regular files; each layer is read at most
// once, however many files of it are asked for, so the order is that of the
// layers. p is a path as it was asked for.
func (f *FS) ReadFiles(ctx context.Context, paths []string, visit func(p string, i Info, r io.Reader) error) error {
	want := map[int][]wanted{}
	var kept []wanted
	for _, p := range paths {
		n, err := f.lookup(p, true)
		if err != nil {
			return err
		}
		if n.info.Type != tar.TypeReg {
			return cairn.Errorf(cairn.CodeInvalid, "%s in the image is no file", clip(p))
		}
		if n.kept {
			kept = append(kept, wanted{p, n})
			continue
		}
		want[n.info.Layer] = append(want[n.info.Layer], wanted{p, n})
	}
	for _, w := range kept {
		if err := visit(w.path, w.n.info, bytes.NewReader(w.n.content)); err != nil {
			return err
		}
	}
	layers := make([]int, 0, len(want))
	for i := range want {
		layers = append(layers, i)
	}
	slices.Sort(layers)
	for _, i := range layers {
		if err := f.readLayer(ctx, i, want[i], visit); err != nil {
			return err
		}
	}
	return nil
}

type wanted struct {
	path string
	n    *node
}

var errStop = errors.New("all are read")

func (f *FS) readLayer(ctx context.Context, layer int, ws []wanted, visit func(string, Info, io.Reader) error) error {
	src := f.layers[layer]
	plain := !slices.ContainsFunc(ws, func(w wanted) bool { return w.n.sparse })
	if plain {
		if done, err := seekRead(ctx, src, ws, visit); done || err != nil {
			return err
		}
	}
	byOffset := map[int64][]wanted{}
	left := 0
	for _, w := range ws {
		if len(byOffset[w.n.offset]) == 0 {
			left++
		}
		byOffset[w.n.offset] = append(byOffset[w.n.offset], w)
	}
	src.Digest = "" // was checked when it was indexed, and it is not read to its end
	err := src.read(ctx, f.limits, func(h *tar.Header, r io.Reader, offset int64) error {
		hits := byOffset[offset]
		if len(hits) == 0 || h.Typeflag != tar.TypeReg {
			return nil
		}
		if err := visitAll(hits, r, visit); err != nil {
			return err
		}
		if left--; left == 0 {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	if err == nil {
		return cairn.Errorf(cairn.CodeConflict, "the layer %s changed since it was indexed", f.layers[layer].Digest)
	}
	return err
}

// visitAll gives one content to all who asked for it; more than one need a copy.
func visitAll(hits []wanted, r io.Reader, visit func(string, Info, io.Reader) error) error {
	if len(hits) == 1 {
		return visit(hits[0].path, hits[0].n.info, r)
	}
	if hits[0].n.info.Size > maxReadFile {
		return cairn.Errorf(cairn.CodeTooLarge, "%s in the image has %d bytes and is asked for twice", clip(hits[0].path), hits[0].n.info.Size)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, w := range hits {
		if err := visit(w.path, w.n.info, bytes.NewReader(b)); err != nil {
			return err
		}
	}
	return nil
}

// seekRead jumps to the content where the layer is a plain file.
func seekRead(ctx context.Context, src Source, ws []wanted, visit func(string, Info, io.Reader) error) (bool, error) {
	r, err := src.Open(ctx)
	if err != nil {
		return false, err
	}
	defer r.Close()
	at, ok := r.(io.ReaderAt)
	if !ok {
		return false, nil
	}
	// A plain archive has the magic of tar in its first header.
	var head [blockSize]byte
	if _, err := at.ReadAt(head[:], 0); err != nil || string(head[257:262]) != "ustar" {
		return false, nil
	}
	for _, w := range ws {
		// The header that was indexed must still stand before the content.
		var h [blockSize]byte
		if _, err := at.ReadAt(h[:], w.n.offset-blockSize); err != nil || string(h[257:262]) != "ustar" || h[156] != tar.TypeReg {
			return false, nil
		}
		if err := visit(w.path, w.n.info, io.NewSectionReader(at, w.n.offset, w.n.info.Size)); err != nil {
			return true, err
		}
	}
	return true, nil
}

const blockSize = 512
