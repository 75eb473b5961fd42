package kit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write golden files")

func newKit(t *testing.T) (*Kit, *term.Buffers) {
	tm, b := term.Test()
	return &Kit{Term: tm, Env: func(string) string { return "" }, Dir: t.TempDir()}, b
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, errs := range map[int][]error{
		0:   {nil},
		1:   {errors.New("x"), cairn.Errorf(cairn.CodeFailed, "x"), cairn.Errorf(cairn.CodeConflict, "x"), cairn.Errorf(cairn.CodeInternal, "x")},
		2:   {cairn.Errorf(cairn.CodeInvalid, "x"), fmt.Errorf("wrapped: %w", cairn.Errorf(cairn.CodeInvalid, "x")), Exit(2)},
		4:   {cairn.Errorf(cairn.CodeForbidden, "x"), cairn.Errorf(cairn.CodeUnauthenticated, "x")},
		5:   {cairn.Errorf(cairn.CodeNotFound, "x")},
		8:   {cairn.Errorf(cairn.CodePending, "x"), Exit(8)},
		130: {context.Canceled, cairn.Errorf(cairn.CodeCanceled, "x")},
	} {
		for _, err := range errs {
			if got := ExitCode(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	k, b := newKit(t)
	if err := os.WriteFile(filepath.Join(k.Dir, "a.yml"), []byte("name: A\n\tjbs:\n  a: {}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	show := func(err error) { k.ShowError(err); b.Err.WriteString("--\n") }
	show(cairn.Errorf(cairn.CodeInvalid, "nothing more to say"))
	show(cairn.Errorf(cairn.CodeInvalid, "unknown key").At(cairn.Position{File: "a.yml", Line: 2, Column: 2, EndColumn: 5}).WithHint("did you mean jobs?"))
	show(cairn.Errorf(cairn.CodeInvalid, "beyond the line").At(cairn.Position{File: "a.yml", Line: 1, Column: 99}))
	show(cairn.Errorf(cairn.CodeInvalid, "no such file").At(cairn.Position{File: "b.yml", Line: 1, Column: 1}))
	show(cairn.Errorf(cairn.CodeInvalid, "text\x1b[2J of others"))
	show(&cairn.Error{Code: cairn.CodeFailed, Message: "it cannot run", Problems: []cairn.Problem{
		{Position: cairn.Position{File: "w.yml", Line: 12, Column: 7, EndColumn: 12}, Severity: cairn.SeverityError, Code: "x.y", Message: "bad", Hint: "mend it", Snippet: "      bad: 1"},
		{Severity: cairn.SeverityWarning, Message: "everywhere"},
	}})
	var b2 strings.Builder
	RenderProblems(&b2, k.Term.ErrStyle(), []cairn.Problem{
		{Position: cairn.Position{File: "w.yml", Line: 1, Column: 9, EndColumn: 12}, Message: "after é", Snippet: "naïve: ébad x"},
		{Position: cairn.Position{File: "w.yml", Line: 1, Column: 301, EndColumn: 304}, Message: "far right", Snippet: strings.Repeat("x", 300) + "bad" + strings.Repeat("y", 300)},
	})
	b.Err.WriteString(b2.String())
	show(context.Canceled)
	show(Exit(1))
	k.WantJSON()
	show(cairn.Errorf(cairn.CodeNotFound, "no <run> 7").WithHint("cairn run list"))
	clitest.Golden(t, *update, "errors.txt", b.Err.String())
}

// The line of an env file may be a secret: it is never shown.
func TestEnvFileIsNotShown(t *testing.T) {
	t.Parallel()
	k, b := newKit(t)
	if err := os.WriteFile(filepath.Join(k.Dir, ".env"), []byte("TOKEN='hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.ShowError(cairn.Errorf(cairn.CodeInvalid, "never closed").At(cairn.Position{File: ".env", Line: 1, Column: 7}))
	if strings.Contains(b.Err.String(), "hunter2") {
		t.Error(b.Err.String())
	}
}

type item struct {
	cairn.Position
	ID   int               `json:"id"`
	Name string            `json:"name,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
	note string
}

func runJSON(t *testing.T, v any, args ...string) (string, error) {
	k, b := newKit(t)
	cmd := &cobra.Command{Use: "x"}
	k.Install(cmd)
	out := k.JSONFlags(cmd, item{})
	cmd.RunE = func(*cobra.Command, []string) error { return out.Write(v) }
	cmd.SetArgs(args)
	err := cmd.Execute()
	return b.Out.String(), err
}

func TestJSON(t *testing.T) {
	t.Parallel()
	items := []item{{ID: 1, Name: "a<b", note: "-"}, {ID: 1 << 53, Tags: map[string]string{"k": "v"}}}
	for _, tc := range []struct {
		v    any
		args []string
		want string
	}{
		{items, []string{"--json=name,id"}, "[\n  {\n    \"name\": \"a<b\",\n    \"id\": 1\n  },\n  {\n    \"name\": null,\n    \"id\": 9007199254740992\n  }\n]\n"},
		{items[0], []string{"--json"}, "{\n  \"id\": 1,\n  \"name\": \"a<b\"\n}\n"},
		{[]item(nil), []string{"--json"}, "[]\n"},
		{items, []string{"--jq", ".[].id"}, "1\n9007199254740992\n"},
		{items, []string{"--jq", ".[0].name"}, "a<b\n"},
		{items, []string{"--json=id", "--jq", ".[0]"}, "{\"id\":1}\n"},
		{items, []string{"--json=file"}, "[\n  {\n    \"file\": null\n  },\n  {\n    \"file\": null\n  }\n]\n"},
	} {
		got, err := runJSON(t, tc.v, tc.args...)
		if err != nil || got != tc.want {
			t.Errorf("%v: %v\n%s\nwant:\n%s", tc.args, err, got, tc.want)
		}
	}
	for arg, want := range map[string]string{
		"--json=nme":    `"nme" is not a field of this command's JSON`,
		"--jq=.[":       `--jq: ".[" is not a jq expression`,
		"--jq=.a.b.c.d": `--jq: expected an object but got: array`,
	} {
		_, err := runJSON(t, items, arg)
		if err == nil || !strings.HasPrefix(err.Error(), want) || ExitCode(err) != ExitUsage {
			t.Errorf("%s: %v", arg, err)
		}
	}
	_, err := runJSON(t, items, "--json=nme")
	if hint := cairn.AsError(err).Hint; hint != "did you mean name? fields: file, line, column, end_column, id, name, tags" {
		t.Error(hint)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	k, _ := newKit(t)
	k.Env = func(n string) string { return map[string]string{"HOME": "/h"}[n] }
	for in, want := range map[string]string{"a": k.Dir + "/a", "/b/../c": "/c", "~/d": "/h/d", "~": "/h", "~x": k.Dir + "/~x"} {
		if got := k.Path(in); got != want {
			t.Errorf("%s -> %s", in, got)
		}
	}
	if err := os.WriteFile(filepath.Join(k.Dir, "params.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := k.ReadFile("parms.json", 10)
	if e := cairn.AsError(err); e.Code != cairn.CodeNotFound || e.Hint != "did you mean params.json?" {
		t.Errorf("%+v", e)
	}
	if _, err := k.ReadFile("params.json", 1); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Error(err)
	}
	if _, err := k.ReadFile(".", 1); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}
