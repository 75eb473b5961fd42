package local

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/command"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
)

// port stands for the port that the stage's process chooses.
const port = "{PORT}"

// loopback is where services that are no containers listen.
var loopback = command.Address{Host: "127.0.0.1", Port: port}

// command is the command of an image, or the stage's own, on an address.
func (p *plan) command(r deploy.TargetRequest, img *image, to command.Address) (command.Command, error) {
	cmd := img.Config.Cmd
	if len(r.Config.Command) > 0 {
		cmd = r.Config.Command
	}
	c := command.Rewrite(img.Config.Entrypoint, cmd, to)
	if len(c.Args) == 0 || c.Args[0] == "" {
		return c, cairn.Errorf(cairn.CodeInvalid, "the image %s says no command: it has neither CMD nor ENTRYPOINT", img.name).
			WithHint("add a CMD to the Dockerfile, or command to the stage in .cairn/stages.yml")
	}
	p.notes = append(p.notes, c.Notes...)
	return c, nil
}

// noteUnknown says what a command that is no known server has to do itself.
func (p *plan) noteUnknown(c command.Command) {
	if c.Server != "" {
		return
	}
	p.notef("the command is no server that is known: it has to listen on 127.0.0.1, on the port in PORT")
}

// inRoot runs an image in its own root file system.
func (t *Target) inRoot(ctx context.Context, r deploy.TargetRequest, img *image, p *plan) error {
	c, err := p.command(r, img, loopback)
	if err != nil {
		return err
	}
	p.noteUnknown(c)
	roots, err := t.unpacked(ctx, img)
	if err != nil {
		return err
	}
	e := t.told(r, img.env(), port)
	path := lookup(e.list(), "PATH")
	if err := startable(roots, img, c.Args[0], path); err != nil {
		return err
	}
	if _, err := enter.Lookup(roots, img.Config.User); err != nil {
		return err
	}
	f := t.folder(r.Stage.ID)
	p.made.Spec = enter.Spec{Roots: roots, Scratch: f.scratch(p.key), User: img.Config.User, Dir: img.Config.WorkingDir}
	if keepsBytecode(roots, path, e.list()) {
		p.made.Bytecode = true
		e.set("PYTHONPYCACHEPREFIX", enter.BytecodeDir)
	}
	p.exec.Args = append(append(t.o.Enter[:len(t.o.Enter):len(t.o.Enter)], f.record(p.key), "--"), c.Args...)
	p.exec.Env = e.list()
	p.exec.Dir = string(f)
	return nil
}

var pythonRE = regexp.MustCompile(`^python3\.([0-9]{1,2})$`)

// keepsBytecode reports whether an image has a Python that can be told where to keep
// compiled modules, which is so since 3.8, and nobody tells it something already.
func keepsBytecode(roots enter.Stack, path string, env []string) bool {
	if lookup(env, "PYTHONPYCACHEPREFIX") != "" || lookup(env, "PYTHONDONTWRITEBYTECODE") != "" {
		return false
	}
	for _, name := range roots.Programs(path) {
		if m := pythonRE.FindStringSubmatch(name); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && n >= 8 {
				return true
			}
		}
	}
	return false
}

// startable makes sure that a program is in an image before anything is started.
func startable(roots enter.Stack, img *image, name, path string) error {
	if strings.Contains(name, "/") {
		full := name
		if !strings.HasPrefix(name, "/") {
			full = img.Config.WorkingDir + "/" + name
		}
		if roots.Executable(full) {
			return nil
		}
		return cairn.Errorf(cairn.CodeInvalid, "the command %s is not in the image %s", name, img.name).
			WithHint("the path is one inside the image; the working directory is %s", orRoot(img.Config.WorkingDir))
	}
	for dir := range strings.SplitSeq(path, ":") {
		if roots.Executable(dir + "/" + name) {
			return nil
		}
	}
	hint := "install what holds it, or write the command with its path"
	if near := cairn.Nearest(name, roots.Programs(path)); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return cairn.Errorf(cairn.CodeInvalid, "the command %s is not in the image %s: looked for in %s", name, img.name, path).WithHint("%s", hint)
}

func orRoot(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}
