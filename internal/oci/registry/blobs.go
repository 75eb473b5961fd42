package registry

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

func (g *Registry) getBlob(q *request, rest string) error {
	d, err := digestOf(rest)
	if err != nil {
		return err
	}
	ctx := q.r.Context()
	if _, err := g.o.Images.Blob(ctx, q.name, d); err != nil {
		return as("BLOB_UNKNOWN", err)
	}
	f, _, err := g.o.Blobs.Get(ctx, d)
	if err != nil {
		return as("BLOB_UNKNOWN", err)
	}
	defer f.Close()
	h := q.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Docker-Content-Digest", string(d))
	h.Set("ETag", strconv.Quote(string(d)))
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(&patientWriter{q.w, http.NewResponseController(q.w)}, q.r, "", time.Time{}, f)
	return nil
}

func (g *Registry) deleteBlob(q *request, rest string) error {
	d, err := digestOf(rest)
	if err != nil {
		return err
	}
	if err := g.o.Check(q.r.Context(), Delete); err != nil {
		return err
	}
	if err := g.o.Images.DropBlob(q.r.Context(), q.name, d, q.actor); err != nil {
		return as("BLOB_UNKNOWN", err)
	}
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

// start begins an upload, or does all of it at once: a blob that another repository
// has is mounted, one that comes with its digest is stored.
func (g *Registry) start(q *request) error {
	ctx := q.r.Context()
	query := q.r.URL.Query()
	if s := query.Get("mount"); s != "" {
		d, err := digestOf(s)
		if err != nil {
			return err
		}
		from := query.Get("from")
		if from != "" {
			if from, err = nameOf(from); err != nil {
				return &problem{http.StatusBadRequest, "NAME_INVALID", err}
			}
		}
		if done, err := g.o.Images.Mount(ctx, q.name, from, d); err != nil {
			return err
		} else if done {
			return created(q, d)
		}
	}
	if s := query.Get("digest"); s != "" {
		d, err := digestOf(s)
		if err != nil {
			return err
		}
		return g.whole(q, d, q.r.Body)
	}
	if alg := query.Get("digest-algorithm"); alg != "" && alg != "sha256" {
		return &problem{http.StatusBadRequest, "UNSUPPORTED", cairn.Errorf(cairn.CodeUnsupported, "content is kept by sha256 here, not by %s", clip(alg))}
	}
	s, err := g.open(q.name)
	if err != nil {
		return err
	}
	s.accepted(q, http.StatusAccepted)
	return nil
}

// whole stores a blob that comes in one piece.
func (g *Registry) whole(q *request, d cairn.Digest, body io.Reader) error {
	if _, _, err := g.o.Blobs.Put(q.r.Context(), body, d); err != nil {
		return as("DIGEST_INVALID", err)
	}
	return g.take(q, d)
}

// take makes a stored blob a part of the repository, and answers.
func (g *Registry) take(q *request, d cairn.Digest) error {
	if err := g.o.Images.AddBlob(q.r.Context(), q.name, d); err != nil {
		return as("BLOB_UPLOAD_INVALID", err)
	}
	return created(q, d)
}

func created(q *request, d cairn.Digest) error {
	h := q.w.Header()
	h.Set("Location", pathOf(q.name, "blobs", string(d)))
	h.Set("Docker-Content-Digest", string(d))
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusCreated)
	return nil
}

// streamDeadline is how long a client may send or take nothing.
const streamDeadline = 2 * time.Minute

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

// patientWriter is an answer that may take as long as it likes, as long as it moves.
type patientWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(streamDeadline)) // as for patient
	return p.ResponseWriter.Write(b)
}

// ReadFrom sends a file without taking it through memory, a piece at a time.
func (p *patientWriter) ReadFrom(src io.Reader) (int64, error) {
	const piece = 8 << 20
	all, ok := src.(*io.LimitedReader)
	to, can := p.ResponseWriter.(io.ReaderFrom)
	if !ok || !can {
		return io.Copy(struct{ io.Writer }{p}, src)
	}
	var sent int64
	for all.N > 0 {
		_ = p.c.SetWriteDeadline(time.Now().Add(streamDeadline))
		part := &io.LimitedReader{R: all.R, N: min(all.N, piece)}
		n, err := to.ReadFrom(part)
		sent, all.N = sent+n, all.N-n
		if err != nil {
			return sent, err
		}
		if n == 0 {
			break
		}
	}
	return sent, nil
}

// from is the name of a repository in a path, for messages.
func from(name string) string { return (ref.Reference{Name: name}).Path() }
