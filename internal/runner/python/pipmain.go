package python

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// venvState is what the pip of an environment needs to know. It lies inside the
// environment; it holds no credentials, only where the user's configuration is.
type venvState struct {
	Exe      string `json:"exe"`
	UV       string `json:"uv"`
	Version  string `json:"uv_version"`
	Cache    string `json:"cache"`
	UserHome string `json:"user_home"`
	Python   string `json:"python"`
	CopyMode bool   `json:"copy_mode,omitempty"` // the cache lies on another file system
}

const stateFile = "cairn-pip.json"

// Stdio are the streams of a call.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// PipMain is `cairn _pip VENV ARGS…`: what the pip inside a job's environment
// runs. Plain installs are done by uv, and it says so; everything else is done
// by pip. It returns the exit code.
func PipMain(ctx context.Context, args []string, environ []string, std Stdio) int {
	if len(args) == 0 {
		fmt.Fprintln(std.Err, "usage: cairn _pip VENV ARGS...")
		return 2
	}
	if args[0] == "--make" && len(args) == 2 {
		return makeMain(ctx, args[1], environ, std)
	}
	venv, args := args[0], args[1:]
	st, err := readState(venv)
	if err != nil {
		fmt.Fprintf(std.Err, "ERROR: %s is not an environment that Cairn made: %v\n", venv, err)
		return 2
	}
	getenv := func(name string) string {
		for i := len(environ) - 1; i >= 0; i-- {
			if k, v, ok := strings.Cut(environ[i], "="); ok && k == name {
				return v
			}
		}
		return ""
	}
	code := 0
	plan, conf := PlanPip(args), LoadPipConfig(getenv, st.UserHome)
	why := plan.Why
	switch {
	case st.UV == "": // that there is none was said when the environment was made
		plan.UV, why = nil, ""
	case getenv("CAIRN_PIP") == "pip":
		plan.UV, why = nil, "CAIRN_PIP=pip"
	case plan.UV != nil && conf.OnlyPip() != "":
		plan.UV, why = nil, conf.OnlyPip()+" in pip's configuration"
	}
	wheels := ""
	if at := slices.Index(args, "install"); at >= 0 && getenv("CAIRN_AZURE") != "original" {
		var said string
		reqs, bounds := asked(args[at+1:])
		var there func() map[string]string // uv replaces what is asked for and minds nothing else
		if plan.UV == nil {
			there = versionsIn(venv, args[at+1:])
		}
		if wheels, said, err = azureWheels(filepath.Dir(st.Cache), reqs, bounds, there); err != nil {
			fmt.Fprintf(std.Err, "ERROR: %s\n", cairn.AsError(err).Message)
			if hint := cairn.AsError(err).Hint; hint != "" {
				fmt.Fprintf(std.Err, "Hint: %s\n", hint)
			}
			return 1
		}
		if said != "" {
			fmt.Fprintln(std.Err, said)
		}
	}
	if plan.UV == nil {
		if why != "" && len(args) > 0 && why != "nothing to install" && why != "--help" && why != "--version" {
			fmt.Fprintf(std.Err, "pip install: done by pip, not uv (%s)\n", why)
		}
		if wheels != "" {
			args = append(slices.Clone(args), "--constraint", wheels)
		}
		code = realPip(ctx, venv, st, args, environ, std)
	} else {
		fmt.Fprintf(std.Err, "pip install: done by uv %s, which shares wheels between jobs (CAIRN_PIP=pip runs pip itself)\n", st.Version)
		uvArgs := append([]string{"pip", "install", "--python", filepath.Join(venv, "bin", "python")}, conf.UVArgs()...)
		env := setEnv(environ, map[string]string{
			"UV_CACHE_DIR": st.Cache, "VIRTUAL_ENV": venv, "UV_NO_PROGRESS": "1",
		})
		env = setEnv(env, userFiles(st, getenv))
		env = setEnv(env, conf.UVEnv(getenv))
		env = setEnv(env, plan.Env)
		if st.CopyMode && getenv("UV_LINK_MODE") == "" {
			env = setEnv(env, map[string]string{"UV_LINK_MODE": "copy"})
		}
		if err := noteSources(venv, plan.UV); err != nil {
			fmt.Fprintf(std.Err, "warning: the hashes of these packages may not be found later: %v\n", err)
		}
		if wheels != "" {
			uvArgs = append(uvArgs, "--overrides", wheels)
		}
		code = runChild(ctx, append([]string{st.UV}, append(uvArgs, plan.UV...)...), env, std)
		if code == 0 {
			LinkByteCode(venv, st.Cache)
		}
		if code != 0 && ctx.Err() == nil {
			fmt.Fprintln(std.Err, "pip install failed in uv; set CAIRN_PIP=pip to let pip itself try")
		}
	}
	// An install may have put pip's own programs back.
	if err := writeShims(venv, st); err != nil {
		fmt.Fprintf(std.Err, "warning: the pip of this environment could not be renewed: %v\n", err)
	}
	return code
}

