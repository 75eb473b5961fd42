package local

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
)

// onHost runs the Python application of an image on the interpreter of this
// machine, from a folder of its own.
func (t *Target) onHost(ctx context.Context, r deploy.TargetRequest, img *image, p *plan) error {
	c, err := p.command(r, img, loopback)
	if err != nil {
		return err
	}
	p.noteUnknown(c)
	f := t.folder(r.Stage.ID)
	dir := f.scratch(p.key)
	if b, err := os.ReadFile(filepath.Join(dir, "ok")); err != nil || string(b) != string(img.digest) {
		if err := enter.RemoveAll(dir); err != nil {
			return diskError(t.o.Home, err)
		}
		if err := t.unpack(ctx, img, img.application(), dir, img.digest); err != nil {
			return err
		}
	}
	a := &application{dir: dir, root: filepath.Join(dir, "fs"), work: orRoot(img.Config.WorkingDir), env: img.env()}
	if err := a.find(); err != nil {
		return err
	}
	if a.version == "" {
		return cairn.Errorf(cairn.CodeUnsupported, "the image %s holds no Python application: without a container and without its own root file system it cannot be run here", img.name).
			WithHint("start Docker or Podman, or allow user namespaces (sysctl user.max_user_namespaces)")
	}
	if t.o.Python == nil {
		return cairn.Errorf(cairn.CodeUnsupported, "Python %s cannot be looked for here", a.version)
	}
	if a.python, err = t.o.Python(ctx, a.version); err != nil {
		return err
	}
	if err := a.shims(); err != nil {
		return diskError(t.o.Home, err)
	}
	e := t.told(r, a.environ(t.o.Environ), port)
	work := a.inside(a.work)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return diskError(t.o.Home, err)
	}
	args := slices.Clone(c.Args)
	if args[0], err = a.program(img, args[0], lookup(e.list(), "PATH")); err != nil {
		return err
	}
	p.exec.Args, p.exec.Env, p.exec.Dir = args, e.list(), work
	p.notef("it runs on this machine's Python %s (%s), with the image's packages and files but not its system libraries; %s of the image is %s, other absolute paths are those of this machine",
		a.version, a.python, a.work, work)
	if u := img.Config.User; u != "" && u != "root" && u != "0" {
		p.notef("it runs as this user, not as %s", u)
	}
	return nil
}

