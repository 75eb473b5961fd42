// Package scripttest runs internal/cli/testdata/script against the program
// that users get: each script in its own home, which is stopped at its end.
package scripttest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	_ "github.com/cairn-ml/cairn/internal/server" // the scripts run it: go test must not reuse results from before a change
)

var update = flag.Bool("update", false, "write what was printed into the scripts")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// binDir is told to the scripts through the environment, not kept.
const binVar = "CAIRN_SCRIPT_BIN"

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cairn-script-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "cairn"), "github.com/cairn-ml/cairn/cmd/cairn")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building cairn:", err)
		return 1
	}
	os.Setenv(binVar, dir)
	return m.Run()
}

func TestScripts(t *testing.T) {
	bin := os.Getenv(binVar)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "user")
			if err := os.Mkdir(home, 0o755); err != nil {
				return err
			}
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("HOME", home)
			e.Setenv("CAIRN_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("TERM", "xterm")
			e.Setenv("LANG", "C.UTF-8")
			// What would be GitHub is a folder of the script: nothing leaves this machine.
			config := filepath.Join(home, "gitconfig")
			text := "[url \"file://" + e.WorkDir + "/github/\"]\n\tinsteadOf = https://github.com/\n"
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				return err
			}
			e.Setenv("GIT_CONFIG_GLOBAL", config)
			e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				e.Setenv("GIT_"+who+"_NAME", "Ana Lee")
				e.Setenv("GIT_"+who+"_EMAIL", "ana@example.com")
			}
			var names []string
			for _, kv := range e.Vars {
				name, _, _ := strings.Cut(kv, "=")
				names = append(names, name)
			}
			e.Values[varNames{}] = names
			e.Defer(func() {
				stop := exec.Command(filepath.Join(bin, "cairn"), "serve", "--stop")
				stop.Env = e.Vars
				if out, err := stop.CombinedOutput(); err != nil {
					fmt.Fprintf(os.Stderr, "stopping the server of %s: %v\n%s", e.WorkDir, err, out)
				}
			})
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"repo": cmdRepo,
			"code": cmdCode,

			"taken":     cmdTaken,
			"interrupt": cmdInterrupt,
			"small":     cmdSmall,
			"fill":      cmdFill,
			"tidy":      cmdTidy,

			"stages": cmdStages,
			"image":  cmdImage,
		},
	})
}

// cmdRepo makes the current folder a repository with one commit of all that is
// in it: repo [SUBJECT].
func cmdRepo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: repo [SUBJECT]")
	}
	subject := "First commit"
	if len(args) == 1 {
		subject = args[0]
	}
	for _, a := range [][]string{{"init", "-q", "-b", "main", "."}, {"add", "-A"}, {"commit", "-q", "-m", subject}} {
		ts.Check(ts.Exec("git", a...))
	}
}

// cmdCode runs a command that must exit with one code: code N CMD ARGS…
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N CMD [ARG…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
