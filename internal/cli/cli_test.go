package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write golden files and docs/reference/cli.md")

// try runs a command line without an owner.
func try(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(context.Background(), Options{
		Args: append([]string{}, args...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, Dir: t.TempDir(), Version: "v1.2.3",
		Connect: unreachable, Peek: unreachable,
	})
	return code, stdout.String(), stderr.String()
}

func unreachable(context.Context) (*kit.Client, error) {
	return nil, cairn.Errorf(cairn.CodeUnavailable, "no server in this test")
}

func every(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, s := range c.Commands() {
		if s.IsAvailableCommand() {
			every(s, visit)
		}
	}
}

func testRoot() *cobra.Command {
	tm, _ := term.Test()
	return newRoot(&kit.Kit{Term: tm, Env: func(string) string { return "" }}, Options{})
}

// What every help page promises.
func TestEveryHelp(t *testing.T) {
	t.Parallel()
	every(testRoot(), func(c *cobra.Command) {
		text := kit.Help(c, term.Style{})
		for _, want := range []string{"\nUsage:\n", "\nExamples:\n", "\nExit codes:\n", "130 interrupted"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: its help has no %q", c.CommandPath(), want)
			}
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		for _, line := range strings.Split(text, "\n") {
			if n := term.VisibleWidth(line); n > 100 {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if strings.HasPrefix(line, "cairn ") {
				checkExample(t, c, line)
			}
		}
	})
}

// checkExample follows an example through the tree: its words are commands and
// its flags exist.
func checkExample(t *testing.T, from *cobra.Command, line string) {
	line, _, _ = strings.Cut(line, " <")
	line, _, _ = strings.Cut(line, " >")
	line, _, _ = strings.Cut(line, " |")
	words := strings.Fields(line)[1:]
	if words[0] == "az" {
		if err := az.Check(words[1:]); err != nil {
			t.Errorf("%s: example %q: %v", from.CommandPath(), line, err)
		}
		return
	}
	c, rest, err := from.Root().Find(words)
	if err != nil {
		t.Errorf("%s: example %q: %v", from.CommandPath(), line, err)
		return
	}
	for _, w := range rest {
		if w == "--" || !strings.HasPrefix(w, "-") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		c.InitDefaultHelpFlag()
		if c.Flags().Lookup(name) == nil && (len(name) != 1 || c.Flags().ShorthandLookup(name) == nil) {
			t.Errorf("%s: example %q: %s has no flag %s", from.CommandPath(), line, c.CommandPath(), w)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"rnu"}, 2, "error: \"rnu\" is not a command of \"cairn\"\nhint: did you mean \"cairn run\"?  (cairn --help lists them all)\n"},
		{[]string{"rerun", "7"}, 2, "error: \"rerun\" is not a command of \"cairn\"\nhint: did you mean \"cairn run rerun\"?  (cairn --help lists them all)\n"},
		{[]string{"workflow", "run", "ci.yml"}, 2, "error: \"run\" is not a command of \"cairn workflow\"\nhint: did you mean \"cairn run\"?  (cairn workflow --help lists them all)\n"},
		{[]string{"data", "shw", "x"}, 2, "error: \"shw\" is not a command of \"cairn data\"\nhint: did you mean \"cairn data show\"?  (cairn data --help lists them all)\n"},
		{[]string{"trace", "--down"}, 2, "error: REF is missing\nhint: --down says what came of something: cairn trace REF --down\n"},
		{[]string{"logs"}, 2, "error: STAGE is missing\nhint: usage: cairn logs STAGE [flags]\n"},
		{[]string{"trace", "a", "b"}, 2, "error: \"b\" is one argument too many\nhint: usage: cairn trace [REF] [flags]\n"},
		{[]string{"status", "--jsn"}, 2, "error: cairn status has no flag --jsn\nhint: did you mean --json?\n"},
		{[]string{"run", "list", "--limit", "x"}, 2, "error: --limit does not take \"x\": it wants a whole number\n"},
		{[]string{"run", "list", "--limit", "0"}, 2, "error: --limit is 0; it can be 1 to 1000\n"},
		{[]string{"run", "--workflow"}, 2, "error: --workflow needs a value\n"},
		{[]string{"status", "--json", "url"}, 2, "{\"error\":{\"code\":\"invalid\",\"message\":\"\\\"url\\\" is one argument too many\",\"hint\":\"fields are written with an equals sign: --json=url\"}}\n"},
		{[]string{"status"}, 1, "error: no server in this test\n"},
		{[]string{"status", "--json"}, 1, "{\"error\":{\"code\":\"unavailable\",\"message\":\"no server in this test\"}}\n"},
		{[]string{"serve", "--stop", "--listen", "x:1"}, 2, "error: --stop and --listen do not go together\nhint: leave one of them out\n"},
		{[]string{"serve", "--stop"}, 0, "no server runs\n"},
		{[]string{"completion", "bsh"}, 2, "error: no completion is known for \"bsh\"\nhint: did you mean bash?\n"},
		{[]string{"run", "cancel", "x"}, 2, "error: \"x\" is not a run's number\nhint: cairn run list shows them\n"},
	} {
		code, out, err := try(t, tc.args...)
		if code != tc.code || err != tc.want || out != "" {
			t.Errorf("%v: exit %d\n%s%s\nwant exit %d\n%s", tc.args, code, out, err, tc.code, tc.want)
		}
	}
}

func TestWithoutServer(t *testing.T) {
	t.Parallel()
	if code, out, err := try(t, "version", "--jq", ".version"); code != 0 || out != "v1.2.3\n" || err != "" {
		t.Errorf("%d %q %q", code, out, err)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, err := try(t, "completion", shell); code != 0 || !strings.Contains(out, "cairn") || err != "" {
			t.Errorf("%s: %d %q", shell, code, err)
		}
	}
	// Dynamic completion says nothing where no owner runs.
	if code, out, _ := try(t, "__complete", "run", "view", ""); code != 0 || !strings.HasPrefix(out, ":") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := try(t); code != 0 || !strings.HasPrefix(out, "Cairn takes a commit") {
		t.Errorf("%d %q", code, out)
	}
	if code, _, err := try(t, "run"); code == 0 || !strings.HasPrefix(err, "error: ") {
		t.Errorf("outside of a repository: %d %q", code, err)
	}
}

// TestReference keeps docs/reference/cli.md what the commands say.
func TestReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# Commands

Written from the commands themselves by ` + "`make docs`" + `; a test compares the two.

Standard output is data, standard error is talk. ` + "`--json`" + ` writes JSON, ` + "`--json=a,b`" + ` chosen fields of it,
` + "`--jq EXPRESSION`" + ` what a jq expression makes of it; errors are then one line of JSON on standard error.
` + "`NO_COLOR`, `CLICOLOR=0`" + ` and ` + "`CLICOLOR_FORCE=1`" + ` decide about colour where the terminal does not. In a pipe, in CI and
under a program that sets ` + "`AI_AGENT`" + `, progress is plain lines. The exit codes of every command:

` + "```\n" + kit.ExitCodes + "\n```\n")
	root := testRoot()
	b.WriteString("\n| command | |\n|---|---|\n")
	every(root, func(c *cobra.Command) {
		if c != root {
			anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), anchor, c.Short)
		}
	})
	every(root, func(c *cobra.Command) {
		if c == root {
			return
		}
		text := strings.TrimSpace(strings.Split(kit.Help(c, term.Style{}), "\nExit codes:")[0])
		head, rest, _ := strings.Cut(text, "\n\nUsage:")
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\nUsage:%s\n```\n", c.CommandPath(), head, rest)
	})
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/reference/cli.md is not what the commands say (%v): make docs, or go test ./internal/cli -run Reference -update", err)
	}
}

// The words that the brief of the command line promises are there.
func TestCommandsAreThere(t *testing.T) {
	t.Parallel()
	var have []string
	every(testRoot(), func(c *cobra.Command) { have = append(have, strings.TrimPrefix(c.CommandPath(), "cairn ")) })
	for _, want := range strings.Fields(`init run run/list run/view run/watch run/logs run/cancel run/rerun run/approve
		workflow/lint workflow/plan workflow/list data/create data/list data/show data/download data/tag data/label/set data/archive data/restore
		model/create model/list model/show model/download model/tag artifact/create artifact/list artifact/show artifact/download trace
		secret/set secret/list secret/delete variable/set variable/list variable/delete user/create user/list token/create token/list token/delete
		environment/set environment/list environment/delete serve status doctor fsck version completion api`) {
		if !slices.Contains(have, strings.ReplaceAll(want, "/", " ")) {
			t.Errorf("there is no cairn %s", strings.ReplaceAll(want, "/", " "))
		}
	}
}

func BenchmarkRoot(b *testing.B) {
	for b.Loop() {
		testRoot()
	}
}
