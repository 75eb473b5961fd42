package az

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/output"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// Exit codes of the original.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitMissing = 3 // `show` of what is not there

	exitNotFound = 127 // as a shell says that there is no such program
)

// Dial connects with a token of its own.
type Dial func(ctx context.Context, token string) (*kit.Client, error)

// Main runs one line of the dialect, without the word az, and returns its exit code.
func Main(ctx context.Context, k *kit.Kit, args []string, dial Dial, tools *Tools) int {
	t := commands()
	if k.Env("CAIRN_AZURE") == "original" {
		return leaveAlone(k, args)
	}
	code, err := run(ctx, k, t, args, dial, tools)
	if err != nil {
		code = report(k, err, code)
	}
	return code
}

// report writes an error as the original does, with Cairn's hint behind it.
func report(k *kit.Kit, err error, code int) int {
	w := k.Term.Err
	var exit kit.Exit
	if errors.As(err, &exit) {
		return int(exit) // everything is said
	}
	var bad *usageError
	if errors.As(err, &bad) {
		fmt.Fprintf(w, "ERROR: %s\n", bad.message)
		return exitUsage
	}
	if code == exitOK {
		code = exitFailed
	}
	e := cairn.AsError(err)
	if len(e.Problems) > 0 {
		kit.RenderProblems(w, k.Term.ErrStyle(), e.Problems)
	}
	if e.Code == cairn.CodeForbidden {
		// The original's words for what a role does not allow.
		fmt.Fprintf(w, "ERROR: (AuthorizationFailed) %s\nCode: AuthorizationFailed\nMessage: %s\n", e.Message, e.Message)
	} else {
		fmt.Fprintf(w, "ERROR: %s\n", e.Message)
	}
	if e.Hint != "" {
		fmt.Fprintf(w, "%s\n", e.Hint)
	}
	return code
}

func run(ctx context.Context, k *kit.Kit, t *table, args []string, dial Dial, tools *Tools) (int, error) {
	env, err := openEnvironment(k)
	if err != nil {
		return exitFailed, err
	}
	env.dial = dial
	if len(args) == 0 || len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		return exitOK, writeGroup(k.Term.Out, t, "")
	}
	if args[0] == "--version" || args[0] == "-v" {
		args = []string{"version"}
	}
	cmd, path, bad, rest := t.find(args)
	switch {
	case cmd != nil:
	case bad != "":
		if real := realAz(k); real != "" {
			return handOn(k, real, args)
		}
		return exitUsage, unknown(t, path, bad)
	case slices.Contains(rest, "--help") || slices.Contains(rest, "-h"):
		return exitOK, writeGroup(k.Term.Out, t, path)
	default:
		return exitUsage, misuse("the following arguments are required: _subcommand")
	}
	v, err := parse(cmd, rest, func(key string) string { return env.setting(k, "defaults", key) })
	if err != nil {
		return exitUsage, err
	}
	if v.on("help") {
		return exitOK, writeCommand(k.Term.Out, cmd)
	}
	if l := env.login; l != nil && l.Token != "" {
		k = k.As(func(ctx context.Context) (*kit.Client, error) { return dial(ctx, l.Token) })
	}
	return carryOut(ctx, &call{k: k, env: env, cmd: cmd, tools: tools, values: v})
}

// carryOut runs a command and writes what it answers.
func carryOut(ctx context.Context, c *call) (int, error) {
	var expression *query.Expression
	if c.given["query"] {
		var err error
		if expression, err = query.Compile(c.get("query")); err != nil {
			return exitUsage, misuse("argument --query: invalid jmespath_type value: '%s'\n%s", c.get("query"), queryHint)
		}
	}
	if l := c.env.login; !c.cmd.open && l != nil && l.Out {
		return exitFailed, cairn.Errorf(cairn.CodeUnauthenticated, "Please run 'az login' to setup account.")
	}
	if err := c.accepted(ctx); err != nil {
		return exitFailed, err
	}
	result, err := c.cmd.run(ctx, c)
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeNotFound && strings.HasSuffix(c.cmd.path, " show") {
			return exitMissing, err
		}
		return exitFailed, err
	}
	if result == nil {
		return exitOK, nil // a command that answers nothing prints nothing
	}
	v, err := query.FromAny(result)
	if err != nil {
		return exitFailed, err
	}
	if expression != nil {
		if v, err = expression.Search(v); err != nil {
			return exitFailed, cairn.Errorf(cairn.CodeInvalid, "Invalid jmespath query supplied for `--query`: %v", err)
		}
	}
	if v == nil {
		return exitOK, nil // as the original: nothing was found
	}
	format := c.get("output")
	if !c.given["output"] {
		if set := c.env.setting(c.k, "core", "output"); set != "" {
			format = set
		}
	}
	return exitOK, output.Write(c.k.Term.Out, format, v, output.Options{Color: c.k.Term.ColorOut, Query: expression != nil})
}

