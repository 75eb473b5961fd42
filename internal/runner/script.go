package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// exitError is a script that ended with another code than 0.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("Process completed with exit code %d.", int(e)) }

func isExit(err error) bool {
	var e exitError
	return errors.As(err, &e)
}

// script runs a `run` step.
func (st *step) script(ctx context.Context, env *expr.Env) error {
	x := st.x
	text, err := expr.EvalString(st.spec.Run, env)
	if err != nil {
		return evalFailed("run", st.spec.Run, err)
	}
	name, err := firstGiven(env, "shell", st.spec.Shell, st.scope.defaults().Shell)
	if err != nil {
		return err
	}
	files, err := st.makeFiles()
	if err != nil {
		return fmt.Errorf("the step's files cannot be made: %w", err)
	}
	if err := st.makeEnvFiles(files); err != nil {
		return err
	}
	procEnv := st.scope.processEnv(st.env, st.files)
	look := func(file string) (string, error) { return x.Machine.LookPath(file, procEnv["PATH"]) }
	sh, err := findShell(name, look)
	if err != nil {
		return err
	}
	st.header(text, sh)
	dir, err := st.workingDirectory(env)
	if err != nil {
		return err
	}
	if _, err := look(sh.args[0]); err != nil {
		return shellMissing(sh.args[0], look)
	}
	path := filepath.Join(files, "script"+sh.ext)
	if err := x.writeStepFile(path, []byte(sh.before+strings.ReplaceAll(text, "\r\n", "\n")+sh.after), 0o700); err != nil {
		return fmt.Errorf("the script cannot be written: %w", err)
	}
	st.dir = dir
	out := st.newOutput()
	code, err := x.Machine.Exec(ctx, Process{Args: sh.command(path), Dir: dir, Env: procEnv, Stdout: out, Stderr: out})
	out.flush()
	if err != nil {
		return err
	}
	st.row.ExitCode = &code
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// firstGiven evaluates the first template that is given.
func firstGiven(env *expr.Env, what string, ts ...cairn.Template) (string, error) {
	for _, t := range ts {
		if t.IsZero() {
			continue
		}
		v, err := expr.EvalString(t, env)
		if err != nil {
			return "", evalFailed(what, t, err)
		}
		if v != "" {
			return v, nil
		}
	}
	return "", nil
}

// header shows what is going to run, as GitHub's logs do.
func (st *step) header(text string, sh shell) {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	st.log.line("##[group]Run %s", strings.TrimRight(first, " \t\r"))
	for line := range strings.Lines(strings.TrimRight(text, "\r\n ")) {
		st.log.line("%s", strings.TrimRight(line, "\r\n"))
	}
	st.log.line("shell: %s", sh.shown)
	st.showEnv()
	st.log.line("##[endgroup]")
}

func (st *step) showEnv() {
	all := st.scope.shownEnv(st.env)
	if len(all) == 0 {
		return
	}
	st.log.line("env:")
	for _, k := range sortedKeys(all) {
		st.log.line("  %s: %s", k, headOf(all[k]))
	}
}

// shownLines is how many lines of a variable the head of a step shows: an action that
// leaves whole documents in the environment must not bury what the step says itself.
const shownLines = 3

func headOf(value string) string {
	value = strings.TrimRight(value, "\r\n")
	n := strings.Count(value, "\n") + 1
	if n <= shownLines {
		return value
	}
	first, _, _ := strings.Cut(value, "\n")
	return fmt.Sprintf("%s … (%d lines)", strings.TrimRight(first, "\r"), n)
}

// workingDirectory resolves where the script runs.
func (st *step) workingDirectory(env *expr.Env) (string, error) {
	x := st.x
	root := x.Machine.Dirs().Workspace
	wd, err := firstGiven(env, "working-directory", st.spec.WorkingDirectory, st.scope.defaults().WorkingDirectory)
	if err != nil || wd == "" {
		return root, err
	}
	dir := wd
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, wd)
	}
	there, ok := x.hostPath(dir)
	if !ok {
		return dir, nil
	}
	fi, err := os.Stat(there)
	if err == nil && fi.IsDir() {
		return dir, nil
	}
	if err == nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "working-directory %q is a file, not a folder", wd)
	}
	e := cairn.Errorf(cairn.CodeInvalid, "working-directory %q does not exist", wd)
	return "", e.WithHint("%s", x.missingHint(wd, root))
}

func (x *executor) missingHint(path, root string) string {
	if entries, err := os.ReadDir(root); err == nil && len(entries) == 0 {
		return "the workspace is empty: a job begins without the code. Add a step `uses: actions/checkout@v4` before this one"
	}
	if x.Ignored != nil && x.Ignored(path) {
		return fmt.Sprintf("git ignores %s, so it is not in the job's workspace: take it out of .gitignore, or make it in an earlier step", path)
	}
	if near := nearPath(path, root); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "it is looked up from the workspace, where the commit's files are"
}

// nearPath looks for a folder entry with nearly the same name.
func nearPath(path, root string) string {
	dir, base := filepath.Split(filepath.Clean(path))
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := cairn.Nearest(base, names); near != "" {
		return filepath.Join(dir, near)
	}
	return ""
}

func shellMissing(name string, look func(string) (string, error)) error {
	e := cairn.Errorf(cairn.CodeInvalid, "the shell %q is not on this machine", name)
	if name == "python" {
		if _, err := look("python3"); err == nil {
			return e.WithHint("python3 is: use `shell: python3 {0}`, or add actions/setup-python before this step")
		}
		return e.WithHint("add actions/setup-python before this step")
	}
	return e.WithHint("install it, or use bash, sh or python")
}
