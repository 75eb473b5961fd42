package access

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

func newKit(t *testing.T, stdin string) *kit.Kit {
	tm, b := term.Test()
	b.In.WriteString(stdin)
	return &kit.Kit{Term: tm, Env: func(string) string { return "" }, Dir: t.TempDir(), Now: time.Now}
}

// A secret that is typed as an argument is refused before anything else, and
// the message does not repeat it.
func TestSecretIsNoArgument(t *testing.T) {
	t.Parallel()
	k := newKit(t, "")
	cmd := NewSecret(k)
	k.Install(cmd)
	cmd.SetArgs([]string{"set", "TOKEN", "hunter2"})
	err := cmd.Execute()
	if kit.ExitCode(err) != kit.ExitUsage || strings.Contains(err.Error()+cairn.AsError(err).Hint, "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"x": "x", "x\n": "x", "x\r\n": "x", "a\nb\n\n": "a\nb\n", " s ": " s "} {
		if got, err := body(newKit(t, in), "", "value"); err != nil || got != want {
			t.Errorf("%q -> %q, %v", in, got, err)
		}
	}
	for in, code := range map[string]cairn.Code{"": cairn.CodeInvalid, "\n": cairn.CodeInvalid, strings.Repeat("x", maxValue+1): cairn.CodeTooLarge} {
		if _, err := body(newKit(t, in), "", "value"); cairn.CodeOf(err) != code {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"client_secret": "CLIENT_SECRET", "A1": "A1", "_x": "_X"} {
		if got, err := checkName(in); err != nil || got != want {
			t.Errorf("%s -> %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1A", "A-B", "A B", "GITHUB_TOKEN", "github_x", strings.Repeat("A", 101), "É"} {
		if _, err := checkName(in); kit.ExitCode(err) != kit.ExitUsage {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	if got := rules(&cairn.Environment{}); got != "nobody need approve" {
		t.Error(got)
	}
	e := cairn.Environment{Reviewers: []string{"ana", "ben"}, Branches: []string{"main"}, Wait: 10 * time.Minute, AllowDirty: true}
	if got := rules(&e); got != "approved by ana or ben; from main; after 10m0s; uncommitted code allowed" {
		t.Error(got)
	}
}
