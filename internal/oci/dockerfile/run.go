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
