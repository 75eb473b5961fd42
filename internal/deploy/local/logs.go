package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	if err := before(f, path, r.Lines, w); err != nil {
		return err
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

// putAside is how many earlier parts of a log the stage's process keeps.
const putAside = 9

// before moves f to where the last lines begin (0: all) and writes those that lie
// in parts that were put aside when the log grew too long: path.1, path.2 and so on.
func before(f *os.File, path string, lines int, w io.Writer) error {
	all := lines == 0
	if !all {
		var err error
		if lines, err = lastLines(f, lines); err != nil {
			return err
		}
	}
	var parts []*os.File
	defer func() {
		for _, p := range parts {
			p.Close()
		}
	}()
	for i := 1; i <= putAside && (all || lines > 0); i++ {
		p, err := os.Open(path + "." + strconv.Itoa(i))
		if err != nil {
			break // there is none so old
		}
		parts = append(parts, p)
		if !all {
			if lines, err = lastLines(p, lines); err != nil {
				return err
			}
		}
	}
	for _, p := range slices.Backward(parts) {
		if _, err := io.Copy(w, p); err != nil {
			return err
		}
	}
	return nil
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
