package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"golang.org/x/sync/errgroup"
)

// UploadTree stores files of dir and returns the root of their tree. paths are
// slash-separated and relative to dir, files or folders; none means everything
// below it. Only what the owner lacks is sent.
func (c *Client) UploadTree(ctx context.Context, dir string, paths []string) (cairn.Digest, int64, int64, error) {
	// A link to a folder, given as the folder, means what it leads to.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	files, err := scan(ctx, dir, paths)
	if err != nil {
		return "", 0, 0, err
	}
	info, err := c.uploadFiles(ctx, dir, files)
	if err != nil {
		return "", 0, 0, err
	}
	return info.Root, info.Size, info.Files, nil
}

// UploadFile stores one file as a blob.
func (c *Client) UploadFile(ctx context.Context, name string) (cairn.Digest, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, cairn.Errorf(cairn.CodeNotFound, "cannot read %s: %w", name, err)
	}
	d, size, err := fileSum(f)
	f.Close()
	if err != nil {
		return "", 0, err
	}
	missing, err := c.MissingBlobs(ctx, []cairn.Digest{d})
	if err != nil || len(missing) == 0 {
		return d, size, err
	}
	return d, size, c.UploadBlobs(ctx, []Blob{{d, size, func() (io.ReadCloser, error) { return os.Open(name) }}})
}

func (c *Client) uploadFiles(ctx context.Context, dir string, files []TreeFile) (*TreeInfo, error) {
	at := map[cairn.Digest]TreeFile{}
	var ds []cairn.Digest
	for _, f := range files {
		if _, dup := at[f.Digest]; !dup && f.Digest != "" {
			at[f.Digest] = f
			ds = append(ds, f.Digest)
		}
	}
	missing, err := c.MissingBlobs(ctx, ds)
	if err != nil {
		return nil, err
	}
	blobs := make([]Blob, 0, len(missing))
	for _, d := range missing {
		f := at[d]
		blobs = append(blobs, Blob{f.Digest, f.Size, func() (io.ReadCloser, error) {
			name := filepath.Join(dir, filepath.FromSlash(f.Path))
			if f.Mode == cairn.ModeSymlink {
				target, err := os.Readlink(name)
				return io.NopCloser(strings.NewReader(target)), err
			}
			return os.Open(name)
		}})
	}
	if err := c.UploadBlobs(ctx, blobs); err != nil {
		return nil, err
	}
	return c.PutTree(ctx, files)
}

// scan lists and hashes what is to be stored.
func scan(ctx context.Context, dir string, paths []string) ([]TreeFile, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var names []string
	seen := map[string]bool{}
	empty := map[string]bool{}
	for _, p := range paths {
		p = path.Clean(p)
		if !filepath.IsLocal(filepath.FromSlash(p)) {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s lies outside of %s", p, dir)
		}
		err := filepath.WalkDir(filepath.Join(dir, filepath.FromSlash(p)), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			if rel == "." || seen[rel] {
				return nil
			}
			if d.IsDir() {
				empty[rel] = true
			} else {
				seen[rel] = true
				names = append(names, rel)
			}
			delete(empty, path.Dir(rel))
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, cairn.Errorf(cairn.CodeNotFound, "there is no %s in %s", p, dir)
		} else if err != nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", dir, err)
		}
	}
	files := make([]TreeFile, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, rel := range names {
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			files[i], err = scanFile(dir, rel)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for rel := range empty {
		files = append(files, TreeFile{Path: rel, Mode: cairn.ModeDir})
	}
	return files, nil
}

func scanFile(dir, rel string) (TreeFile, error) {
	name := filepath.Join(dir, filepath.FromSlash(rel))
	fi, err := os.Lstat(name)
	if err != nil {
		return TreeFile{}, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", name, err)
	}
	f := TreeFile{Path: rel, Mode: cairn.ModeFile}
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		if err != nil {
			return f, err
		}
		if err := cas.CheckLink(target, strings.Count(rel, "/")); err != nil {
			return f, linkError(name, err)
		}
		f.Mode, f.Size, f.Digest = cairn.ModeSymlink, int64(len(target)), cairn.SumBytes([]byte(target))
		return f, nil
	case !fi.Mode().IsRegular():
		return f, cairn.Errorf(cairn.CodeInvalid, "%s is neither a file nor a folder nor a symbolic link (%s)", name, fi.Mode().Type()).
			WithHint("remove it, or name the files to store")
	case fi.Mode()&0o111 != 0:
		f.Mode = cairn.ModeExec
	}
	r, err := os.Open(name)
	if err != nil {
		return f, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", name, err)
	}
	defer r.Close()
	f.Digest, f.Size, err = fileSum(r)
	return f, err
}

