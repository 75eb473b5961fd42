package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/cairn-ml/cairn"
)

const (
	reportChunk = 1 << 20  // bytes of reports read at once
	maxReport   = 64 << 20 // bytes of one report
)

// Reports reads the whole lines of the job's event file from an offset.
func (b *Backend) Reports(_ context.Context, job cairn.Job, from int64) ([]cairn.Report, int64, error) {
	l := jobLayout(b.o.Home, job.ID, job.Epoch)
	f, err := os.Open(l.events())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, from, nil
	}
	if err != nil {
		return nil, from, err
	}
	defer f.Close()
	buf, err := wholeLines(f, from)
	if err != nil || len(buf) == 0 {
		return nil, from, err
	}
	var out []cairn.Report
	for line := range bytes.Lines(buf) {
		var r cairn.Report
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, from, cairn.Errorf(cairn.CodeInternal, "%s is damaged after byte %d: %w", l.events(), from, err)
		}
		out = append(out, r)
	}
	return out, from + int64(len(buf)), nil
}

// wholeLines reads some lines from an offset on: at least one, if there is a
// whole one.
func wholeLines(f *os.File, from int64) ([]byte, error) {
	for size := int64(reportChunk); size <= maxReport; size *= 4 {
		buf, err := io.ReadAll(io.NewSectionReader(f, from, size))
		if err != nil {
			return nil, err
		}
		if end := bytes.LastIndexByte(buf, '\n') + 1; end > 0 || int64(len(buf)) < size {
			return buf[:end], nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeTooLarge, "a report is longer than %d bytes", maxReport)
}

// Logs reads up to limit bytes of a step's log from an offset on, and the offset
// behind them. A log that does not exist (yet) is empty. Bytes are answered as
// they are: the last line may be unfinished.
func (b *Backend) Logs(_ context.Context, job cairn.Job, step int, offset int64, limit int) ([]byte, int64, error) {
	if offset < 0 || limit < 0 {
		return nil, offset, cairn.Errorf(cairn.CodeInvalid, "offset and limit must not be negative")
	}
	f, err := os.Open(jobLayout(b.o.Home, job.ID, job.Epoch).log(step))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, offset, nil
	}
	if err != nil {
		return nil, offset, err
	}
	defer f.Close()
	buf := make([]byte, min(limit, 16<<20))
	n, err := f.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buf[:n], offset + int64(n), err
}

// LogSize is how many bytes a step's log has so far.
func (b *Backend) LogSize(job cairn.Job, step int) int64 {
	fi, err := os.Stat(jobLayout(b.o.Home, job.ID, job.Epoch).log(step))
	if err != nil {
		return 0
	}
	return fi.Size()
}

// LogPath is the file of a step's log, for sealing it once the job is over.
func (b *Backend) LogPath(job cairn.Job, step int) string {
	return jobLayout(b.o.Home, job.ID, job.Epoch).log(step)
}
