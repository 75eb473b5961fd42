package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// uploadAge is how long an upload waits for its next piece.
const uploadAge = 24 * time.Hour

// maxSessions bounds the uploads that are under way at once.
const maxSessions = 10_000

// session is an upload in several requests. Its bytes are a file; beside it lies
// whose it is and how much of it was acknowledged, with the state of the hash there.
type session struct {
	id, path string
	mu       sync.Mutex // one request at a time
	ended    bool
	note     note
	hash     hash.Hash
}

// note is what is known of a session on disk.
type note struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Hash   []byte `json:"hash,omitempty"`
}

var sessionID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func (g *Registry) open(name string) (*session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.sessions) >= maxSessions {
		return nil, &problem{http.StatusTooManyRequests, "TOOMANYREQUESTS", cairn.Errorf(cairn.CodeUnavailable, "%d uploads are under way; try again later", len(g.sessions))}
	}
	id := rand.Text()
	s := &session{id: id, path: filepath.Join(g.o.Dir, id), note: note{Name: name}, hash: sha256.New()}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), s.save())
	}
	if err != nil {
		s.remove()
		return nil, fileError("begin an upload", err)
	}
	g.sessions[id] = s
	return s, nil
}

// find locks a session; the caller unlocks it. One of before a restart is read from
// disk.
func (g *Registry) find(q *request, id string) (*session, error) {
	unknown := &problem{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", cairn.Errorf(cairn.CodeNotFound, "there is no upload %s to %s", clip(id), from(q.name)).
		WithHint("it was finished or given up; begin a new one")}
	if !sessionID.MatchString(id) {
		return nil, unknown
	}
	g.mu.Lock()
	s := g.sessions[id]
	if s == nil {
		var err error
		if s, err = load(filepath.Join(g.o.Dir, id)); err != nil {
			g.mu.Unlock()
			return nil, unknown
		}
		g.sessions[id] = s
	}
	g.mu.Unlock()
	s.mu.Lock()
	if s.ended || s.note.Name != q.name {
		s.mu.Unlock()
		return nil, unknown
	}
	return s, nil
}

// load reads a session from disk; bytes behind what was acknowledged are dropped.
func load(path string) (*session, error) {
	s := &session{id: filepath.Base(path), path: path, hash: sha256.New()}
	b, err := os.ReadFile(path + ".json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &s.note); err != nil {
		return nil, err
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() < s.note.Offset {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	if len(s.note.Hash) > 0 {
		if err := s.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.note.Hash); err != nil {
			return nil, err
		}
	}
	return s, os.Truncate(path, s.note.Offset)
}

// save writes down what is acknowledged from now on; the bytes are on disk.
func (s *session) save() error {
	n := s.note
	if n.Offset > 0 {
		state, err := s.hash.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return err
		}
		n.Hash = state
	}
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	tmp := s.path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && n.Offset > 0 {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, s.path+".json")
}

func (s *session) remove() {
	for _, suffix := range []string{"", ".json", ".new"} {
		os.Remove(s.path + suffix) // what is left is removed by the next Clean
	}
}

// end forgets a session that is locked.
func (g *Registry) end(s *session) {
	s.ended = true
	s.remove()
	g.mu.Lock()
	delete(g.sessions, s.id)
	g.mu.Unlock()
}

// accepted tells where the upload stands and goes on.
func (s *session) accepted(q *request, status int) {
	h := q.w.Header()
	h.Set("Location", pathOf(s.note.Name, "blobs", "uploads", s.id))
	h.Set("Docker-Upload-UUID", s.id)
	h.Set("Range", fmt.Sprintf("0-%d", max(s.note.Offset-1, 0)))
	if status != http.StatusNoContent {
		h.Set("Content-Length", "0")
	}
	q.w.WriteHeader(status)
}

func (g *Registry) uploadStatus(q *request, id string) error {
	s, err := g.find(q, id)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.accepted(q, http.StatusNoContent)
	return nil
}

