package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/ignore"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"golang.org/x/sync/errgroup"
)

// Store is where bytes go; *client.Client is one.
type Store interface {
	MissingBlobs(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	UploadBlobs(ctx context.Context, blobs []client.Blob) error
	PutTree(ctx context.Context, files []client.TreeFile) (*client.TreeInfo, error)
	UploadTree(ctx context.Context, dir string, paths []string) (cairn.Digest, int64, int64, error)
	UploadFile(ctx context.Context, name string) (cairn.Digest, int64, error)
}

// What is large enough that people should see which files make it so.
const (
	largeSnapshot = 50 << 20
	shownLargest  = 5
)

// snapshot is the code of a job: a folder without what is ignored, or one file.
type snapshot struct {
	files []ignore.File
	size  int64
	notes []string
}

// take lists the files of a snapshot of code.
func (f *Folder) take(ctx context.Context, name string) (*snapshot, error) {
	return f.takeWith(ctx, name, false)
}

func (f *Folder) takeWith(ctx context.Context, name string, all bool) (*snapshot, error) {
	full := f.Path(name)
	fi, err := os.Stat(full)
	switch {
	case err != nil:
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no %s", f.Shown(name))
	case fi.Mode().IsRegular():
		one := ignore.File{Path: filepath.Base(full), Name: full, Size: fi.Size(), Exec: fi.Mode()&0o111 != 0}
		return &snapshot{files: []ignore.File{one}, size: fi.Size()}, nil
	case !fi.IsDir():
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is neither a file nor a folder (%s)", f.Shown(name), fi.Mode().Type())
	}
	top := repository(full)
	if top == "" {
		top = full
		if rel, err := filepath.Rel(f.Root, full); err == nil && filepath.IsLocal(rel) {
			top = f.Root
		}
	}
	found, err := ignore.Walk(ctx, full, ignore.Options{Top: top, All: all})
	if err != nil {
		return nil, err
	}
	return &snapshot{files: found.Files, size: found.Size, notes: found.Notes}, nil
}

// add lays further files over the snapshot, as additional_includes do: each path comes
// in under its base name.
func (s *snapshot) add(base string, o *snapshot, folder bool) error {
	at := map[string]bool{}
	for _, f := range s.files {
		at[f.Path] = true
	}
	for _, f := range o.files {
		if folder {
			f.Path = path.Join(base, f.Path)
		}
		if at[f.Path] {
			return cairn.Errorf(cairn.CodeInvalid, "%s comes into the code twice: by additional_includes, and from the code itself", f.Path).
				WithHint("rename one of them")
		}
		s.files = append(s.files, f)
	}
	s.size += o.size
	s.notes = append(s.notes, o.notes...)
	slices.SortFunc(s.files, func(a, b ignore.File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// send stores what the owner lacks, and the tree.
func (s *snapshot) send(ctx context.Context, to Store) (*client.TreeInfo, error) {
	files, err := s.hash(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.upload(ctx, to, files, nil); err != nil {
		return nil, err
	}
	return to.PutTree(ctx, files)
}

// hash reads all files of the snapshot.
func (s *snapshot) hash(ctx context.Context) ([]client.TreeFile, error) {
	files := make([]client.TreeFile, len(s.files))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, f := range s.files {
		g.Go(func() (err error) {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			files[i] = client.TreeFile{Path: f.Path, Mode: cairn.ModeFile}
			if f.Exec {
				files[i].Mode = cairn.ModeExec
			}
			files[i].Digest, files[i].Size, err = sum(f.Name)
			return err
		})
	}
	return files, g.Wait()
}

// upload sends what the owner lacks of the files, and of further blobs.
func (s *snapshot) upload(ctx context.Context, to Store, files []client.TreeFile, more []client.Blob) error {
	at := map[cairn.Digest]client.Blob{}
	var ds []cairn.Digest
	add := func(b client.Blob) {
		if _, twice := at[b.Digest]; !twice {
			at[b.Digest] = b
			ds = append(ds, b.Digest)
		}
	}
	for i, f := range files {
		name := s.files[i].Name
		add(client.Blob{Digest: f.Digest, Size: f.Size, Open: func() (io.ReadCloser, error) { return os.Open(name) }})
	}
	for _, b := range more {
		add(b)
	}
	missing, err := to.MissingBlobs(ctx, ds)
	if err != nil {
		return err
	}
	blobs := make([]client.Blob, 0, len(missing))
	for _, d := range missing {
		blobs = append(blobs, at[d])
	}
	return to.UploadBlobs(ctx, blobs)
}

func sum(name string) (cairn.Digest, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", name, err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", name, err)
	}
	return cairn.DigestOf(h.Sum(nil)), n, nil
}

// told says how large a snapshot is, and which files make a large one so.
func (s *snapshot) told(name string) []string {
	out := []string{fmt.Sprintf("code %s: %s, %s", term.Clean(name), term.Count(int64(len(s.files)), "file"), term.Size(s.size))}
	if s.size >= largeSnapshot {
		big := slices.Clone(s.files)
		slices.SortFunc(big, func(a, b ignore.File) int { return cmp.Compare(b.Size, a.Size) })
		for _, f := range big[:min(len(big), shownLargest)] {
			out = append(out, fmt.Sprintf("  %9s  %s", term.Size(f.Size), term.Clean(f.Path)))
		}
		out = append(out, "  what is no code can be named in .gitignore or .amlignore")
	}
	for _, n := range s.notes {
		out = append(out, "note: "+term.Clean(n))
	}
	return out
}