// linkError names the link whose target leads out of what is stored.
func linkError(name string, err error) error {
	e := cairn.AsError(err)
	return &cairn.Error{Code: cairn.CodeInvalid, Hint: e.Hint, Err: err,
		Message: fmt.Sprintf("the symbolic link %s is not kept: %s", name, strings.TrimPrefix(e.Message, "not a valid tree: "))}
}

// fetchBatch bounds the blobs asked for in one request.
const fetchBatch = 2000

// DownloadTree writes a tree into dir, which is made when it does not exist.
// Files that are there already are replaced; nothing is written outside of dir.
func (c *Client) DownloadTree(ctx context.Context, root cairn.Digest, dir string) error {
	files, err := c.TreeFiles(ctx, root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	var plain, links placing
	for _, f := range files {
		switch f.Mode {
		case cairn.ModeDir:
			if err := r.MkdirAll(f.Path, 0o777); err != nil {
				return placeError(dir, err)
			}
		case cairn.ModeSymlink:
			links.add(f)
		default:
			plain.add(f)
		}
	}
	// Symbolic links come last, so that nothing is written through one of them.
	for _, p := range []placing{plain, links} {
		for ds := p.order; len(ds) > 0; {
			n := min(len(ds), fetchBatch)
			var last cairn.Digest
			err := c.FetchBlobs(ctx, ds[:n], func(d cairn.Digest, _ int64, body io.Reader) error {
				last = d
				return placeError(dir, placeAll(r, p.at[d], body))
			})
			if err != nil {
				return errors.Join(err, unplace(r, p.at[last]))
			}
			ds = ds[n:]
		}
	}
	return nil
}

// placing gathers the places of each blob.
type placing struct {
	at    map[cairn.Digest][]TreeFile
	order []cairn.Digest
}

func (p *placing) add(f TreeFile) {
	if p.at == nil {
		p.at = map[cairn.Digest][]TreeFile{}
	}
	if p.at[f.Digest] == nil {
		p.order = append(p.order, f.Digest)
	}
	p.at[f.Digest] = append(p.at[f.Digest], f)
}

// placeAll writes one blob to every place that it has in the tree.
func placeAll(r *os.Root, places []TreeFile, body io.Reader) error {
	for i, f := range places {
		if d := path.Dir(f.Path); d != "." {
			if err := r.MkdirAll(d, 0o777); err != nil {
				return err
			}
		}
		if err := r.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if i > 0 {
			first, err := r.Open(places[0].Path)
			if err != nil {
				return err
			}
			err = place(r, f, first)
			first.Close()
			if err != nil {
				return err
			}
			continue
		}
		if err := place(r, f, body); err != nil {
			return err
		}
	}
	return nil
}

func place(r *os.Root, f TreeFile, body io.Reader) error {
	if f.Mode == cairn.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(body, 4096))
		if err != nil {
			return err
		}
		if err := cas.CheckLink(string(target), strings.Count(f.Path, "/")); err != nil {
			return linkError(f.Path, err)
		}
		return r.Symlink(string(target), f.Path)
	}
	mode := fs.FileMode(0o666)
	if f.Mode == cairn.ModeExec {
		mode = 0o777
	}
	w, err := r.OpenFile(f.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// unplace removes what was written of a blob that did not arrive whole: half a
// file, or one of other bytes, would pass for the right one.
func unplace(r *os.Root, places []TreeFile) error {
	var errs []error
	for _, f := range places {
		if err := r.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// placeError says where a file could not be written.
func placeError(dir string, err error) error {
	var known *cairn.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: the disk is full: %w", dir, err).WithHint("free some space, or download into another folder")
	}
	return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: %w", dir, err)
}
