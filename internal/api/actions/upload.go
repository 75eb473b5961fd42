package actions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Bounds of uploads.
const (
	uploadAge  = 24 * time.Hour // how long an upload waits for its next piece
	maxUploads = 10_000         // under way at once
	maxBlocks  = 50_000         // of one upload, as in Azure
)

// What an upload becomes.
const (
	kindArtifact = "artifact"
	kindCache    = "cache"
)

// meta says what an upload is for. It lies beside its bytes, so that an owner that
// starts again goes on with it.
type meta struct {
	Kind      string      `json:"kind"`
	Run       cairn.RunID `json:"run"`
	Attempt   int         `json:"attempt"`
	Job       cairn.JobID `json:"job"`
	Epoch     int64       `json:"epoch"`
	Name      string      `json:"name"` // of the artifact; key of the cache
	Version   string      `json:"version,omitempty"`
	MediaType string      `json:"media_type,omitempty"`
	Expires   time.Time   `json:"expires,omitzero"`
}

// id names the upload: a job has one for each thing that it makes.
func (m meta) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%q\n%q", m.Kind, m.Job, m.Epoch, m.Name, m.Version))
	return hex.EncodeToString(sum[:16])
}

var uploadID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// uploads are those under way: a folder for each, with a file for each block.
type uploads struct {
	dir  string
	most int64
	now  func() time.Time
	log  *slog.Logger
	mu   sync.Mutex
	live map[string]*upload
}

func newUploads(dir string, most int64, now func() time.Time, log *slog.Logger) (*uploads, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fileError("make the folder of uploads", err)
	}
	return &uploads{dir: dir, most: most, now: now, log: log, live: map[string]*upload{}}, nil
}

// upload is one of them.
type upload struct {
	meta meta
	dir  string
	most int64
	size atomic.Int64 // bytes of all blocks, those that are just coming too
	seq  atomic.Int64

	mu     sync.Mutex
	blocks map[string]int64 // size by file
	list   []string         // files in order, once the list is there
	listed bool
	ending *ending
}

// ending is a finish under way: who asks meanwhile gets its answer.
type ending struct {
	done chan struct{}
	id   int64
	err  error
}

// begin makes room for an upload. What the same job sent for the same thing before
// is dropped: it begins anew.
func (u *uploads) begin(m meta) (string, error) {
	id := m.id()
	u.mu.Lock()
	defer u.mu.Unlock()
	if old := u.live[id]; old != nil {
		old.mu.Lock()
		busy := old.ending != nil
		old.mu.Unlock()
		if busy {
			return "", cairn.Errorf(cairn.CodeConflict, "%s %q is being stored at this moment", m.Kind, m.Name)
		}
	}
	if len(u.live) >= maxUploads {
		return "", cairn.Errorf(cairn.CodeUnavailable, "%d uploads are under way; try again later", len(u.live))
	}
	dir := filepath.Join(u.dir, id)
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fileError("begin an upload", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fileError("begin an upload", err)
	}
	if err := writeFile(filepath.Join(dir, "meta.json"), text); err != nil {
		return "", fileError("begin an upload", err)
	}
	u.live[id] = &upload{meta: m, dir: dir, most: u.most, blocks: map[string]int64{}}
	return id, nil
}

// writeFile writes a whole file or none; it is on the disk when it returns.
func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := seal(f, err, path); err != nil {
		os.Remove(path + ".new")
		return err
	}
	return nil
}

// seal ends the writing of a file, which gets its name once its bytes are on the
// disk. err is that of writing it.
func seal(f *os.File, err error, path string) error {
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// find gives an upload; one of before a restart is read from disk.
func (u *uploads) find(id string) (*upload, error) {
	unknown := cairn.Errorf(cairn.CodeNotFound, "there is no such upload: it was finished or given up")
	if !uploadID.MatchString(id) {
		return nil, unknown
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if up := u.live[id]; up != nil {
		return up, nil
	}
	up, err := load(filepath.Join(u.dir, id), u.most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		return nil, fileError("go on with an upload", err)
	}
	u.live[id] = up
	return up, nil
}

func load(dir string, most int64) (*upload, error) {
	up := &upload{dir: dir, most: most, blocks: map[string]int64{}}
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &up.meta); err != nil {
		return nil, fs.ErrNotExist // cut short before it was acknowledged
	}
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		if fi, err := e.Info(); err == nil && blockFile.MatchString(e.Name()) {
			up.blocks[e.Name()] = fi.Size()
			up.size.Add(fi.Size())
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "list.json")); err == nil {
		if err := json.Unmarshal(b, &up.list); err != nil {
			return nil, fs.ErrNotExist
		}
		up.listed = true
	}
	return up, nil
}

