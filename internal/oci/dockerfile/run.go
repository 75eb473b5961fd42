package dockerfile

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// run looks whether a RUN line is one that needs no process: installing Python
// packages, making folders, clearing caches. Everything else is a need.
func (e *evaluation) run(s *Stage, x *instructions.RunCommand, line int) error {
	ops, reason, err := e.recognise(s, x, line)
	if err != nil {
		return err
	}
	if reason != "" {
		s.Needs = append(s.Needs, Need{Line: line, Text: text(x), Reason: reason})
		return nil
	}
	for _, op := range ops {
		op.Line, op.Text = line, text(x)
		s.Ops = append(s.Ops, op)
	}
	return nil
}

func (e *evaluation) recognise(s *Stage, x *instructions.RunCommand, line int) ([]Op, string, error) {
	mounts, reason, err := e.mounts(s, x, line)
	if err != nil || reason != "" {
		return nil, reason, err
	}
	var cmds [][]word
	body, doc := heredocBody(x)
	switch {
	case doc && (body == "" || strings.HasPrefix(body, "#!")):
		return nil, "it is a script of its own", nil
	case doc:
		cmds, reason = splitShell(body, s.env)
	case x.PrependShell:
		if sh := s.Image.Config.Shell; len(sh) > 0 && !posixShell(sh[0]) {
			return nil, "its shell is " + clip(sh[0]), nil
		}
		cmds, reason = splitShell(strings.Join(x.CmdLine, " "), s.env)
	default:
		var cmd []word
		for _, a := range x.CmdLine {
			cmd = append(cmd, word{text: a})
		}
		if len(cmd) > 0 {
			cmds = [][]word{cmd}
		}
	}
	if reason != "" {
		return nil, reason, nil
	}
	r := &recogniser{s: s, mounts: mounts}
	for _, cmd := range cmds {
		if reason := r.command(cmd); reason != "" {
			return nil, reason, nil
		}
	}
	return r.ops, "", nil
}

// mounts are the bind mounts of the context; caches are ignored.
func (e *evaluation) mounts(s *Stage, x *instructions.RunCommand, line int) ([]Mount, string, error) {
	for _, f := range x.FlagsUsed {
		if f != "mount" {
			return nil, "--" + f + " says how a process runs", nil
		}
	}
	var out []Mount
	for _, m := range instructions.GetMounts(x) {
		switch {
		case m.Type == instructions.MountTypeCache || m.Type == instructions.MountTypeTmpfs:
		case m.Type == instructions.MountTypeBind && m.From == "":
			if m.Target == "" {
				return nil, "", e.f.errorf(line, "--mount", "a bind mount has no target").WithHint("--mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt")
			}
			out = append(out, Mount{Source: m.Source, Target: absolute(s.Image.Config.WorkingDir, m.Target)})
		default:
			return nil, "it mounts a " + string(m.Type), nil
		}
	}
	return out, "", nil
}

func posixShell(sh string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh"}, path.Base(sh))
}

// recogniser collects what the commands of one RUN line come to.
type recogniser struct {
	s      *Stage
	mounts []Mount
	ops    []Op
}

var (
	assignRE = regexp.MustCompile(`^(PIP_|UV_|PYTHON)[A-Z0-9_]*=`)
	pythonRE = regexp.MustCompile(`^python(?:3(?:\.\d+)?)?$`)
	pipRE    = regexp.MustCompile(`^pip(?:3(?:\.\d+)?)?$`)
	minorRE  = regexp.MustCompile(`3\.\d+$`)
)

// command takes one simple command; it returns why it cannot.
func (r *recogniser) command(cmd []word) string {
	env := map[string]string{}
	for len(cmd) > 0 && assignRE.MatchString(cmd[0].text) {
		k, v, _ := strings.Cut(cmd[0].text, "=")
		env[k] = v
		cmd = cmd[1:]
	}
	if len(cmd) == 0 {
		return "it only sets variables"
	}
	args := make([]string, len(cmd)-1)
	for i, w := range cmd[1:] {
		args[i] = w.text
	}
	name := cmd[0].text
	base := path.Base(name)
	if strings.Contains(name, "/") && !path.IsAbs(name) {
		return "it runs " + clip(name)
	}
	switch {
	case base == "true" || base == ":" || base == "echo" || base == "pwd" && len(args) == 0:
		return ""
	case base == "set" && len(args) > 0 && strings.Trim(strings.Join(args, ""), "-+exuopipefail") == "":
		return ""
	case base == "mkdir":
		return r.mkdir(args)
	case base == "rm":
		return removeCaches(cmd[1:])
	}
	if path.IsAbs(name) && !r.usual(path.Dir(name)) {
		return "it runs " + clip(name)
	}
	switch {
	case pythonRE.MatchString(base) && len(args) >= 2 && args[0] == "-m" && args[1] == "pip":
		return r.pip(minorRE.FindString(base), args[2:], env)
	case pipRE.MatchString(base):
		return r.pip(minorRE.FindString(base), args, env)
	case base == "uv" && len(args) >= 2 && args[0] == "pip":
		return r.uv(args[1:], env)
	}
	return "it runs " + clip(name)
}

