package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

const followEvery = 100 * time.Millisecond

// Logs writes lines of a deployment's output.
func (t *Target) Logs(ctx context.Context, s cairn.Stage, r deploy.LogRequest, w io.Writer) error {
	d := r.Deployment
	if d == 0 {
		d = s.Live
	}
	if d == 0 {
		return cairn.Errorf(cairn.CodeNotFound, "nothing is live on the stage %s: it writes no log", s.Name)
	}
	path := filepath.Join(string(t.folder(s.ID)), "logs", strconv.FormatInt(int64(d), 10)+".log")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cairn.Errorf(cairn.CodeNotFound, "deployment %d has no log on this machine", d)
	}
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	old, err := os.Open(path + ".1") // what was put aside when it grew too long
	if err == nil {
		defer old.Close()
	}
	if r.Lines > 0 {
		missing, err := lastLines(f, r.Lines)
		if err != nil {
			return err
		}
		if old != nil && missing > 0 {
			if _, err = lastLines(old, missing); err != nil {
				return err
			}
		} else {
			old = nil
		}
	}
	if old != nil {
		if _, err := io.Copy(w, old); err != nil {
			return err
		}
	}
	for {
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		if !r.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		if f, err = again(f, path, w); err != nil {
			return err
		}
	}
}

// again gives the file that is written to now, once the rest of the one before is
// read.
func again(f *os.File, path string, w io.Writer) (*os.File, error) {
	now, err := os.Stat(path)
	if err != nil {
		return f, nil // between two files
	}
	was, err := f.Stat()
	if err != nil {
		return f, err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return f, err
	}
	if os.SameFile(now, was) {
		if now.Size() < at { // it was cut
			_, err = f.Seek(0, io.SeekStart)
		}
		return f, err
	}
	if _, err := io.Copy(w, f); err != nil {
		return f, err
	}
	next, err := os.Open(path)
	if err != nil {
		return f, nil
	}
	return next, f.Close()
}

// lastLines moves to the beginning of the last n lines and returns how many there
// were too few.
func lastLines(f *os.File, n int) (missing int, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	lines := 0
	for end := size; end > 0; {
		from := max(0, end-int64(len(buf)))
		b := buf[:end-from]
		if _, err := f.ReadAt(b, from); err != nil {
			return 0, err
		}
		if end == size && b[len(b)-1] == '\n' {
			b = b[:len(b)-1]
		}
		for len(b) > 0 {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			if lines++; lines == n {
				_, err := f.Seek(from+int64(i)+1, io.SeekStart)
				return 0, err
			}
			b = b[:i]
		}
		end = from
	}
	if size > 0 {
		lines++ // the first one
	}
	_, err = f.Seek(0, io.SeekStart)
	return n - lines, err
}
