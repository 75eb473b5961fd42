package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cas"
)

// Limits of requests about blobs.
const (
	digestsLimit   = 20_000
	treeBodyLimit  = 256 << 20
	batchBytes     = 32 << 20 // how much of an upload shares one durable point
	batchBlobs     = 4096
	streamDeadline = 2 * time.Minute // without a byte
	treePathLimit  = 4096            // bytes of a path in a tree
	treeFilesLimit = 2_000_000       // entries of one flat listing
)

type digestPath struct {
	Digest string `path:"digest" minLength:"71" maxLength:"71"`
}

type digestList struct {
	Body struct {
		Digests []cairn.Digest `json:"digests"`
	}
}

func (l *digestList) check() error {
	if len(l.Body.Digests) > digestsLimit {
		return cairn.Errorf(cairn.CodeTooLarge, "%d digests in one request; at most %d", len(l.Body.Digests), digestsLimit)
	}
	for _, d := range l.Body.Digests {
		if _, err := cairn.ParseDigest(string(d)); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) blobRoutes() {
	route(a, op{method: "POST", path: "/blobs/missing", id: "missing-blobs", summary: "Which of these digests are not stored", need: makers, limit: 4 << 20},
		func(ctx context.Context, in *digestList) ([]cairn.Digest, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			return orEmpty(a.o.Blobs.Missing(ctx, in.Body.Digests))
		})
	route(a, op{method: "POST", path: "/trees", id: "put-tree", summary: "Store a folder whose files are stored", need: makers, limit: treeBodyLimit},
		func(ctx context.Context, in *struct {
			Body struct {
				Files []client.TreeFile `json:"files"`
			}
		}) (*client.TreeInfo, error) {
			return a.putTree(ctx, in.Body.Files)
		})
	route(a, op{method: "GET", path: "/trees/{digest}", id: "read-tree", summary: "One folder", need: readers},
		func(ctx context.Context, in *digestPath) ([]cairn.TreeEntry, error) {
			d, err := cairn.ParseDigest(in.Digest)
			if err != nil {
				return nil, err
			}
			return orEmpty(a.o.Blobs.ReadTree(ctx, d))
		})
	route(a, op{method: "GET", path: "/trees/{digest}/files", id: "tree-files", summary: "Everything below a folder", need: readers},
		func(ctx context.Context, in *digestPath) ([]client.TreeFile, error) {
			d, err := cairn.ParseDigest(in.Digest)
			if err != nil {
				return nil, err
			}
			return a.treeFiles(ctx, d)
		})
	a.raw(op{method: "POST", path: "/blobs", id: "put-blobs", summary: "Store many blobs: " + client.BlobsType, need: makers}, a.putBlobs)
	a.raw(op{method: "POST", path: "/blobs/fetch", id: "fetch-blobs", summary: "Read many blobs: " + client.BlobsType, need: readers}, a.fetchBlobs)
	a.raw(op{method: "GET", path: "/blobs/{digest}", id: "get-blob", summary: "Read one blob", need: readers}, a.getBlob)
}

// putBlobs stores a stream of blobs. Small ones are gathered so that they share
// a durable point; when the answer is out, all are on disk.
func (a *API) putBlobs(w http.ResponseWriter, r *http.Request) error {
	if t := r.Header.Get("Content-Type"); t != client.BlobsType {
		return cairn.Errorf(cairn.CodeInvalid, "the content type is %q, not %s", t, client.BlobsType)
	}
	ctx := r.Context()
	var heads []client.BlobHead
	var bodies [][]byte
	var held int64
	flush := func() error {
		got, err := a.o.Blobs.PutMany(ctx, len(bodies), func(i int) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(bodies[i])), nil
		})
		if err != nil {
			return err
		}
		for i, b := range got {
			if b.Digest != heads[i].Digest {
				return wrongDigest(heads[i].Digest, b.Digest)
			}
		}
		heads, bodies, held = nil, nil, 0
		return nil
	}
	err := client.ReadBlobs(r.Body, func(h client.BlobHead, body io.Reader) error {
		if h.Size > batchBytes/4 {
			_, n, err := a.o.Blobs.Put(ctx, body, h.Digest)
			if err == nil && n != h.Size {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		b := make([]byte, h.Size)
		if _, err := io.ReadFull(body, b); err != nil {
			return cairn.Errorf(cairn.CodeInvalid, "the stream of blobs is cut within %s", h.Digest)
		}
		heads, bodies, held = append(heads, h), append(bodies, b), held+h.Size
		if held >= batchBytes || len(bodies) >= batchBlobs {
			return flush()
		}
		return nil
	})
	if err == nil && len(bodies) > 0 {
		err = flush()
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func wrongDigest(want, got cairn.Digest) error {
	return cairn.Errorf(cairn.CodeConflict, "the bytes sent as %s are %s", want, got).
		WithHint("a file changed while it was read; try again")
}

// patient is a body that may take as long as it likes, as long as it moves.
type patient struct {
	c *http.ResponseController
	r io.ReadCloser
}

func (p *patient) Read(b []byte) (int, error) {
	// Not every connection has deadlines (tests use pipes); then there is none.
	_ = p.c.SetReadDeadline(time.Now().Add(streamDeadline))
	n, err := p.r.Read(b)
	if err != nil {
		_ = p.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *patient) Close() error { return p.r.Close() }

func (a *API) fetchBlobs(w http.ResponseWriter, r *http.Request) error {
	var in digestList
	if err := readJSON(w, r, 4<<20, &in.Body); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	missing, err := a.o.Blobs.Missing(r.Context(), in.Body.Digests)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return cairn.Errorf(cairn.CodeNotFound, "%d of the blobs are not stored, %s first", len(missing), missing[0])
	}
	w.Header().Set("Content-Type", client.BlobsType)
	out := &patientWriter{http.NewResponseController(w), w}
	for _, d := range in.Body.Digests {
		if err := a.sendBlob(r.Context(), out, d); err != nil {
			a.note(r.Context(), err)
			panic(http.ErrAbortHandler) // the answer has begun: only cutting it tells the client
		}
	}
	return nil
}

func (a *API) sendBlob(ctx context.Context, w io.Writer, d cairn.Digest) error {
	f, size, err := a.o.Blobs.Get(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	return client.WriteBlob(w, d, size, f)
}

type patientWriter struct {
	c *http.ResponseController
	w io.Writer
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(streamDeadline)) // as for patient
	return p.w.Write(b)
}

func (a *API) getBlob(w http.ResponseWriter, r *http.Request) error {
	d, err := cairn.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return err
	}
	f, size, err := a.o.Blobs.Get(r.Context(), d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("ETag", strconv.Quote(string(d)))
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	if _, err := io.Copy(&patientWriter{http.NewResponseController(w), w}, f); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (a *API) treeFiles(ctx context.Context, root cairn.Digest) ([]client.TreeFile, error) {
	out := []client.TreeFile{}
	err := a.o.Blobs.WalkTree(ctx, root, func(p string, e cairn.TreeEntry) error {
		if len(out) >= treeFilesLimit {
			return cairn.Errorf(cairn.CodeTooLarge, "the tree has more than %d files", treeFilesLimit)
		}
		if e.Mode != cairn.ModeDir {
			out = append(out, client.TreeFile{Path: p, Mode: e.Mode, Size: e.Size, Digest: e.Digest})
		} else if e.Files == 0 {
			out = append(out, client.TreeFile{Path: p, Mode: e.Mode})
		}
		return nil
	})
	return out, err
}

// folder is a directory that is being put together.
type folder struct {
	files []cairn.TreeEntry
	dirs  map[string]*folder
}

func (f *folder) dir(name string) *folder {
	if f.dirs == nil {
		f.dirs = map[string]*folder{}
	}
	if f.dirs[name] == nil {
		f.dirs[name] = &folder{}
	}
	return f.dirs[name]
}

func (a *API) putTree(ctx context.Context, files []client.TreeFile) (*client.TreeInfo, error) {
	root := &folder{}
	var ds []cairn.Digest
	for _, f := range files {
		if len(f.Path) > treePathLimit {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%.40q… is a path of %d bytes; at most %d are allowed", f.Path, len(f.Path), treePathLimit)
		}
		if f.Path == "" || path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "." || f.Path == ".." || strings.HasPrefix(f.Path, "../") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a path inside a folder", f.Path)
		}
		at := root
		parts := strings.Split(f.Path, "/")
		for _, p := range parts[:len(parts)-1] {
			at = at.dir(p)
		}
		name := parts[len(parts)-1]
		if f.Mode == cairn.ModeDir {
			at.dir(name)
			continue
		}
		ds = append(ds, f.Digest)
		at.files = append(at.files, cairn.TreeEntry{Name: name, Mode: f.Mode, Size: f.Size, Digest: f.Digest})
	}
	slices.Sort(ds)
	missing, err := a.o.Blobs.Missing(ctx, slices.Compact(ds))
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, cairn.Errorf(cairn.CodeConflict, "%d of the files are not stored, %s first", len(missing), missing[0]).
			WithHint("upload the blobs before the tree")
	}
	for _, f := range files {
		if f.Mode == cairn.ModeSymlink {
			if err := a.checkLink(ctx, f); err != nil {
				return nil, err
			}
		}
	}
	e, err := a.putFolder(ctx, root)
	return &client.TreeInfo{Root: e.Digest, Size: e.Size, Files: e.Files}, err
}

// checkLink refuses a symbolic link that leads out of its tree: whoever fetches
// the tree would follow it on another machine.
func (a *API) checkLink(ctx context.Context, f client.TreeFile) error {
	r, size, err := a.o.Blobs.Get(ctx, f.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	target, err := io.ReadAll(io.LimitReader(r, cas.MaxLinkBytes+1))
	if err == nil && size <= cas.MaxLinkBytes {
		err = cas.CheckLink(string(target), strings.Count(f.Path, "/"))
	} else if err == nil {
		err = cairn.Errorf(cairn.CodeInvalid, "a link of %d bytes", size)
	}
	if err != nil {
		e := cairn.AsError(err)
		return &cairn.Error{Code: cairn.CodeInvalid, Message: "the symbolic link " + strconv.Quote(f.Path) + " is not kept: " + e.Message, Hint: e.Hint, Err: err}
	}
	return nil
}

// putFolder stores a folder, inner ones first, and returns its entry.
func (a *API) putFolder(ctx context.Context, f *folder) (cairn.TreeEntry, error) {
	self := cairn.TreeEntry{Mode: cairn.ModeDir}
	entries := f.files
	for _, e := range entries {
		// What a client says of sizes is believed only after a look.
		size, err := a.o.Blobs.Stat(ctx, e.Digest)
		if err != nil {
			return self, err
		}
		if size != e.Size {
			return self, cairn.Errorf(cairn.CodeInvalid, "%s has %d bytes, not %d", e.Name, size, e.Size)
		}
		self.Size += size
		self.Files++
	}
	for name, d := range f.dirs {
		e, err := a.putFolder(ctx, d)
		if err != nil {
			return self, err
		}
		e.Name = name
		entries = append(entries, e)
		self.Size += e.Size
		self.Files += e.Files
	}
	slices.SortFunc(entries, func(x, y cairn.TreeEntry) int { return strings.Compare(x.Name, y.Name) })
	var err error
	self.Digest, err = a.o.Blobs.PutTree(ctx, entries)
	return self, err
}