// application are the layers above the base where it is known which these are.
func (i *image) application() []cairn.ImageLayer {
	var out []cairn.ImageLayer
	for _, l := range i.layers {
		if l.Role != cairn.LayerBase {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		return i.layers
	}
	return out
}

// application is the Python application of an image, unpacked.
type application struct {
	dir, root string // root is dir/fs
	work      string // WORKDIR
	env       []string
	version   string   // "3.11"
	sites     []string // folders of packages, in the root
	python    string   // of this machine
}

var (
	siteRE    = regexp.MustCompile(`^python(3\.[0-9]{1,2})$`)
	versionRE = regexp.MustCompile(`^(3\.[0-9]{1,2})(\.|$)`)
)

// inside is where a path of the image lies.
func (a *application) inside(p string) string {
	return filepath.Join(a.root, filepath.FromSlash(path.Clean("/"+p)))
}

// find looks for the folders of packages and the version that they are for.
func (a *application) find() error {
	r, err := (enter.Stack{a.root}).Open()
	if err != nil {
		return err
	}
	defer r.Close()
	prefixes := []string{a.work + "/.venv", a.work + "/venv", "/opt/venv", "/venv", "/usr/local", "/usr"}
	if v := lookup(a.env, "VIRTUAL_ENV"); v != "" {
		prefixes = append([]string{v}, prefixes...)
	}
	for _, prefix := range prefixes {
		lib, err := r.Resolve(prefix + "/lib")
		if err != nil {
			continue
		}
		es := r.List(lib)
		for _, e := range es {
			m := siteRE.FindStringSubmatch(e.Name())
			if m == nil || a.version != "" && a.version != m[1] {
				continue
			}
			site, err := r.Resolve(path.Join(lib, e.Name(), "site-packages"))
			if err != nil {
				continue
			}
			a.version = m[1]
			if full := filepath.Join(a.root, site); !slices.Contains(a.sites, full) {
				a.sites = append(a.sites, full)
			}
		}
	}
	if a.version == "" {
		if m := versionRE.FindStringSubmatch(lookup(a.env, "PYTHON_VERSION")); m != nil {
			a.version = m[1]
		}
	}
	return nil
}

const maxShims = 4096

// shims makes programs of this machine out of the image's Python scripts: their
// first line names an interpreter that is not here.
func (a *application) shims() error {
	bin := filepath.Join(a.dir, "bin")
	done := filepath.Join(a.dir, "python")
	if b, err := os.ReadFile(done); err == nil && string(b) == a.python {
		return nil // something may be running with them
	}
	if err := enter.RemoveAll(bin); err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	r, err := (enter.Stack{a.root}).Open()
	if err != nil {
		return err
	}
	defer r.Close()
	shim := func(name, script string) error {
		text := "#!/bin/sh\nexec " + quote(a.python)
		if script != "" {
			text += " " + quote(script)
		}
		return os.WriteFile(filepath.Join(bin, name), []byte(text+" \"$@\"\n"), 0o700)
	}
	for _, name := range []string{"python", "python3", "python" + a.version} {
		if err := shim(name, ""); err != nil {
			return err
		}
	}
	made := 0
	for dir := range strings.SplitSeq(lookup(a.env, "PATH"), ":") {
		p, err := r.Resolve(dir)
		if err != nil {
			continue
		}
		for _, e := range r.List(p) {
			if made >= maxShims || strings.HasPrefix(e.Name(), "python") || !e.Type().IsRegular() {
				continue
			}
			file := path.Join(p, e.Name())
			if _, err := os.Lstat(filepath.Join(bin, e.Name())); err == nil || !pythonScript(r[0], file) {
				continue
			}
			made++
			if err := shim(e.Name(), filepath.Join(a.root, file)); err != nil {
				return err
			}
		}
	}
	return writeFile(done, []byte(a.python))
}

// pythonScript reports whether a file starts with a line that names a Python.
func pythonScript(r *os.Root, file string) bool {
	f, err := r.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := bufio.NewReaderSize(f, 512).Peek(256)
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	if bytes.HasPrefix(line, []byte("#!/bin/sh")) { // a long path: '''exec' /…/python "$0" "$@"
		line, _, _ = bytes.Cut(rest, []byte("\n"))
		return bytes.Contains(line, []byte("python")) && bytes.Contains(line, []byte("exec"))
	}
	return bytes.HasPrefix(line, []byte("#!")) && bytes.Contains(line, []byte("python"))
}

// environ is the image's environment as far as it makes sense here, over what a
// program of this machine needs.
func (a *application) environ(owner []string) []string {
	var e environment
	for _, name := range []string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v := lookup(owner, name); v != "" {
			e.set(name, v)
		}
	}
	for _, kv := range a.env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "HOME", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD":
		default:
			e.add([]string{kv})
		}
	}
	var search []string
	for dir := range strings.SplitSeq(lookup(a.env, "PYTHONPATH"), ":") {
		if path.IsAbs(dir) {
			search = append(search, a.inside(dir))
		} else if dir != "" {
			search = append(search, dir)
		}
	}
	e.set("PYTHONPATH", strings.Join(append(search, a.sites...), ":"))
	e.set("PYTHONNOUSERSITE", "1")
	hostPath := lookup(owner, "PATH")
	if hostPath == "" {
		hostPath = "/usr/local/bin:/usr/bin:/bin"
	}
	e.set("PATH", filepath.Join(a.dir, "bin")+":"+hostPath)
	return e.list()
}

// program is what the first word of a command means here.
func (a *application) program(img *image, name, search string) (string, error) {
	if !strings.Contains(name, "/") {
		for dir := range strings.SplitSeq(search, ":") {
			if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				return name, nil // the stage's process looks there too
			}
		}
		return "", cairn.Errorf(cairn.CodeInvalid, "the command %s is neither in the image %s nor on this machine: looked for in %s and %s",
			name, img.name, lookup(a.env, "PATH"), search)
	}
	full := name
	if !path.IsAbs(full) {
		full = a.work + "/" + name
	}
	if shim := filepath.Join(a.dir, "bin", path.Base(name)); path.IsAbs(name) {
		if _, err := os.Stat(shim); err == nil {
			return shim, nil
		}
	}
	if (enter.Stack{a.root}).Executable(full) {
		return a.inside(full), nil
	}
	if path.IsAbs(name) {
		if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() && slices.Contains([]string{"/bin/sh", "/bin/bash", "/usr/bin/env", "/usr/bin/bash"}, name) {
			return name, nil
		}
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "the command %s is not among the application's files of the image %s", name, img.name).
		WithHint("only Python programs can be run without a container and without the image's own root file system")
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
