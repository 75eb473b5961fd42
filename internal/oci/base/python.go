package base

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// interpreter is what a Python says of itself.
type interpreter struct {
	Version    string `json:"version"` // "3.11.7"
	Minor      string `json:"minor"`   // "3.11", "3.13t"
	Impl       string `json:"impl"`
	Executable string `json:"exe"`
	Prefix     string `json:"prefix"`
	Stdlib     string `json:"stdlib"`
	Dynload    string `json:"dynload"`
	Libc       string `json:"libc"`
	CAFile     string `json:"cafile"`
	Debian     bool   `json:"debian"`
	MultiArch  string `json:"multiarch"`
}

// query must run on every Python 3. It looks at the interpreter below a virtual
// environment, which is what runs in the image.
const query = `import sys, os, json, sysconfig
v = sysconfig.get_config_vars()
exe = getattr(sys, "_base_executable", "") or sys.executable
lib = os.path.dirname(os.__file__)
dyn = [p for p in sys.path if p.endswith("lib-dynload")]
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError):
    libc = ""
try:
    import ssl
    ca = ssl.get_default_verify_paths().openssl_cafile
except ImportError:
    ca = ""
minor = "%d.%d" % sys.version_info[:2] + ("t" if v.get("Py_GIL_DISABLED") else "")
print(json.dumps({"version": sys.version.split()[0].rstrip("+"), "minor": minor, "impl": sys.implementation.name, "exe": os.path.realpath(exe),
 "prefix": sys.base_prefix, "stdlib": lib, "dynload": dyn[0] if dyn else "", "libc": libc, "cafile": ca,
 "debian": "posix_local" in sysconfig.get_scheme_names() or os.path.isdir("/usr/lib/python3/dist-packages") and sys.base_prefix == "/usr",
 "multiarch": v.get("MULTIARCH") or ""}))`

func ask(ctx context.Context, python string, environ []string) (*interpreter, error) {
	if python == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "no interpreter is named")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-I", "-S", "-c", query)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	cmd.Env = append([]string{}, environ...)
	out, err := cmd.Output()
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python 3: %w", python, err)
	}
	var py interpreter
	if err := json.Unmarshal(out, &py); err != nil || py.Stdlib == "" || py.Minor == "" {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python 3", python)
	}
	if py.Impl != "cpython" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "%s is %s; CPython can be captured", python, py.Impl)
	}
	for _, p := range []string{py.Executable, py.Prefix, py.Stdlib} {
		if !filepath.IsAbs(p) {
			return nil, cairn.Errorf(cairn.CodeFailed, "%s gives the path %q", python, p)
		}
	}
	if py.Libc == "" {
		py.Libc = "musl"
	}
	for _, p := range []*string{&py.Prefix, &py.Stdlib} {
		if real, err := filepath.EvalSymlinks(*p); err == nil {
			*p = real
		}
	}
	if py.Dynload == "" {
		if p := filepath.Join(py.Stdlib, "lib-dynload"); isDir(p) {
			py.Dynload = p
		}
	}
	return &py, nil
}

// moved reports whether the interpreter is put under /usr/local. It finds its
// library relative to itself, so it can be; the one of the distribution knows
// more paths and stays where it is.
func (py *interpreter) moved() bool { return py.Prefix != "/usr" }

// imagePrefix, imageExe and imageLib are paths of the image.
func (py *interpreter) imagePrefix() string {
	if py.moved() {
		return "usr/local"
	}
	return "usr"
}

func (py *interpreter) imageExe() string { return py.imagePrefix() + "/bin/python" + py.Minor }

func (py *interpreter) imageLib() string { return py.imagePrefix() + "/lib/python" + py.Minor }

// below returns the image's path of a file below the prefix.
func (py *interpreter) below(host string) (string, bool) {
	rel, err := filepath.Rel(py.Prefix, host)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return py.imagePrefix() + "/" + filepath.ToSlash(rel), true
}

func isDir(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.IsDir()
}

// interpreter adds the program and its names.
func (c *capture) interpreter() error {
	py := c.py
	exe := py.imageExe()
	if err := c.file(exe, py.Executable); err != nil {
		return err
	}
	c.host[py.Executable] = exe
	if err := c.libraries(py.Executable, nil); err != nil {
		return err
	}
	const bin = "usr/local/bin/"
	if !py.moved() {
		c.link(bin+"python"+py.Minor, "/"+exe)
		c.link("usr/bin/python3", "python"+py.Minor)
	}
	c.link(bin+"python3", "python"+py.Minor)
	c.link(bin+"python", "python3")
	return nil
}

// What of the standard library stays behind, by its first folders: tests, the
// editor and the window toolkit, which need much more than they bring, and what
// brings pip.
func skip(rel string) bool {
	parts := strings.Split(rel, "/")
	switch parts[0] {
	case "site-packages", "dist-packages", "test", "idlelib", "turtledemo", "ensurepip", "tkinter", "turtle.py", "LICENSE.txt":
		return true
	}
	if strings.HasPrefix(parts[0], "config-") {
		return true // what one needs to build a Python into a program
	}
	for _, p := range parts {
		if p == "__pycache__" || p == "tests" || p == "test" || p == "idle_test" {
			return true
		}
	}
	base := parts[len(parts)-1]
	for _, prefix := range []string{"_tkinter.", "_test", "_xx", "xxlimited", "_ctypes_test."} {
		if parts[0] == "lib-dynload" && strings.HasPrefix(base, prefix) {
			return true
		}
	}
	for _, suffix := range []string{".pyc", ".pyo", ".a", ".o", ".exe"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	return false
}

// library adds the standard library and the libraries of its extensions.
func (c *capture) library() error {
	py := c.py
	if err := c.walk(py.Stdlib, py.imageLib(), ""); err != nil {
		return err
	}
	if py.Dynload != "" && filepath.Dir(py.Dynload) != py.Stdlib {
		if err := c.walk(py.Dynload, py.imageLib()+"/lib-dynload", "lib-dynload/"); err != nil {
			return err
		}
	}
	c.dir(py.imageLib()+"/lib-dynload", 0o755)
	switch {
	case py.moved():
		c.dir(py.imageLib()+"/site-packages", 0o755)
	case py.Debian:
		c.dir("usr/local/lib/python"+py.Minor+"/dist-packages", 0o755)
		c.dir("usr/lib/python3/dist-packages", 0o755)
	default:
		c.dir(py.imageLib()+"/site-packages", 0o755)
	}
	c.note("without tests, idlelib, tkinter and ensurepip of the standard library, and without pip")
	return nil
}

// walk adds a folder of the host. Links are followed where they lead to files:
// distributions put parts of the library elsewhere.
func (c *capture) walk(host, image, rel string) error {
	return filepath.WalkDir(host, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return cairn.Errorf(cairn.CodeFailed, "the standard library cannot be read: %w", err)
		}
		r, err := filepath.Rel(host, p)
		if err != nil || r == "." {
			return err
		}
		r = filepath.ToSlash(r)
		if skip(rel + r) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		fi, err := os.Stat(p)
		if err != nil || !fi.Mode().IsRegular() {
			return nil // a link to nothing, or to a folder: nothing imports it
		}
		if err := c.file(image+"/"+r, p); err != nil {
			return err
		}
		if strings.Contains(filepath.Base(p), ".so") && isELF(p) {
			c.host[p] = image + "/" + r
			return c.libraries(p, c.elf.mainPaths)
		}
		return nil
	})
}