// makeMain is `cairn _pip --make LINK`: a pip was called where no environment is yet.
func makeMain(ctx context.Context, link string, environ []string, std Stdio) int {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	if err := MakeDefault(ctx, link, dir, environ, std); err != nil {
		fmt.Fprintf(std.Err, "ERROR: %v\n", err)
		if hint := cairn.AsError(err).Hint; hint != "" {
			fmt.Fprintf(std.Err, "Hint: %s\n", hint)
		}
		return 1
	}
	return 0
}

const sourcesFile = "cairn-pip-sources"

// noteSources remembers the indexes that a call names, itself or in its
// requirements files: the lock is made from them. The file goes with the job.
func noteSources(venv string, uvArgs []string) error {
	var lines []string
	for i, a := range uvArgs {
		if a == "--" {
			break
		}
		switch a {
		case "--index-url", "--extra-index-url", "--find-links":
			lines = append(lines, a+" "+uvArgs[i+1])
		case "--requirements":
			lines = append(lines, sourceLines(uvArgs[i+1])...)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(venv, sourcesFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

var sourceLineRE = regexp.MustCompile(`^(--index-url|-i|--extra-index-url|--find-links|-f)[ =]+(\S+)`)

// sourceLines finds the options of a requirements file that name indexes; a
// file that cannot be read is uv's to complain about.
func sourceLines(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	long := map[string]string{"-i": "--index-url", "-f": "--find-links"}
	var out []string
	sc := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for sc.Scan() && len(out) < 50 {
		if m := sourceLineRE.FindStringSubmatch(strings.TrimSpace(sc.Text())); m != nil {
			name := m[1]
			if long[name] != "" {
				name = long[name]
			}
			value := m[2]
			if name == "--find-links" && !strings.Contains(value, "://") && !filepath.IsAbs(value) {
				value = filepath.Join(filepath.Dir(path), value) // relative to the file, as in pip
				if abs, err := filepath.Abs(value); err == nil {
					value = abs
				}
			}
			out = append(out, name+" "+value)
		}
	}
	return out
}

// userFiles point to files of the user that a job's private HOME hides.
func userFiles(st venvState, getenv func(string) string) map[string]string {
	out := map[string]string{}
	if p := filepath.Join(st.UserHome, ".netrc"); getenv("NETRC") == "" && isFile(p) {
		out["NETRC"] = p
	}
	conf := getenv("XDG_CONFIG_HOME")
	if conf == "" {
		conf = filepath.Join(st.UserHome, ".config")
	}
	if p := filepath.Join(conf, "uv", "uv.toml"); getenv("UV_CONFIG_FILE") == "" && getenv("UV_NO_CONFIG") == "" && isFile(p) {
		out["UV_CONFIG_FILE"] = p
	}
	return out
}

func isFile(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.Mode().IsRegular()
}

// realPip runs pip itself, with the user's configuration.
func realPip(ctx context.Context, venv string, st venvState, args, environ []string, std Stdio) int {
	env := setEnv(environ, map[string]string{realPipVar: "1"})
	if _, set := lookupEnv(environ, "PIP_CONFIG_FILE"); !set {
		get := func(string) string { return "" }
		for _, p := range pipFiles(get, st.UserHome)[1:] {
			if strings.HasPrefix(p, st.UserHome) && isFile(p) {
				env = setEnv(env, map[string]string{"PIP_CONFIG_FILE": p})
			}
		}
	}
	env = setEnv(env, userFiles(st, func(n string) string { v, _ := lookupEnv(environ, n); return v }))
	return runChild(ctx, append([]string{filepath.Join(venv, "bin", "python"), "-m", "pip"}, args...), env, std)
}

// realPipVar tells the hook in the environment to leave pip alone.
const realPipVar = "CAIRN_PIP_REAL"

func lookupEnv(environ []string, name string) (string, bool) {
	for i := len(environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(environ[i], "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

func setEnv(environ []string, add map[string]string) []string {
	out := make([]string, 0, len(environ)+len(add))
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		if _, over := add[k]; !over {
			out = append(out, kv)
		}
	}
	names := make([]string, 0, len(add))
	for k := range add {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		out = append(out, k+"="+add[k])
	}
	return out
}

// runChild runs a program to its end and returns its exit code as a shell would.
func runChild(ctx context.Context, args, env []string, std Stdio) int {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, std.In, std.Out, std.Err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return exit.ExitCode()
	default:
		fmt.Fprintf(std.Err, "ERROR: %s could not be started: %v\n", args[0], err)
		return 127
	}
}

func readState(venv string) (venvState, error) {
	var st venvState
	b, err := os.ReadFile(filepath.Join(venv, stateFile))
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(b, &st)
}
