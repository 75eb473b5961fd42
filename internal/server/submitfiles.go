package server

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxJobFile bounds a file that is read while a job's file is read.
const maxJobFile = 4 << 20

// trees reads stored folders; *cas.Store satisfies it.
type trees interface {
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
}

// storedFiles are files that a job's file names, as they were sent: texts, and stored
// folders and files by their path. It is pipeline.Files for as long as ctx holds.
type storedFiles struct {
	ctx   context.Context
	blobs trees
	texts map[string]string
	at    map[string]cairn.DataValue
}

// ReadFile reads a file.
func (f *storedFiles) ReadFile(p string) ([]byte, error) {
	p = path.Clean(p)
	if text, ok := f.texts[p]; ok {
		return []byte(text), nil
	}
	v, err := f.data(p)
	if err != nil {
		return nil, err
	}
	if v.Type != "file" {
		return nil, &fs.PathError{Op: "read", Path: p, Err: fs.ErrInvalid}
	}
	r, size, err := f.blobs.Get(f.ctx, v.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxJobFile {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes; at most %d are read", p, size, maxJobFile)
	}
	return io.ReadAll(io.LimitReader(r, maxJobFile))
}

// Stat says what is there.
func (f *storedFiles) Stat(p string) (dir bool, err error) {
	p = path.Clean(p)
	if _, ok := f.texts[p]; ok {
		return false, nil
	}
	v, err := f.data(p)
	if err == nil {
		return v.Type == "folder", nil
	}
	for have := range f.texts {
		if p == "." || strings.HasPrefix(have, p+"/") {
			return true, nil
		}
	}
	for have := range f.at {
		if p == "." || strings.HasPrefix(have, p+"/") {
			return true, nil
		}
	}
	return false, err
}

// data finds what was stored for a path: as it was sent, or inside a folder that was.
func (f *storedFiles) data(p string) (cairn.DataValue, error) {
	if v, ok := f.at[p]; ok {
		return v, nil
	}
	for top := p; top != "." && top != "/" && top != ".."; {
		top = path.Dir(top)
		if v, ok := f.at[top]; ok && v.Type == "folder" {
			below := strings.TrimPrefix(p, top+"/")
			if top == "." {
				below = p
			}
			return dataBelow(f.ctx, f.blobs, v, below)
		}
	}
	return cairn.DataValue{}, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

// dataBelow is what lies at a path inside of a stored folder; fs.ErrNotExist where
// there is nothing.
func dataBelow(ctx context.Context, blobs trees, v cairn.DataValue, below string) (cairn.DataValue, error) {
	below = strings.Trim(path.Clean("/"+below), "/")
	if below == "" {
		return v, nil
	}
	missing := &fs.PathError{Op: "open", Path: below, Err: fs.ErrNotExist}
	if v.Type != "folder" {
		if v.Name == below { // a file that stands for the folder that it lies in
			return v, nil
		}
		return v, missing
	}
	at := cairn.TreeEntry{Mode: cairn.ModeDir, Digest: v.Digest}
	for part := range strings.SplitSeq(below, "/") {
		if at.Mode != cairn.ModeDir {
			return v, missing
		}
		es, err := blobs.ReadTree(ctx, at.Digest)
		if err != nil {
			return v, err
		}
		found := false
		for _, e := range es {
			if found = e.Name == part; found {
				at = e
				break
			}
		}
		if !found {
			return v, missing
		}
	}
	out := cairn.DataValue{Type: "file", Digest: at.Digest, Size: at.Size, Files: 1, Name: path.Base(below), Ref: v.Ref}
	switch at.Mode {
	case cairn.ModeDir:
		out.Type, out.Files, out.Name = "folder", at.Files, ""
	case cairn.ModeSymlink:
		return v, cairn.Errorf(cairn.CodeUnsupported, "%s is a symbolic link: name what it leads to", below)
	}
	return out, nil
}