// end forgets an upload and its bytes.
func (u *uploads) end(up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	id := up.meta.id()
	if u.live[id] == up {
		delete(u.live, id)
		if err := os.RemoveAll(up.dir); err != nil {
			u.log.Warn("an upload that is stored could not be removed", "upload", id, "error", err)
		}
	}
}

// clean removes uploads that nobody went on with for a day.
func (u *uploads) clean() error {
	es, err := os.ReadDir(u.dir)
	if err != nil {
		return fileError("look into the folder of uploads", err)
	}
	for _, e := range es {
		fi, err := e.Info() // a folder is as old as its last new block
		if err != nil || u.now().Sub(fi.ModTime()) < uploadAge || !uploadID.MatchString(e.Name()) {
			continue
		}
		u.mu.Lock()
		delete(u.live, e.Name())
		err = os.RemoveAll(filepath.Join(u.dir, e.Name()))
		u.mu.Unlock()
		if err != nil {
			return fileError("remove an old upload", err)
		}
	}
	return nil
}

// commit says which blocks, in which order, the upload consists of.
func (up *upload) commit(ids []string) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.ending != nil {
		return cairn.Errorf(cairn.CodeConflict, "the upload is being stored")
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = blockName(id)
		if _, ok := up.blocks[list[i]]; !ok {
			return cairn.Errorf(cairn.CodeInvalid, "the list names a block that did not come: %.80q", id)
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(up.dir, "list.json"), text); err != nil {
		return fileError("store the list of blocks", err)
	}
	up.list, up.listed = list, true
	return nil
}

// finish runs keep once, whatever becomes of the request that asked for it: storing
// may take longer than a client waits, and then it asks again.
func (up *upload) finish(ctx context.Context, keep func(context.Context) (int64, error)) (int64, error) {
	up.mu.Lock()
	e := up.ending
	if e == nil {
		e = &ending{done: make(chan struct{})}
		up.ending = e
		work := context.WithoutCancel(ctx)
		go func() {
			defer close(e.done)
			e.id, e.err = keep(work)
			if e.err != nil {
				up.mu.Lock()
				up.ending = nil // it may be tried again
				up.mu.Unlock()
			}
		}()
	}
	up.mu.Unlock()
	select {
	case <-e.done:
		return e.id, e.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// open reads the blocks one after the other. size is what the client says that it
// sent, -1 where it says nothing.
func (up *upload) open(size int64) (io.ReadCloser, int64, error) {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.listed {
		return nil, 0, cairn.Errorf(cairn.CodeFailed, "the upload is not whole: the list of its blocks did not come")
	}
	n := int64(0)
	for _, f := range up.list {
		n += up.blocks[f]
		if n > up.most {
			return nil, 0, cairn.Errorf(cairn.CodeTooLarge, "the upload is larger than %d bytes", up.most)
		}
	}
	if size >= 0 && size != n {
		return nil, 0, cairn.Errorf(cairn.CodeFailed, "the upload is not whole: %d bytes came, the client speaks of %d", n, size)
	}
	return &blockReader{dir: up.dir, list: up.list}, n, nil
}

// blockReader has one block open at a time.
type blockReader struct {
	dir  string
	list []string
	at   *os.File
}

func (b *blockReader) Read(p []byte) (int, error) {
	for {
		if b.at == nil {
			if len(b.list) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(filepath.Join(b.dir, b.list[0]))
			if err != nil {
				return 0, fileError("read an upload", err)
			}
			b.at, b.list = f, b.list[1:]
		}
		n, err := b.at.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		b.at.Close()
		b.at = nil
	}
}

func (b *blockReader) Close() error {
	if b.at != nil {
		return b.at.Close()
	}
	return nil
}

// fileError gives errors of the file system a meaning.
func fileError(what string, err error) error {
	var known *cairn.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: the disk is full: %w", what, err).WithHint("free some space and try again")
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: %w", what, err)
	}
	return cairn.Errorf(cairn.CodeInvalid, "cannot %s: it was cut: %w", what, err)
}