// usual reports whether the programs of a folder are those that are found without
// naming it: pip of another one installs for another Python.
func (r *recogniser) usual(dir string) bool {
	if slices.Contains([]string{"/usr/local/bin", "/usr/bin", "/bin"}, dir) {
		return true
	}
	if venv := r.value("VIRTUAL_ENV", nil); venv != "" && path.Join(venv, "bin") == dir {
		return true
	}
	first, _, _ := strings.Cut(r.value("PATH", nil), ":")
	return first == dir
}

func (r *recogniser) mkdir(args []string) string {
	parents := false
	var dirs []Dir
	for _, a := range args {
		switch {
		case a == "-p" || a == "--parents" || a == "-pv" || a == "-vp":
			parents = true
		case strings.HasPrefix(a, "-") || strings.HasPrefix(a, "~"):
			return "mkdir " + clip(a) + " is more than making a folder"
		default:
			dirs = append(dirs, Dir{Path: absolute(r.s.Image.Config.WorkingDir, a), Owner: r.s.Image.Config.User})
		}
	}
	if !parents {
		return "mkdir without -p fails where the folder is there already"
	}
	if len(dirs) > 0 {
		r.ops = append(r.ops, Op{Dirs: dirs})
	}
	return ""
}

// removeCaches accepts removing what an assembled image never has.
func removeCaches(args []word) string {
	flags := ""
	for _, a := range args {
		if strings.HasPrefix(a.text, "-") {
			flags += a.text
			continue
		}
		p := a.text
		if a.plain {
			p = strings.Replace(p, "~/", "/root/", 1)
		}
		switch p = path.Clean(p); {
		case p == "/root/.cache", strings.HasPrefix(p, "/root/.cache/"):
		default:
			return "it removes " + clip(a.text)
		}
	}
	if strings.Trim(flags, "-rRfv") != "" || !strings.Contains(flags, "f") {
		return "it removes files"
	}
	return ""
}

func (r *recogniser) uv(args []string, env map[string]string) string {
	system := false
	var rest []string
	for _, a := range args {
		if a == "--system" {
			system = true
			continue
		}
		rest = append(rest, a)
	}
	if !system && r.value("UV_SYSTEM_PYTHON", env) == "" {
		return "uv pip without --system installs into a virtual environment"
	}
	return r.pip("", rest, env)
}

func (r *recogniser) value(k string, env map[string]string) string {
	if v, ok := env[k]; ok {
		return v
	}
	v, _ := r.s.env.get(k)
	return v
}

// pipFlags are the flags of pip install that change nothing here: 0 takes no
// value, 1 takes one.
var pipFlags = map[string]int{
	"--no-cache-dir": 0, "--no-cache": 0, "--upgrade": 0, "-U": 0, "--quiet": 0, "-q": 0, "-qq": 0, "-qqq": 0, "--verbose": 0, "-v": 0, "-vv": 0, "-vvv": 0,
	"--disable-pip-version-check": 0, "--no-input": 0, "--no-warn-script-location": 0, "--no-warn-conflicts": 0, "--break-system-packages": 0, "--no-color": 0,
	"--no-compile": 0, "--compile": 0, "--compile-bytecode": 0, "--force-reinstall": 0, "--ignore-installed": 0, "-I": 0, "--prefer-binary": 0, "--no-python-version-warning": 0,
	"--root-user-action": 1, "--progress-bar": 1, "--timeout": 1, "--default-timeout": 1, "--retries": 1, "--cache-dir": 1, "--upgrade-strategy": 1, "--log": 1,
}

// pipArgs are the flags that choose what is installed and from where.
var pipArgs = map[string]int{
	"--index-url": 1, "-i": 1, "--extra-index-url": 1, "--trusted-host": 1, "--only-binary": 1, "--pre": 0, "--require-hashes": 0, "--no-deps": 0, "--no-index": 0,
	"--cert": 1, "--use-pep517": 0, "--index-strategy": 1,
}

