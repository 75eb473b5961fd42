package track

import (
	"context"
	"io"
	"path"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// treeFolder is where the trees of registered versions can be read by digest:
// "cas/<64 hex>/MLmodel". Nothing can be written there.
const treeFolder = "cas"

// PutFile stores what r gives under a path and returns when it is on disk.
func (s *Service) PutFile(ctx context.Context, p string, r io.Reader) (*cairn.MLFile, error) {
	p, err := CleanPath(p)
	if err != nil {
		return nil, err
	}
	if p == "" {
		return nil, invalid("Invalid path: it must not be empty")
	}
	if err := writable(p); err != nil {
		return nil, err
	}
	d, size, err := s.blobs.Put(ctx, r, "")
	if err != nil {
		return nil, err
	}
	f := cairn.MLFile{Path: p, Digest: d, Size: size, By: s.actor(ctx).Name, UpdatedAt: s.now().UTC()}
	if err := s.store.PutMLFile(ctx, f); err != nil {
		return nil, err
	}
	return &f, nil
}

func writable(p string) error {
	if p == treeFolder || strings.HasPrefix(p, treeFolder+"/") {
		return cairn.Errorf(cairn.CodeForbidden, "'%s' cannot be written: the files of registered versions never change", p)
	}
	return nil
}

// File is an open file of the artifact store.
type File struct {
	io.ReadSeekCloser
	Name    string // last part of its path
	Size    int64
	Digest  cairn.Digest
	ModTime time.Time // zero for files of a registered version
}

// OpenFile opens the file at a path; a folder is not found.
func (s *Service) OpenFile(ctx context.Context, p string) (*File, error) {
	p, err := CleanPath(p)
	if err != nil {
		return nil, err
	}
	out := &File{Name: path.Base(p)}
	if e, err := s.treeEntry(ctx, p); err != nil {
		return nil, err
	} else if e != nil {
		if e.Mode == cairn.ModeDir {
			return nil, noArtifact(p)
		}
		out.Digest = e.Digest
	} else {
		f, err := s.store.MLFile(ctx, p)
		if err != nil {
			return nil, err
		}
		if f.Dir {
			return nil, noArtifact(p)
		}
		out.Digest, out.ModTime = f.Digest, f.UpdatedAt
	}
	out.ReadSeekCloser, out.Size, err = s.blobs.Get(ctx, out.Digest)
	return out, err
}

func noArtifact(p string) error {
	return cairn.Errorf(cairn.CodeNotFound, "No such artifact: '%s'", p)
}

// ListFiles lists what is directly in a folder, by name. What is no folder has
// nothing in it.
func (s *Service) ListFiles(ctx context.Context, dir string) ([]cairn.MLFile, error) {
	dir, err := CleanPath(dir)
	if err != nil {
		return nil, err
	}
	e, err := s.treeEntry(ctx, dir)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if e == nil {
		return s.store.MLFilesIn(ctx, dir)
	}
	if e.Mode != cairn.ModeDir {
		return nil, nil
	}
	entries, err := s.blobs.ReadTree(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	out := make([]cairn.MLFile, 0, len(entries))
	for _, c := range entries {
		f := cairn.MLFile{Path: path.Join(dir, c.Name), Dir: c.Mode == cairn.ModeDir}
		if !f.Dir {
			f.Digest, f.Size = c.Digest, c.Size
		}
		out = append(out, f)
	}
	return out, nil
}

// DeleteFile forgets a file or a folder.
func (s *Service) DeleteFile(ctx context.Context, p string) error {
	p, err := CleanPath(p)
	if err != nil {
		return err
	}
	if p == "" {
		return invalid("Invalid path: it must not be empty")
	}
	if err := writable(p); err != nil {
		return err
	}
	return s.store.DeleteMLFiles(ctx, p)
}

// treeEntry finds a path below treeFolder; nil for all other paths.
func (s *Service) treeEntry(ctx context.Context, p string) (*cairn.TreeEntry, error) {
	rest, ok := strings.CutPrefix(p, treeFolder+"/")
	if !ok {
		return nil, nil
	}
	hex, rest, _ := strings.Cut(rest, "/")
	d, err := cairn.ParseDigest("sha256:" + hex)
	if err != nil {
		return nil, noArtifact(p)
	}
	e := &cairn.TreeEntry{Mode: cairn.ModeDir, Digest: d}
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if e.Mode != cairn.ModeDir {
			return nil, noArtifact(p)
		}
		entries, err := s.blobs.ReadTree(ctx, e.Digest)
		if err != nil {
			return nil, err
		}
		e = nil
		for i := range entries {
			if entries[i].Name == name {
				e = &entries[i]
			}
		}
		if e == nil {
			return nil, noArtifact(p)
		}
	}
	return e, nil
}

// maxModelFiles bounds the files of one model version.
const maxModelFiles = 100_000

// Collect makes a tree of the files at or below a path. Later writes to the
// path do not change it.
func (s *Service) Collect(ctx context.Context, p string) (root cairn.Digest, size, files int64, err error) {
	list, err := s.store.MLFilesBelow(ctx, p, maxModelFiles+1)
	if err != nil {
		return "", 0, 0, err
	}
	if len(list) > maxModelFiles {
		return "", 0, 0, cairn.Errorf(cairn.CodeTooLarge, "there are more than %d files below '%s'", maxModelFiles, p)
	}
	base := p
	if len(list) == 0 {
		f, err := s.store.MLFile(ctx, p)
		if err != nil {
			return "", 0, 0, err
		}
		if f.Dir {
			return "", 0, 0, noArtifact(p)
		}
		list, base = []cairn.MLFile{*f}, path.Dir(p)
	}
	top := &folder{}
	for _, f := range list {
		size, files = size+f.Size, files+1
		top.add(strings.Split(strings.TrimPrefix(f.Path, base+"/"), "/"), f)
	}
	e, err := s.putFolder(ctx, top)
	return e.Digest, size, files, err
}

type folder struct {
	names   []string
	folders map[string]*folder
	files   []cairn.TreeEntry
}

func (d *folder) add(parts []string, f cairn.MLFile) {
	if len(parts) == 1 {
		d.files = append(d.files, cairn.TreeEntry{Name: parts[0], Mode: cairn.ModeFile, Size: f.Size, Digest: f.Digest})
		return
	}
	sub := d.folders[parts[0]]
	if sub == nil {
		if d.folders == nil {
			d.folders = map[string]*folder{}
		}
		sub = &folder{}
		d.folders[parts[0]] = sub
		d.names = append(d.names, parts[0])
	}
	sub.add(parts[1:], f)
}

func (s *Service) putFolder(ctx context.Context, d *folder) (cairn.TreeEntry, error) {
	out := cairn.TreeEntry{Mode: cairn.ModeDir}
	entries := d.files
	for _, name := range d.names {
		e, err := s.putFolder(ctx, d.folders[name])
		if err != nil {
			return out, err
		}
		e.Name = name
		entries = append(entries, e)
	}
	sortEntries(entries)
	for _, e := range entries {
		out.Size += e.Size
		if e.Mode == cairn.ModeDir {
			out.Files += e.Files
		} else {
			out.Files++
		}
	}
	var err error
	out.Digest, err = s.blobs.PutTree(ctx, entries)
	return out, err
}
