package runner

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

type bufferFile struct{ bytes.Buffer }

func (*bufferFile) Close() error { return nil }

// The bound of a log holds for output without line feeds as well, and what is
// said at the end stands on a line of its own.
func TestLogWithoutLinesIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for name, chunk := range map[string]string{"one line": strings.Repeat("x", 1000), "lines": strings.Repeat("y", 99) + "\n"} {
		var f bufferFile
		l := newStepLog(&f, NewMasks(), func() time.Time { return time.Unix(0, 0) }, limit)
		for range 1000 {
			l.Write([]byte(chunk))
		}
		size, err := l.close()
		if err != nil || size != int64(f.Len()) || size > limit+maxLine+2000 {
			t.Errorf("%s: %d bytes, %d in the file: %v", name, size, f.Len(), err)
		}
		lines := strings.Split(strings.TrimSuffix(f.String(), "\n"), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "1970-01-01T00:00:00.0000000Z ##[warning]the log was cut: ") {
			t.Errorf("%s: ends in %.100q", name, last)
		}
	}
}