func (g *Registry) cancel(q *request, id string) error {
	s, err := g.find(q, id)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	g.end(s)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (g *Registry) patch(q *request, id string) error {
	s, err := g.find(q, id)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := g.append(q, s); err != nil {
		return err
	}
	s.accepted(q, http.StatusAccepted)
	return nil
}

// finish takes the last piece, if it brings one, and stores the blob.
func (g *Registry) finish(q *request, id string) error {
	s, err := g.find(q, id)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	d, err := digestOf(q.r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	if s.note.Offset == 0 && q.r.Header.Get("Content-Range") == "" {
		// All of it comes now: it goes straight to where it belongs.
		err := g.whole(q, d, q.r.Body)
		if err == nil || q.r.Context().Err() == nil {
			g.end(s) // a client that went away may come back; other failures end it as in pieces
		}
		return err
	}
	if err := g.append(q, s); err != nil {
		return err
	}
	got := cairn.DigestOf(s.hash.Sum(nil))
	if got != d {
		g.end(s)
		return &problem{http.StatusBadRequest, "DIGEST_INVALID", cairn.Errorf(cairn.CodeInvalid, "the bytes received are %s (%d bytes), not %s as announced", got, s.note.Offset, d)}
	}
	if err := g.o.Blobs.Adopt(q.r.Context(), s.path, cairn.Blob{Digest: d, Size: s.note.Offset}); err != nil {
		return err
	}
	g.end(s)
	return g.take(q, d)
}

// append writes the body behind what is there. What does not come to its end is as
// if it had never been sent; where the disk is full, all of the upload goes.
func (g *Registry) append(q *request, s *session) error {
	if err := s.checkRange(q.r); err != nil {
		q.w.Header().Set("Location", pathOf(s.note.Name, "blobs", "uploads", s.id))
		q.w.Header().Set("Range", fmt.Sprintf("0-%d", max(s.note.Offset-1, 0)))
		return err
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return fileError("go on with an upload", err)
	}
	defer f.Close()
	before, err := s.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(f, s.note.Offset), io.TeeReader(q.r.Body, s.hash))
	source := false
	if want, ok := rangeSize(q.r); ok && err == nil && n != want {
		source, err = true, cairn.Errorf(cairn.CodeInvalid, "%d bytes came, Content-Range speaks of %d", n, want)
	}
	if n > 0 && err == nil {
		err = f.Sync()
	}
	if err == nil {
		s.note.Offset += n
		if n == 0 {
			return nil
		}
		if err = s.save(); err == nil {
			return nil
		}
		s.note.Offset -= n
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		g.end(s)
		return fileError("store an upload", err)
	}
	var failed *fs.PathError
	if !source && !errors.As(err, &failed) {
		err = cairn.Errorf(cairn.CodeInvalid, "the upload was cut: %w", err)
	}
	if uerr := errors.Join(s.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(before), f.Truncate(s.note.Offset)); uerr != nil {
		g.end(s)
		return fileError("go on with an upload", uerr)
	}
	return as("BLOB_UPLOAD_INVALID", fileError("store an upload", err))
}

// contentRange reads "0-99", and "bytes 0-99/*" of clients that know HTTP better
// than the specification.
var contentRange = regexp.MustCompile(`^(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?$`)

func (s *session) checkRange(r *http.Request) error {
	h := r.Header.Get("Content-Range")
	if h == "" {
		return nil
	}
	m := contentRange.FindStringSubmatch(strings.TrimSpace(h))
	if m == nil {
		return &problem{http.StatusBadRequest, "BLOB_UPLOAD_INVALID", cairn.Errorf(cairn.CodeInvalid, "%q is not a range of bytes", clip(h)).WithHint("write Content-Range: FIRST-LAST")}
	}
	if first, err := strconv.ParseInt(m[1], 10, 64); err != nil || first != s.note.Offset {
		return &problem{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", cairn.Errorf(cairn.CodeInvalid, "the piece begins at %s; %d bytes are there", m[1], s.note.Offset)}
	}
	return nil
}

// rangeSize is how many bytes a request says that it brings.
func rangeSize(r *http.Request) (int64, bool) {
	m := contentRange.FindStringSubmatch(strings.TrimSpace(r.Header.Get("Content-Range")))
	if m == nil {
		return 0, false
	}
	first, _ := strconv.ParseInt(m[1], 10, 64)
	last, _ := strconv.ParseInt(m[2], 10, 64)
	return last - first + 1, true
}

// Clean removes uploads that nobody went on with for a day.
func (g *Registry) Clean() error {
	es, err := os.ReadDir(g.o.Dir)
	if err != nil {
		return fileError("look into the folder of uploads", err)
	}
	for _, e := range es {
		id, _, _ := strings.Cut(e.Name(), ".")
		fi, err := e.Info()
		if err != nil || g.o.Now().Sub(fi.ModTime()) < uploadAge || !sessionID.MatchString(id) {
			continue
		}
		// The bytes are as old as the last piece; the note beside them may be older.
		if data, err := os.Stat(filepath.Join(g.o.Dir, id)); err == nil && g.o.Now().Sub(data.ModTime()) < uploadAge {
			continue
		}
		g.mu.Lock()
		s := g.sessions[id]
		g.mu.Unlock()
		if s == nil {
			s = &session{id: id, path: filepath.Join(g.o.Dir, id)}
		}
		if s.mu.TryLock() { // one that is written to right now is not old
			g.end(s)
			s.mu.Unlock()
		}
	}
	return nil
}
