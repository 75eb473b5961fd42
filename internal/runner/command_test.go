package runner

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	p := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		line string
		want Command
		ok   bool
	}{
		{"::error::boom", Command{Name: "error", Data: "boom"}, true},
		{"  ::warning file=a.py,line=3,col=4,endColumn=9,title=Oh%3A no%2C%25::it%0Abroke%250A", Command{Name: "warning",
			Props: p("file", "a.py", "line", "3", "col", "4", "endcolumn", "9", "title", "Oh: no,%"), Data: "it\nbroke%0A"}, true},
		{"::set-output name=x::a::b", Command{Name: "set-output", Props: p("name", "x"), Data: "a::b"}, true},
		{"::ERROR::x", Command{Name: "error", Data: "x"}, true},
		{"##[error]old%5D%3B style", Command{Name: "error", Data: "old]; style"}, true},
		{"##[set-output name=x;]v", Command{Name: "set-output", Props: p("name", "x"), Data: "v"}, true},
		{"::stop-token::", Command{Name: "stop-token"}, true},
		{"::unknown::x", Command{}, false},
		{"text ::error::x", Command{}, false},
		{"::error", Command{}, false},
		{"##[error", Command{}, false},
		{"", Command{}, false},
		{"::endgroup::\r", Command{Name: "endgroup"}, true},
	} {
		got, ok := ParseCommand(c.line, "stop-token")
		if ok != c.ok || got.Name != c.want.Name || got.Data != c.want.Data || !maps.Equal(got.Props, c.want.Props) {
			t.Errorf("%q: got %+v %v, want %+v %v", c.line, got, ok, c.want, c.ok)
		}
	}
}

type closer struct{ *bytes.Buffer }

func (closer) Close() error { return nil }

// untimed takes the time off each line of a log.
func untimed(t interface{ Errorf(string, ...any) }, log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		at, rest, _ := strings.Cut(line, " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			t.Errorf("no time: %q", line)
		}
		b.WriteString(rest)
	}
	return b.String()
}

// TestOutputChunks shows that commands are found and text is kept however the
// output is cut into pieces.
func TestOutputChunks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{
			"plain", "", ":", "::", "::error::a", "  ::error::b", "##[error]c", "##", "x ::error::no", "::nope::", ":: error::",
			strings.Repeat("long", 30),
		}), 0, 8).Draw(t, "lines")
		text := strings.Join(lines, "\n")
		var wantText []string
		var wantCmds []string
		for _, l := range lines {
			if c, ok := ParseCommand(l, ""); ok {
				wantCmds = append(wantCmds, c.Data)
			} else {
				wantText = append(wantText, l)
			}
		}
		var buf bytes.Buffer
		log := newStepLog(closer{&buf}, NewMasks(), time.Now, 0)
		var cmds []string
		out := &output{log: log, do: func(c Command, _ string) { cmds = append(cmds, c.Data) }}
		rest := []byte(text)
		for len(rest) > 0 {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			if _, err := out.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		out.flush()
		if _, err := log.close(); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimRight(untimed(t, buf.String()), "\n")
		if want := strings.TrimRight(strings.Join(wantText, "\n"), "\n"); got != want {
			t.Fatalf("text %q: got %q, want %q", text, got, want)
		}
		if strings.Join(cmds, "|") != strings.Join(wantCmds, "|") {
			t.Fatalf("text %q: commands %q, want %q", text, cmds, wantCmds)
		}
	})
}

func TestStopCommands(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := newStepLog(closer{&buf}, NewMasks(), time.Now, 0)
	var cmds []string
	out := &output{log: log, do: func(c Command, _ string) { cmds = append(cmds, c.Data) }}
	for _, l := range []string{"::error::1", "::stop-commands::error", "::error::2", "::stop-commands::tok3n", "::error::no", "::tok3n::", "::error::3"} {
		if _, err := out.Write([]byte(l + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	out.flush()
	_, _ = log.close()
	if strings.Join(cmds, "") != "123" {
		t.Errorf("commands: %q", cmds)
	}
	if got := untimed(t, buf.String()); !strings.Contains(got, "\n::error::no\n") {
		t.Errorf("log: %s", got)
	}
}

func TestProgressIsShownAtOnce(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := newStepLog(closer{&buf}, NewMasks(), time.Now, 0)
	out := &output{log: log}
	if _, err := out.Write([]byte("10%\r20%")); err != nil {
		t.Fatal(err)
	}
	if got := untimed(t, buf.String()); got != "10%\r20%" {
		t.Errorf("log: %q", got)
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := newStepLog(closer{&buf}, NewMasks(), time.Now, 1000)
	for range 1000 {
		_, _ = log.Write([]byte("some line of text\n"))
	}
	size, err := log.close()
	if err != nil || size != int64(buf.Len()) || size > 1300 {
		t.Errorf("size %d, %v", size, err)
	}
	if !strings.Contains(buf.String(), "the log was cut: ") {
		t.Error("the log does not say that it was cut")
	}
}

func BenchmarkStepLog(b *testing.B) {
	m := NewMasks()
	m.Add("some-secret-value-1234")
	line := []byte("2024-01-01 epoch 12 loss=0.1234 accuracy=0.9876 some more words of a usual log line\n")
	text := bytes.Repeat(line, 400)
	var buf bytes.Buffer
	out := &output{log: newStepLog(closer{&buf}, m, time.Now, 0)}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf.Reset()
		if _, err := out.Write(text); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"::error file=a.py,line=3::no%0Aline", "##[group]x", "::add-mask::s3cret", "  ::set-output name=a::b", "::stop-commands::t", "::t::", "::::", "##[]", "::notice ::%25%0D"} {
		f.Add(s, "t")
	}
	f.Fuzz(func(t *testing.T, line, token string) {
		c, ok := ParseCommand(line, token)
		if !ok {
			return
		}
		if c.Name != token && !knownCommand(c.Name) {
			t.Fatalf("%q gave the command %q", line, c.Name)
		}
		if !mayBeCommand([]byte(line)) {
			t.Fatalf("%q is a command, but the log does not hold it back", line)
		}
		// What is read in one piece is read the same in any other.
		var whole, pieces bytes.Buffer
		for _, o := range []struct {
			buf *bytes.Buffer
			cut int
		}{{&whole, len(line)}, {&pieces, len(line) / 2}} {
			out := &output{log: newStepLog(closer{o.buf}, NewMasks(), func() time.Time { return time.Unix(0, 0) }, 0)}
			out.do = func(c Command, raw string) { out.log.line("<%s %v %q>", c.Name, c.Props, c.Data) }
			for _, p := range []string{line[:o.cut], line[o.cut:], "\n"} {
				_, _ = out.Write([]byte(p))
			}
			out.flush()
			_, _ = out.log.close()
		}
		if !bytes.Equal(whole.Bytes(), pieces.Bytes()) {
			t.Fatalf("%q: %q in one piece, %q in two", line, whole.String(), pieces.String())
		}
	})
}
