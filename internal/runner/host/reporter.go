package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/cairn-ml/cairn"
)

// reserveSize is kept free for the last reports of a job that fills the disk.
const reserveSize = 256 << 10

// reporter appends reports to the job's event file and opens its logs.
type reporter struct {
	l    layout
	f    *os.File
	size int64 // of the event file's whole lines
}

func newReporter(l layout) (*reporter, error) {
	f, err := os.OpenFile(l.events(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	// A disk too full for the reserve fails the job where it needs the space.
	if r, err := os.OpenFile(l.reserve(), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = allocate(r, reserveSize)
		r.Close()
	}
	return &reporter{l: l, f: f, size: fi.Size()}, nil
}

// Report appends reports and returns once they are on the disk.
func (r *reporter) Report(rs ...cairn.Report) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for i := range rs {
		if err := enc.Encode(&rs[i]); err != nil {
			return err
		}
	}
	err := r.append(buf.Bytes())
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		os.Remove(r.l.reserve())
		err = r.append(buf.Bytes())
	}
	return err
}

// append writes all of b or nothing: half a line would join with the next.
func (r *reporter) append(b []byte) error {
	_, err := r.f.Write(b)
	if err == nil {
		err = r.f.Sync()
	}
	if err != nil {
		_ = r.f.Truncate(r.size)
		return err
	}
	r.size += int64(len(b))
	return nil
}

// Log opens the log of a step.
func (r *reporter) Log(step int) (io.WriteCloser, error) {
	return os.OpenFile(r.l.log(step), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (r *reporter) close() {
	r.f.Close()
	os.Remove(r.l.reserve())
}
