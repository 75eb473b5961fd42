package wheel

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// Keep chooses the files that Target reads, for layer.IndexOptions: an index
// made with it makes Target cheap.
func Keep(p string, size int64) bool {
	base := path.Base(p)
	switch {
	case size > 8<<20:
		return false
	case strings.HasPrefix(base, "libc.so."), strings.HasPrefix(base, "libc-2."), strings.HasPrefix(base, "ld-musl-"), base == "pyvenv.cfg", base == "os-release":
		return true
	case base == "RECORD" && strings.HasSuffix(path.Dir(p), ".dist-info"):
		return size < 1<<20
	}
	return false
}

// imageConfig is the part of an image's configuration that matters here.
type imageConfig struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant"`
	Config       struct {
		Env []string `json:"Env"`
	} `json:"config"`
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var pythonRE = regexp.MustCompile(`^python3\.(\d{1,2})(t?)$`)

// Target finds where packages go in an image: its Python (the first on the PATH
// of the configuration, a virtual environment too), C library and architecture.
// It fills the fields of a Request from Python to Interpreter.
func Target(ctx context.Context, f *layer.FS, config []byte) (Request, error) {
	var c imageConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return Request{}, cairn.Errorf(cairn.CodeInvalid, "the configuration of the base image cannot be read: %w", err)
	}
	if c.OS == "" {
		c.OS = "linux"
	}
	r := Request{Platform: c.OS + "/" + c.Architecture}
	env := map[string]string{}
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	dirs := env["PATH"]
	if dirs == "" {
		dirs = defaultPath
	}
	if venv := env["VIRTUAL_ENV"]; venv != "" {
		dirs = venv + "/bin:" + dirs
	}
	bin, err := findPython(f, strings.Split(dirs, ":"))
	if err != nil {
		return Request{}, err
	}
	if err := place(ctx, f, bin, &r); err != nil {
		return Request{}, err
	}
	r.Libc, err = libc(ctx, f)
	return r, err
}

// findPython returns the first interpreter on the path.
func findPython(f *layer.FS, dirs []string) (string, error) {
	for _, d := range dirs {
		if !path.IsAbs(d) {
			continue
		}
		for _, name := range []string{"python3", "python"} {
			p := path.Join(d, name)
			if i, err := f.Stat(p); err == nil && i.Type == tar.TypeReg && i.Mode&0o111 != 0 {
				return strings.TrimPrefix(p, "/"), nil
			}
		}
	}
	return "", cairn.Errorf(cairn.CodeUnsupported, "the base image has no Python 3 in %s", strings.Join(dirs, ":")).
		WithHint("packages are unpacked for the Python of the image: start FROM one that has it (python:3.11-slim)")
}

// place finds site-packages, the scripts' folder and the interpreter's name.
func place(ctx context.Context, f *layer.FS, bin string, r *Request) error {
	real, err := f.Stat(bin)
	if err != nil {
		return err
	}
	prefix := path.Dir(path.Dir(real.Path))
	venv := path.Dir(path.Dir(bin))
	if cfg, err := f.ReadFile(ctx, venv+"/pyvenv.cfg", 1<<20); err == nil {
		minor, ok := venvVersion(f, venv, cfg, real.Path)
		if !ok {
			return cairn.Errorf(cairn.CodeUnsupported, "the version of the virtual environment /%s is not known", venv)
		}
		r.Python = minor
		r.Prefix, r.ScriptsDir = venv, venv+"/bin"
		r.SitePackages = fmt.Sprintf("%s/lib/python%s/site-packages", venv, minor)
		r.Interpreter = "/" + bin
		return nil
	}
	m := pythonRE.FindStringSubmatch(path.Base(real.Path))
	if m == nil {
		m = onlyPython(f, prefix)
	}
	if m == nil {
		return cairn.Errorf(cairn.CodeUnsupported, "the version of the Python at /%s is not known", real.Path)
	}
	r.Python = "3." + m[1] + m[2]
	lib := "lib/python" + r.Python
	r.Prefix = prefix
	site := "site-packages"
	// Debian's own Python installs beside itself, and names the folder otherwise.
	if prefix == "usr" && debian(ctx, f) {
		r.Prefix, site = "usr/local", "dist-packages"
	}
	r.SitePackages = path.Join(r.Prefix, lib, site)
	r.ScriptsDir = path.Join(r.Prefix, "bin")
	r.Interpreter = "/" + bin
	if p := path.Join(path.Dir(bin), "python"+r.Python); p != bin {
		if i, err := f.Stat(p); err == nil && i.Path == real.Path {
			r.Interpreter = "/" + p
		}
	}
	return nil
}

