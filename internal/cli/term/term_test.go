package term

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func env(kv ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestColor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		tty, robot bool
		env        func(string) string
		want       bool
	}{
		{"terminal", true, false, env(), true},
		{"pipe", false, false, env(), false},
		{"NO_COLOR", true, false, env("NO_COLOR", "1"), false},
		{"NO_COLOR beats force", true, false, env("NO_COLOR", "1", "CLICOLOR_FORCE", "1"), false},
		{"forced into a pipe", false, false, env("CLICOLOR_FORCE", "1"), true},
		{"force off", false, false, env("CLICOLOR_FORCE", "0"), false},
		{"CLICOLOR=0", true, false, env("CLICOLOR", "0"), false},
		{"CLICOLOR=1 does not colour a pipe", false, false, env("CLICOLOR", "1"), false},
		{"dumb", true, false, env("TERM", "dumb"), false},
		{"robot", true, true, env(), false},
	} {
		if got := color(tc.tty, tc.robot, tc.env); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestRobotAndWidth(t *testing.T) {
	t.Parallel()
	for _, name := range robotVars() {
		if tm := New(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, env(name, "1")); !tm.Robot || tm.Live() || tm.CanAsk() {
			t.Errorf("%s does not mean plain output", name)
		}
	}
	if New(nil, nil, nil, env("CI", "false")).Robot {
		t.Error("CI=false is no CI")
	}
	for cols, want := range map[string]int{"": 80, "120": 120, "5": 80, "x": 80, "99999": 80} {
		if got := New(nil, nil, nil, env("COLUMNS", cols)).Width(); got != want {
			t.Errorf("COLUMNS=%q: %d", cols, got)
		}
	}
	for want, e := range map[bool]func(string) string{true: env(), false: env("LC_ALL", "C", "LANG", "de_DE.UTF-8")} {
		if got := unicode(e); got != want {
			t.Errorf("unicode %v", got)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	tm, b := Test()
	tm.ColorOut = true
	tb := tm.NewTable("RUN", "STATUS", "TITLE")
	tb.Row("1", tm.OutStyle().Green("✓ success"), strings.Repeat("long ", 30))
	tb.Row("12", "running", "")
	if err := tb.Write(); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[2mRUN  STATUS     TITLE\x1b[0m\n1    \x1b[32m✓ success\x1b[0m  " + strings.TrimSpace(strings.Repeat("long ", 30)) + "\n12   running\n"
	if got := b.Out.String(); got != want {
		t.Errorf("piped: %q\nwant %q", got, want)
	}
	b.Out.Reset()
	tm.OutTTY = true
	tm.SetWidth(30)
	_ = tb.Write()
	for _, l := range strings.Split(b.Out.String(), "\n") {
		if VisibleWidth(l) > 30 {
			t.Errorf("wider than the window: %q", l)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0s", 400 * time.Microsecond: "0s", 12 * time.Millisecond: "12ms", 1234 * time.Millisecond: "1.2s", 59 * time.Second: "59s", 185 * time.Second: "3m05s", 130 * time.Minute: "2h10m", -1: "0s"} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %s", d, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_234_567: "1.2 MB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{time.Second: "just now", 3 * time.Minute: "3m ago", 30 * time.Hour: "30h ago", 72 * time.Hour: "3d ago", 2000 * time.Hour: "2026-02-07"} {
		if got := Since(now.Add(-d), now); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
	if w := Word(cairn.StatusCompleted, cairn.TimedOut); w != "timed out" {
		t.Error(w)
	}
	if w := Word(cairn.StatusQueued, ""); w != "queued" {
		t.Error(w)
	}
}

// Whatever somebody else wrote, nothing of it moves the cursor.
func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ✓":                  "plain ✓",
		"a\x1b[2J\x1b]0;title\ab":  "a]0;titleb",
		"a\r\nb\x00":               "ab",
		"user\u202egnp.exe\u2066x": "usergnp.exex",
		"tab\tstays":               "tab\tstays",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q -> %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if strings.ContainsAny(Clean(s), "\x1b\r\n\x00\x07\b") {
			t.Fatalf("%q", Clean(s))
		}
	})
}

func TestClip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"abc", "é✓", "\x1b[31mred\x1b[0m", " "}), 0, 20).Draw(t, "words")
		s, n := strings.Join(words, ""), rapid.IntRange(2, 40).Draw(t, "n")
		got := Clip(s, n)
		if VisibleWidth(got) > n {
			t.Fatalf("%q is wider than %d", got, n)
		}
		if VisibleWidth(s) <= n && got != s {
			t.Fatalf("%q was clipped to %q", s, got)
		}
	})
}
