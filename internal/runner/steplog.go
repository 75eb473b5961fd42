package runner

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// logTime is the form of the time before each line: RFC 3339, UTC, seven digits.
const logTime = "2006-01-02T15:04:05.0000000Z"

// maxLine is how much of a line is held to see whether it is a command.
const maxLine = 64 << 10

// DefaultMaxLog bounds the log of one step. What comes after is counted, not kept.
const DefaultMaxLog = 512 << 20

// stepLog is the log of one step: text is masked, each line gets its time, and
// the file never sees anything else. It is safe for use by several goroutines.
type stepLog struct {
	mu    sync.Mutex
	mask  *MaskWriter
	stamp *stampWriter
	file  io.WriteCloser
	// newLine is whether the next byte begins a line.
	newLine bool
}

func newStepLog(file io.WriteCloser, masks *Masks, now func() time.Time, limit int64) *stepLog {
	st := &stampWriter{w: file, now: now, atStart: true, limit: limit}
	return &stepLog{mask: NewMaskWriter(st, masks), stamp: st, file: file, newLine: true}
}

// Write appends raw text.
func (l *stepLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(p)
	return len(p), nil // a full disk is kept in stamp.err and fails the step at its end
}

func (l *stepLog) write(p []byte) {
	if len(p) == 0 {
		return
	}
	_, _ = l.mask.Write(p)
	l.newLine = p[len(p)-1] == '\n'
}

// line appends one line, beginning a new one if needed.
func (l *stepLog) line(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.newLine {
		l.write([]byte{'\n'})
	}
	l.write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// close ends the log and returns its size and the first error of writing it.
func (l *stepLog) close() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.newLine {
		l.write([]byte{'\n'})
	}
	_ = l.mask.Flush()
	if over := l.stamp.dropped; over > 0 && l.stamp.err == nil {
		l.stamp.limit = 0
		if !l.stamp.atStart {
			_, _ = l.stamp.Write([]byte{'\n'})
		}
		fmt.Fprintf(l.stamp, "##[warning]the log was cut: %s more were printed\n", sizeText(over))
	}
	if err := l.file.Close(); err != nil && l.stamp.err == nil {
		l.stamp.err = err
	}
	return l.stamp.size, l.stamp.err
}

// stampWriter puts the time before each line and writes each chunk at once.
type stampWriter struct {
	w       io.Writer
	now     func() time.Time
	atStart bool
	buf     []byte
	size    int64
	limit   int64 // 0: none
	dropped int64
	err     error
}

// Write appends p with times.
func (s *stampWriter) Write(p []byte) (int, error) {
	n := len(p)
	if s.err != nil {
		s.dropped += int64(n)
		return n, nil
	}
	// The last line is let in to its end, unless it has none.
	if s.limit > 0 && s.size >= s.limit && (s.atStart || s.size >= s.limit+maxLine) {
		s.dropped += int64(n)
		return n, nil
	}
	buf := s.buf[:0]
	var now []byte
	for len(p) > 0 {
		if s.atStart {
			if now == nil {
				now = s.now().UTC().AppendFormat(make([]byte, 0, len(logTime)+1), logTime)
				now = append(now, ' ')
			}
			buf = append(buf, now...)
		}
		i := bytes.IndexByte(p, '\n') + 1
		if s.atStart = i > 0; !s.atStart {
			i = len(p)
		}
		buf = append(buf, p[:i]...)
		p = p[i:]
	}
	s.buf = buf
	m, err := s.w.Write(buf)
	s.size += int64(m)
	if err != nil {
		s.err = err
	}
	return n, nil
}

// output reads what the processes of a step print: commands are carried out,
// the rest is logged.
type output struct {
	mu      sync.Mutex
	log     *stepLog
	do      func(c Command, raw string) // nil: nothing is a command
	token   string                      // that ends stop-commands; "" when commands are on
	partial []byte                      // the beginning of a line that may be a command
	inLine  bool                        // the beginning of the line was logged already
	tail    []byte                      // the last part of what was printed, for hints
	match   *matching                   // nil: lines are not matched
	lines   bool                        // there are matchers: lines are looked at whole
}

const maxTail = 8 << 10

// Write takes in a chunk of output.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	o.keepTail(p)
	o.lines = o.match != nil && o.match.sync()
	// Lines that are no commands are given on together.
	plain := 0
	give := func(upTo int) {
		if upTo > plain {
			_, _ = o.log.Write(p[plain:upTo])
		}
	}
	at := 0
	for at < len(p) {
		end := bytes.IndexByte(p[at:], '\n')
		whole := end >= 0
		if whole {
			end += at + 1
		} else {
			end = len(p)
		}
		part := p[at:end]
		switch {
		case len(o.partial) > 0:
			o.partial = append(o.partial, part...)
			give(at)
			plain = end
			if whole || len(o.partial) > maxLine || !o.holds(o.partial) {
				line := o.partial
				o.partial = nil
				o.finish(line, whole)
			}
		case !o.inLine && o.holds(part):
			give(at)
			plain = end
			if whole {
				o.finish(part, true)
			} else {
				o.partial = append(o.partial, part...)
			}
		default:
			o.inLine = !whole
		}
		at = end
	}
	give(len(p))
	return n, nil
}

// finish handles a line that looked like a command.
func (o *output) finish(line []byte, whole bool) {
	o.inLine = !whole
	if whole && o.do != nil {
		if c, ok := ParseCommand(string(line), o.token); ok && o.command(c, string(line)) {
			// It may have been the one that adds a matcher for the very next line.
			o.lines = o.match != nil && o.match.sync()
			return
		}
	}
	if whole && o.lines && o.match.line(string(line)) {
		return
	}
	_, _ = o.log.Write(line)
}

// holds reports whether a line that begins so is kept until it is whole.
func (o *output) holds(line []byte) bool { return o.lines || mayBeCommand(line) }

// command carries out c, or returns false when the line is text.
func (o *output) command(c Command, raw string) bool {
	switch {
	case o.token != "" && c.Name == o.token:
		o.token = ""
		o.log.line("%s", strings.TrimRight(raw, "\r\n"))
		return true
	case o.token != "":
		return false
	case c.Name == "stop-commands":
		o.log.line("%s", strings.TrimRight(raw, "\r\n"))
		if weakStopToken(c.Data) {
			o.log.line("##[error]Invalid token %q for stop-commands: it could be printed by chance", c.Data)
			return true
		}
		o.token = c.Data
		return true
	}
	o.do(c, strings.TrimRight(raw, "\r\n"))
	return true
}

// flush ends the output: what was held is text, or a last command without newline.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line := o.partial; len(line) > 0 {
		o.partial = nil
		o.finish(line, true)
		o.inLine = false
	}
}

func (o *output) keepTail(p []byte) {
	if len(p) > maxTail {
		p = p[len(p)-maxTail:]
	}
	if len(o.tail)+len(p) > 2*maxTail {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-maxTail:]...)
	}
	o.tail = append(o.tail, p...)
}

// mayBeCommand reports whether a line that begins so can be a command.
func mayBeCommand(line []byte) bool {
	for len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		line = line[1:]
	}
	for _, p := range []string{"::", "##["} {
		if n := min(len(p), len(line)); string(line[:n]) == p[:n] {
			return true
		}
	}
	return false
}