// unknown is the original's error, with what is near.
func unknown(t *table, path, bad string) error {
	where := "az"
	if path != "" {
		where += " " + path
	}
	if why := notHere(path, bad); why != "" {
		return misuse("%s %s: %s", where, bad, why)
	}
	e := fmt.Sprintf("'%s' is misspelled or not recognized by the system.", bad)
	if near := cairn.Nearest(bad, t.below(path)); near != "" {
		return misuse("%s\nDid you mean '%s' ?", e, near)
	}
	return misuse("%s\n%s --help lists what there is here; a real az further down PATH would be asked for the rest", e, where)
}

// notHere says why something that the original has is not in the table; "" of what it has
// not either.
func notHere(path, word string) string {
	if path == "ml compute" {
		return map[string]string{
			"attach": "there are no machines of a cloud to attach: jobs run on this machine", "detach": "nothing is attached: az ml compute delete forgets a name",
			"connect-ssh": "a compute is a name: there is no machine behind it to log in to", "enable-sso": "a compute is a name: nobody logs in to it",
		}[word]
	}
	if path != "ml" {
		return map[string]string{
			"storage": "there are no storage accounts here: data is registered with az ml data create, and fetched with az ml data download",
			"acr":     "there is a registry at CAIRN_REGISTRY, for docker login, push and pull",
			"vm":      "there are no machines of a cloud here", "keyvault": "secrets are kept with cairn secret set", "aks": "kubectl reaches a cluster without it",
			"role": "az ad sp create-for-rbac gives a principal its role", "resource": "there is one workspace, and nothing beside it", "rest": "there is no such service here",
		}[path+word]
	}
	const soon = "not there yet: its files are read and checked (cairn job validate --file FILE)"
	return map[string]string{
		"datastore": soon, "datastores": soon, "batch-endpoint": soon, "batch-deployment": soon,
		"registry": "a registry is a second workspace: cairn model share --registry NAME", "connection": soon, "feature-store": "there is none here", "feature-set": "there is none here",
		"folder": "a command of the first version of the extension: az configure --defaults group=NAME workspace=NAME does it now", "serverless-endpoint": "there is none here",
		"marketplace-subscription": "there is none here", "index": "there is none here", "capability-host": "there is none here", "deployment-template": soon,
	}[word]
}

// realAz is another az further down PATH.
func realAz(k *kit.Kit) string {
	if k.Env(handed) != "" {
		return "" // what stands on PATH leads back here
	}
	own, err := os.Executable()
	if err != nil {
		return ""
	}
	if own, err = filepath.EvalSymlinks(own); err != nil {
		return ""
	}
	for _, dir := range filepath.SplitList(k.Env("PATH")) {
		p := filepath.Join(dir, "az")
		if found, err := exec.LookPath(p); err != nil || dir == "" || found == "" {
			continue
		}
		real, err := filepath.EvalSymlinks(p)
		if err == nil && real != own && filepath.Base(real) != "cairn" {
			return p
		}
	}
	return ""
}

// leaveAlone is az where the settings say azure: original.
func leaveAlone(k *kit.Kit, args []string) int {
	real := realAz(k)
	if real == "" {
		fmt.Fprint(k.Term.Err, "ERROR: config.yaml says azure: original, and there is no az on PATH but Cairn's\ninstall azure-cli, or remove that line\n")
		return exitNotFound
	}
	code, err := start(k, real, args)
	if err != nil {
		return report(k, err, code)
	}
	return code
}

// handOn lets a real az do it; its own configuration counts then.
func handOn(k *kit.Kit, program string, args []string) (int, error) {
	fmt.Fprintf(k.Term.Err, "note: az %s is not one of Cairn's: %s runs it\n", strings.Join(args[:min(len(args), 2)], " "), program)
	return start(k, program, args)
}

// handed is set for a real az: one that is a wrapper of this one must not come around.
const handed = "CAIRN_AZ_HANDED"

// start runs a program in the place of this one.
func start(k *kit.Kit, program string, args []string) (int, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = k.Term.In, k.Term.Out, k.Term.Err
	cmd.Env, cmd.Dir = append(slices.Clone(k.Environ), handed+"=1"), k.Dir
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	if err != nil {
		return exitFailed, cairn.Errorf(cairn.CodeFailed, "%s cannot be started: %w", program, err)
	}
	return exitOK, nil
}

// Check reads a line without carrying it out: what stands in documents has to be there.
func Check(args []string) error {
	t := commands()
	cmd, path, bad, rest := t.find(args)
	switch {
	case cmd != nil:
		_, err := parse(cmd, rest, func(string) string { return "" })
		return err
	case bad != "":
		return unknown(t, path, bad)
	}
	return nil // a group, whose help is meant
}
