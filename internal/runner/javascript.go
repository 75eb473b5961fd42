package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// javascript is an action that Node.js runs.
type javascript struct{ file *actionFile }

func (a *javascript) script(s stage) string {
	r := a.file.def.Runs
	return map[stage]string{stagePre: r.Pre, stageMain: r.Main, stagePost: r.Post}[s]
}

func (a *javascript) has(_ *call, s stage) bool {
	return a.script(s) != "" && !(s == stagePre && a.file.local)
}

func (a *javascript) when(s stage) string {
	if s == stagePre {
		return condition(a.file.def.Runs.PreIf.Text)
	}
	return condition(a.file.def.Runs.PostIf.Text)
}

// condition is that of pre-if and post-if, where success() is not implied.
func condition(text string) string {
	if strings.TrimSpace(text) == "" {
		return "always()"
	}
	return "always() && (" + text + ")"
}

// run runs the script of the stage.
func (a *javascript) run(ctx context.Context, st *step, env *expr.Env) error {
	in, err := st.given(env, a.file.def)
	if err != nil {
		return err
	}
	st.actionHeader(in)
	if a.file.local && a.script(stagePre) != "" {
		st.warnOnce(noLocalPre(st.spec.Uses))
	}
	st.register()
	target := filepath.Join(a.file.dir, a.script(st.stage))
	if fi, err := os.Stat(target); err != nil || fi.IsDir() {
		return cairn.Errorf(cairn.CodeNotFound, "File not found: '%s'", target).
			WithHint("runs.%s of %s names it; a JavaScript action has to be published with its built files (dist)", stageKey(st.stage), st.spec.Uses)
	}
	if err := inside(a.file.root, target); err != nil {
		return err
	}
	files, err := st.makeFiles()
	if err != nil {
		return fmt.Errorf("the step's files cannot be made: %w", err)
	}
	if err := st.makeEnvFiles(files); err != nil {
		return err
	}
	procEnv := st.actionEnv(a.file, in)
	node, err := st.node(ctx, a.file.def.Runs.Using, procEnv)
	if err != nil {
		return err
	}
	out := st.newOutput()
	code, err := st.x.Machine.Exec(ctx, Process{Args: []string{node, target}, Env: procEnv, Stdout: out, Stderr: out})
	out.flush()
	return st.ended(ctx, code, err)
}

func stageKey(s stage) string {
	return map[stage]string{stagePre: "pre", stageMain: "main", stagePost: "post"}[s]
}

// ended turns how the process of an action ended into the error of its step.
func (st *step) ended(ctx context.Context, code int, err error) error {
	if err != nil {
		return err
	}
	st.row.ExitCode = &code
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code == 0 {
		return nil
	}
	if st.lastError != "" {
		return told{errors.New(st.lastError)} // core.setFailed said it
	}
	return exitError(code)
}

// actionEnv is the environment of a process of an action.
func (st *step) actionEnv(f *actionFile, in *given) map[string]string {
	own := map[string]string{}
	if f != nil && !f.local {
		own["GITHUB_ACTION_REPOSITORY"], own["GITHUB_ACTION_REF"] = f.from.repository, f.from.ref
	}
	for name, value := range st.call.state {
		own["STATE_"+name] = value
	}
	env := st.scope.processEnv(st.env, merged(st.runtimeEnv(), own, in.variables(), st.files))
	delete(env, "NODE_ICU_DATA") // of the Node.js that a job brings for itself
	return env
}

// runtimeEnv are the variables that only actions see: where the services of
// GitHub's own packages are, and the token for them.
func (st *step) runtimeEnv() map[string]string {
	x := st.x
	env := merged(x.Spec.ActionEnv)
	if x.Secrets.Token == "" {
		return env
	}
	if env["ACTIONS_RUNTIME_URL"] != "" || env["ACTIONS_RESULTS_URL"] != "" {
		env["ACTIONS_RUNTIME_TOKEN"] = x.Secrets.Token
		if x.Secrets.Runtime != "" {
			env["ACTIONS_RUNTIME_TOKEN"] = x.Secrets.Runtime // the form that they can read
		}
	}
	if env["ACTIONS_ID_TOKEN_REQUEST_URL"] != "" {
		env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = x.Secrets.Token
	}
	return env
}

// oldestNode is the first major version that may still run actions.
const oldestNode = 16

var nodeVersion = regexp.MustCompile(`^v(\d+)\.`)

func (u *usedActions) version(path string) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	v, ok := u.nodes[path]
	return v, ok
}

func (u *usedActions) setVersion(path, version string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.nodes == nil {
		u.nodes = map[string]string{}
	}
	u.nodes[path] = version
}

// node finds the Node.js of the machine and compares it with what the action asks for.
func (st *step) node(ctx context.Context, using string, env map[string]string) (string, error) {
	x := st.x
	wanted, _ := strconv.Atoi(strings.TrimPrefix(using, "node"))
	// The machine's own comes first: what a job brings for itself (setup-node) is not
	// meant for actions.
	path, err := x.Machine.LookPath("node", x.environ["PATH"])
	if err != nil {
		path, err = x.Machine.LookPath("node", env["PATH"])
	}
	if err != nil {
		return "", cairn.Errorf(cairn.CodeUnsupported, "%s needs Node.js, and there is no node on this machine", st.spec.Uses).
			WithHint("install Node.js %d or newer (https://nodejs.org; Debian: apt-get install nodejs; macOS: brew install node), or add actions/setup-node before this step", max(wanted, 20))
	}
	version, known := x.used.version(path)
	if !known {
		var text bytes.Buffer
		if code, err := x.Machine.Exec(ctx, Process{Args: []string{path, "--version"}, Env: env, Stdout: &text, Stderr: &text}); err != nil {
			return "", err
		} else if code != 0 {
			return "", cairn.Errorf(cairn.CodeFailed, "%s --version ended with code %d: %s", path, code, strings.TrimSpace(text.String()))
		}
		version = strings.TrimSpace(text.String())
		x.used.setVersion(path, version)
	}
	found := 0
	if m := nodeVersion.FindStringSubmatch(version); m != nil {
		found, _ = strconv.Atoi(m[1])
	}
	switch {
	case found < oldestNode:
		return "", cairn.Errorf(cairn.CodeUnsupported, "%s asks for Node.js %d; %s is %s", st.spec.Uses, wanted, path, headOf(version)).
			WithHint("install Node.js %d or newer", max(wanted, 20))
	case wanted < oldestNode+4 && wanted > 0:
		st.warnOnce(fmt.Sprintf("Node.js %d actions are deprecated. %s is run with %s of this machine", wanted, st.spec.Uses, version))
	case found < wanted:
		st.warnOnce(fmt.Sprintf("%s asks for Node.js %d; this machine has %s, which is tried", st.spec.Uses, wanted, version))
	}
	return path, nil
}