// pip takes the words behind pip; python is the version that its name says.
func (r *recogniser) pip(python string, args []string, env map[string]string) string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && pipFlags[flagName(args[0])] == 0 {
		if _, known := pipFlags[args[0]]; !known {
			break
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return "pip is not told what to do"
	}
	switch args[0] {
	case "install":
	case "--version", "-V", "check", "list", "freeze", "debug":
		return ""
	case "cache":
		return ""
	default:
		return "it runs pip " + clip(args[0])
	}
	if u := r.s.Image.Config.User; u != "" && u != "root" && u != "0" && !strings.HasPrefix(u, "0:") && !strings.HasPrefix(u, "root:") {
		return "pip runs as the user " + clip(u) + " and installs into its home; before USER it needs no executor"
	}
	p := &Pip{Env: map[string]string{}, Mounts: r.mounts, Python: python, Path: r.value("PATH", nil), VirtualEnv: r.value("VIRTUAL_ENV", nil)}
	upgrade, reason := r.install(p, args[1:])
	if reason != "" {
		return reason
	}
	if len(p.Files) == 0 && upgrade && ownTools(p.Packages) {
		return "" // pip itself does nothing in an image whose packages are laid in
	}
	p.Packages = slices.DeleteFunc(p.Packages, func(s string) bool { return s == "pip" })
	if len(p.Files)+len(p.Packages) == 0 {
		return ""
	}
	for _, k := range r.s.env.keys {
		if strings.HasPrefix(k, "PIP_") || proxyArg(k) {
			p.Env[k] = r.s.env.vals[k]
		}
	}
	for k, v := range env {
		p.Env[k] = v
	}
	r.ops = append(r.ops, Op{Pip: p})
	return ""
}

func (r *recogniser) install(p *Pip, args []string) (upgrade bool, reason string) {
	dir := r.s.Image.Config.WorkingDir
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			if reason := packageWord(a); reason != "" {
				return false, reason
			}
			p.Packages = append(p.Packages, a)
			continue
		}
		name, value, has := a, "", false
		switch {
		case strings.HasPrefix(a, "--"):
			name, value, has = strings.Cut(a, "=")
		case len(a) > 2 && strings.ContainsRune("rci", rune(a[1])):
			name, value, has = a[:2], a[2:], true // -rrequirements.txt
		}
		take := func() bool {
			if has {
				return true
			}
			if i++; i >= len(args) {
				return false
			}
			value = args[i]
			return true
		}
		n, harmless := pipFlags[name]
		m, chooses := pipArgs[name]
		switch {
		case name == "-r" || name == "--requirement" || name == "-c" || name == "--constraint":
			if !take() || value == "" {
				return false, "pip install " + name + " names no file"
			}
			if strings.Contains(value, "://") {
				return false, "its requirements are fetched from an address"
			}
			if f := absolute(dir, value); strings.Contains(name, "c") && name != "--requirement" {
				p.Constraints = append(p.Constraints, f)
			} else {
				p.Files = append(p.Files, f)
			}
		case harmless:
			upgrade = upgrade || name == "-U" || name == "--upgrade"
			if n == 1 && !take() {
				return false, "pip install " + name + " has no value"
			}
		case chooses:
			if m == 0 {
				p.Args = append(p.Args, name)
			} else if !take() {
				return false, "pip install " + name + " has no value"
			} else {
				p.Args = append(p.Args, name, value)
			}
		case name == "-e" || name == "--editable":
			return false, "it installs a package in development mode"
		case name == "--user" || name == "--target" || name == "-t" || name == "--prefix" || name == "--root":
			return false, "pip install " + name + " installs to another place"
		case name == "--no-binary":
			return false, "it compiles packages"
		default:
			return false, "pip install " + clip(name) + " is not one of the flags that need no executor"
		}
	}
	return upgrade, ""
}

func flagName(a string) string { n, _, _ := strings.Cut(a, "="); return n }

var packageRE = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9._, -]*\])?\s*(?:(?:===|==|~=|!=|<=|>=|<|>)[^;@]*)?(?:;.*)?$`)

// packageWord says why a package cannot be had as a wheel.
func packageWord(a string) string {
	switch {
	case a == "." || strings.HasPrefix(a, "./") || strings.HasPrefix(a, "../") || strings.HasPrefix(a, "/") || strings.HasPrefix(a, ".["):
		return "it builds the package " + clip(a)
	case strings.Contains(a, "://") || strings.HasPrefix(a, "git+"):
		return "it builds a package from an address"
	case !packageRE.MatchString(a) || strings.ContainsAny(a, "\n\r"):
		return "pip install " + clip(a) + " is not a package of an index"
	}
	return ""
}

// ownTools reports whether only pip itself and its helpers are named.
func ownTools(packages []string) bool {
	for _, p := range packages {
		if p != "pip" && p != "setuptools" && p != "wheel" && p != "uv" {
			return false
		}
	}
	return len(packages) > 0
}

// RequirementLine reads one line of a requirements file: what it includes, or a
// requirement. Comments and white space are taken off.
func RequirementLine(line string) (kind, value string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	if i := strings.Index(line, " #"); i >= 0 {
		line = strings.TrimSpace(line[:i])
	}
	if line == "" {
		return "", ""
	}
	for _, f := range []struct{ flag, kind string }{{"--requirement", "requirement"}, {"--constraint", "constraint"}, {"-r", "requirement"}, {"-c", "constraint"}} {
		rest, ok := strings.CutPrefix(line, f.flag)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == '=' || rest[0] == '\t' || len(f.flag) == 2) {
			return f.kind, strings.Trim(strings.TrimSpace(rest), `="' `)
		}
	}
	return "package", line
}
