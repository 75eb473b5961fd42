package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

const (
	logLimit = 10 << 20 // bytes of a program's log before it is put aside
	logKeep  = 3        // how many are kept besides
	logsKept = 10       // deployments whose logs are kept
	tailSize = 16 << 10 // bytes that the last lines are looked for in
	tailMost = 20       // lines
)

// openLog opens the log of a program. It gets the file itself, not a pipe: what it
// prints must not depend on this process.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, diskError(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return f, diskError(err)
}

// rotateLog puts a log aside when it is long. The program goes on writing to the
// same file, so it is copied and emptied; lines that come in between are lost.
func rotateLog(path string) error {
	fi, err := os.Stat(path)
	if err != nil || fi.Size() < logLimit {
		return nil // not there yet, or short
	}
	for i := logKeep - 1; i > 0; i-- {
		_ = os.Rename(path+"."+strconv.Itoa(i), path+"."+strconv.Itoa(i+1)) // the first times there is none
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	// The log is emptied also where the disk has no room for the copy: it is what
	// fills it.
	return errors.Join(err, out.Close(), os.Truncate(path, 0))
}

// tail gives the last lines of a log that were written from an offset on.
func tail(path string, from int64) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	if from > size {
		from = 0 // it was put aside meanwhile
	}
	at := max(from, size-tailSize)
	b, err := io.ReadAll(io.NewSectionReader(f, at, size-at))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(strings.ToValidUTF8(string(b), "\uFFFD"), "\n"), "\n")
	if at > from && len(lines) > 1 {
		lines = lines[1:] // the first one is not whole
	}
	lines = lines[max(0, len(lines)-tailMost):]
	for i, l := range lines {
		lines[i] = clip(strings.TrimRight(l, "\r"), 500)
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// dropLogs removes the logs of all but the newest deployments and those in use.
func (l layout) dropLogs(used ...cairn.DeploymentID) {
	es, err := os.ReadDir(l.logs())
	if err != nil {
		return
	}
	files := map[cairn.DeploymentID][]string{}
	for _, e := range es {
		head, _, _ := strings.Cut(e.Name(), ".")
		if n, err := strconv.ParseInt(head, 10, 64); err == nil {
			files[cairn.DeploymentID(n)] = append(files[cairn.DeploymentID(n)], e.Name())
		}
	}
	var ids []cairn.DeploymentID
	for id := range files {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids[:max(0, len(ids)-logsKept)] {
		if slices.Contains(used, id) {
			continue
		}
		for _, name := range files[id] {
			os.Remove(filepath.Join(l.logs(), name)) // one that stays goes next time
		}
	}
}

// note writes a line of Cairn's own into a log.
func note(f *os.File, format string, args ...any) {
	_, _ = fmt.Fprintf(f, "cairn: "+format+"\n", args...) // the log is for people; the program runs without it
}