var cfgVersionRE = regexp.MustCompile(`(?m)^version(?:_info)?\s*=\s*3\.(\d{1,2})`)

func venvVersion(f *layer.FS, venv string, cfg []byte, real string) (string, bool) {
	if m := pythonRE.FindStringSubmatch(path.Base(real)); m != nil {
		return "3." + m[1] + m[2], true
	}
	if m := cfgVersionRE.FindSubmatch(cfg); m != nil {
		return "3." + string(m[1]), true
	}
	if m := onlyPython(f, venv); m != nil {
		return "3." + m[1] + m[2], true
	}
	return "", false
}

// onlyPython finds the one standard library below a prefix.
func onlyPython(f *layer.FS, prefix string) []string {
	found, err := f.Glob(path.Join(prefix, "lib", "python3.*"))
	if err != nil || len(found) != 1 {
		return nil
	}
	return pythonRE.FindStringSubmatch(path.Base(found[0]))
}

func debian(ctx context.Context, f *layer.FS) bool {
	if _, err := f.Stat("usr/lib/python3/dist-packages"); err == nil {
		return true
	}
	b, err := f.ReadFile(ctx, "etc/os-release", 1<<20)
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		k, v, _ := strings.Cut(line, "=")
		if k == "ID" || k == "ID_LIKE" {
			for w := range strings.FieldsSeq(strings.Trim(v, `"'`)) {
				if w == "debian" || w == "ubuntu" {
					return true
				}
			}
		}
	}
	return false
}

var (
	glibcRE = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`GNU C Library [^\n]{0,200}version (2\.\d{1,3})`)
	})
	glibcFileRE = regexp.MustCompile(`^libc-(2\.\d{1,3})\.so$`)
	muslRE      = regexp.MustCompile(`\x00(1\.\d{1,2})\.\d{1,3}\x00`)
)

// libc tells the C library from the library itself, which every image that runs
// a Python has; the newest is meant where several lie about.
func libc(ctx context.Context, f *layer.FS) (string, error) {
	var found []string
	for _, pattern := range []string{"lib/*/libc.so.6", "lib64/libc.so.6", "lib/libc.so.6", "usr/lib/*/libc.so.6", "usr/lib64/libc.so.6", "usr/lib/libc.so.6"} {
		ps, err := f.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, ps...)
	}
	best := -1
	seen := map[string]bool{}
	for _, p := range found {
		i, err := f.Stat(p)
		if err != nil || seen[i.Path] {
			continue
		}
		seen[i.Path] = true
		v := ""
		if m := glibcFileRE.FindStringSubmatch(path.Base(i.Path)); m != nil {
			v = m[1]
		} else {
			b, err := f.ReadFile(ctx, p, 16<<20)
			if err != nil {
				return "", err
			}
			if m := glibcRE().FindSubmatch(b); m != nil {
				v = string(m[1])
			}
		}
		if minor, err := strconv.Atoi(strings.TrimPrefix(v, "2.")); err == nil && v != "" {
			best = max(best, minor)
		}
	}
	if best >= 0 {
		return fmt.Sprintf("glibc 2.%d", best), nil
	}
	musl, err := f.Glob("lib/ld-musl-*.so.1")
	if err != nil || len(musl) == 0 {
		return "", cairn.Errorf(cairn.CodeUnsupported, "the C library of the base image is not known: there is neither libc.so.6 nor ld-musl").
			WithHint("images with glibc (Debian, Ubuntu, Fedora) and musl (Alpine) are known")
	}
	slices.Sort(musl)
	b, err := f.ReadFile(ctx, musl[0], 16<<20)
	if err != nil {
		return "", err
	}
	if m := muslRE.FindSubmatch(bytes.TrimSpace(b)); m != nil {
		return "musl " + string(m[1]), nil
	}
	return "musl 1.1", nil
}
