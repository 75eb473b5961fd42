package wheel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	resolveTimeout = 10 * time.Minute
	maxAnswer      = 64 << 20
)

// lock returns the stored lock of the requirements, or resolves them.
func (b *Builder) lock(ctx context.Context, r *Request, t *target, q *requirements) (*Lock, cairn.Digest, bool, error) {
	store := r.Locks
	if store == nil {
		store = DirLocks(filepath.Join(b.o.Cache, "locks"))
		if b.o.Cache == "" {
			store = noLocks{}
		}
	}
	raw, err := json.Marshal([]any{"cairn-lock-1", q.key(), t.python, t.platform, t.libc, b.o.Settings})
	if err != nil {
		return nil, "", false, err
	}
	key := cairn.SumBytes(raw)
	if !r.Fresh {
		text, err := store.Get(ctx, key)
		if err != nil {
			return nil, "", false, err
		}
		// One that was damaged since it was stored is made anew.
		if l, err := ParseLock(text); text != nil && err == nil {
			return l, key, false, nil
		}
	}
	l, err := b.resolve(ctx, r, t, q)
	if err != nil {
		return nil, "", false, err
	}
	if len(l.Packages) > maxPackages {
		return nil, "", false, cairn.Errorf(cairn.CodeTooLarge, "the requirements come to %d packages; at most %d are unpacked", len(l.Packages), maxPackages)
	}
	return l, key, true, store.Put(ctx, key, l.Render())
}

// resolve asks uv, which resolves for any Python and platform; without one pip
// is asked, if it runs on the Python that is wanted: it evaluates the markers of
// requirements for its own.
func (b *Builder) resolve(ctx context.Context, r *Request, t *target, q *requirements) (*Lock, error) {
	if t.threaded {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "packages for the free-threaded Python %s are not resolved without an executor", t.python)
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	start := time.Now()
	dir, err := os.MkdirTemp("", "cairn-resolve-")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for the requirements: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "requirements.in"), []byte(q.text()), 0o600); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the requirements cannot be handed on: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "constraints.txt"), []byte(strings.Join(q.constraints, "\n")+"\n"), 0o600); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the constraints cannot be handed on: %w", err)
	}
	var offers map[string][]Package
	how := "uv"
	uv, uvErr := b.tool(ctx, b.o.UV)
	if uvErr == nil {
		how = "uv " + uv.Version
		offers, err = uvResolve(ctx, uv, dir, t, q)
	} else {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		how = "pip"
		offers, err = b.pipResolve(ctx, dir, t, q, uvErr)
	}
	if err != nil {
		return nil, err
	}
	l, err := pick(t, q, offers)
	if err != nil {
		return nil, err
	}
	logf(r.Log, "%d packages resolved for %s by %s in %.1f s", len(l.Packages), t, how, time.Since(start).Seconds())
	return l, nil
}

func (b *Builder) tool(ctx context.Context, get func(context.Context) (Tool, error)) (Tool, error) {
	if get == nil {
		return Tool{}, errors.New("none is configured")
	}
	t, err := get(ctx)
	if err == nil && len(t.Args) == 0 {
		err = errors.New("there is none")
	}
	return t, err
}

// pick chooses one wheel of each package.
func pick(t *target, q *requirements, offers map[string][]Package) (*Lock, error) {
	allowed, strict := q.hashed()
	l := &Lock{Python: t.python, Platform: t.platform, Libc: t.libc}
	for _, name := range sortedKeys(offers) {
		ws := offers[name]
		if strict {
			if len(allowed[name]) == 0 {
				return nil, cairn.Errorf(cairn.CodeInvalid, "the requirements give hashes, but none for %s %s", name, ws[0].Version).
					WithHint("pip-compile --generate-hashes or uv pip compile --generate-hashes writes all of them")
			}
			ws = slices.DeleteFunc(slices.Clone(ws), func(p Package) bool { return p.File != "" && !slices.Contains(allowed[name], p.SHA256) })
			if len(ws) == 0 {
				return nil, cairn.Errorf(cairn.CodeInvalid, "no wheel of %s %s has one of the hashes that the requirements give", name, offers[name][0].Version)
			}
		}
		p, ok := t.choose(ws)
		if !ok {
			return nil, noWheel(t, name, offers[name])
		}
		if !p.proper() {
			return nil, cairn.Errorf(cairn.CodeFailed, "the index offers %q for %s, which is no proper wheel", p.File, name)
		}
		l.Packages = append(l.Packages, p)
	}
	if len(l.Packages) == 0 && len(q.lines) > 0 {
		return l, nil // every requirement has a marker that is false here
	}
	return l, nil
}

var lineHashRE = regexp.MustCompile(`--hash[= ]sha256:([0-9a-fA-F]{64})`)

// hashed are the SHA-256 sums that the requirements allow, by package; strict
// says that all packages need one, as in pip when any line has one.
func (q *requirements) hashed() (map[string][]string, bool) {
	out := map[string][]string{}
	strict := q.hashes
	for _, line := range append(slices.Clone(q.lines), q.constraints...) {
		m := nameRE.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		strict = strict || strings.Contains(line, "--hash")
		for _, h := range lineHashRE.FindAllStringSubmatch(line, -1) {
			out[normalize(m[1])] = append(out[normalize(m[1])], strings.ToLower(h[1]))
		}
	}
	return out, strict
}

// noWheel is the error for a package that would have to be built.
func noWheel(t *target, name string, ws []Package) error {
	var there []string
	for _, w := range ws {
		if w.File != "" {
			there = append(there, w.File)
		}
	}
	what := "there is only its source"
	if n := len(there); n > 0 {
		slices.Sort(there)
		if n > 6 {
			there = append(there[:6], fmt.Sprintf("and %d more", n-6))
		}
		what = "there are " + strings.Join(there, ", ")
	}
	return cairn.Errorf(cairn.CodeUnsupported, "%s %s has no wheel for %s: %s", name, ws[0].Version, t, what).
		WithHint("wanted is a wheel with a tag like %s or py3-none-any; name a version that has one, or build with Docker or buildah", t.list[0])
}

// uvPlatforms are the values of uv's --python-platform, newest C library first.
var uvGlibc = []int{40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17}

func (t *target) uvPlatforms() []string {
	if t.musl {
		return []string{t.arch + "-unknown-linux-musl"}
	}
	var out []string
	for _, m := range uvGlibc {
		if m <= t.libcMinor {
			out = append(out, fmt.Sprintf("%s-manylinux_2_%d", t.arch, m))
		}
	}
	if len(out) == 0 {
		out = append(out, t.arch+"-manylinux2014")
	}
	return out
}

func uvResolve(ctx context.Context, uv Tool, dir string, t *target, q *requirements) (map[string][]Package, error) {
	plats := t.uvPlatforms()
	for i, plat := range plats {
		args := append(slices.Clone(uv.Args), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", t.python,
			"--python-platform", plat, "--only-binary", ":all:", "--index-strategy", "unsafe-best-match",
			"--constraints", "constraints.txt", "--format", "pylock.toml", "--output-file", "pylock.toml")
		if q.pre {
			args = append(args, "--prerelease=allow")
		}
		if q.noDeps {
			args = append(args, "--no-deps")
		}
		_, said, err := run(ctx, uv, append(args, "requirements.in"), dir)
		if err != nil && strings.Contains(said, "invalid value '"+plat+"'") && i+1 < len(plats) {
			continue // an older uv does not know this one
		}
		if err != nil {
			return nil, resolveError(ctx, t, "uv", said, err)
		}
		return readOffers(filepath.Join(dir, "pylock.toml"))
	}
	return nil, cairn.Errorf(cairn.CodeUnsupported, "uv %s does not know the platform %s", uv.Version, plats[len(plats)-1])
}

func readOffers(path string) (map[string][]Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "uv wrote no lock: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "uv's lock cannot be read: %w", err)
	}
	offers := map[string][]Package{}
	n := 0
	_, err = lockLines(text, func(p Package) error {
		if n++; n > 500_000 {
			return cairn.Errorf(cairn.CodeTooLarge, "uv's lock has too many wheels")
		}
		p.local = localFile(filepath.Dir(path), p)
		if p.local != "" {
			p.URL = ""
		}
		offers[p.Name] = append(offers[p.Name], p)
		return nil
	})
	return offers, err
}

// localFile is the wheel's file where it lies in a folder of the user's.
func localFile(dir string, p Package) string {
	where := p.local
	if where == "" {
		where = p.URL
	}
	if f, ok := strings.CutPrefix(where, "file://"); ok {
		return filepath.FromSlash(f)
	}
	if p.local == "" {
		return ""
	}
	if filepath.IsAbs(where) {
		return where
	}
	return filepath.Join(dir, where)
}

// pipResolve asks a pip that runs on the wanted Python.
func (b *Builder) pipResolve(ctx context.Context, dir string, t *target, q *requirements, noUV error) (map[string][]Package, error) {
	pip, err := b.tool(ctx, func(ctx context.Context) (Tool, error) {
		if b.o.Pip == nil {
			return Tool{}, nil
		}
		return b.o.Pip(ctx, t.python)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the requirements cannot be resolved: no uv (%s) and no pip (%s)", lastLines(noUV.Error(), 1), lastLines(err.Error(), 1)).
			WithHint("put uv on PATH, or install pip for Python %s", t.python)
	}
	if pip.Python != t.python {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the requirements cannot be resolved for Python %s: there is no uv (%s), and pip runs on Python %s", t.python, lastLines(noUV.Error(), 1), pip.Python).
			WithHint("put uv on PATH, or install Python %s with pip", t.python)
	}
	args := append(slices.Clone(pip.Args), "install", "--quiet", "--dry-run", "--ignore-installed", "--disable-pip-version-check", "--no-input",
		"--only-binary=:all:", "--target", "target", "--report", "report.json")
	args = append(args, t.pipTarget()...)
	if q.pre {
		args = append(args, "--pre")
	}
	if q.noDeps {
		args = append(args, "--no-deps")
	}
	_, said, err := run(ctx, pip, append(args, "-c", "constraints.txt", "-r", "requirements.in"), dir)
	if err != nil {
		return nil, resolveError(ctx, t, "pip", said, err)
	}
	return readReport(filepath.Join(dir, "report.json"))
}

// pipTarget are the options that make pip look for another machine's wheels.
func (t *target) pipTarget() []string {
	args := []string{"--python-version", strings.TrimSuffix(t.python, "t"), "--implementation", "cp"}
	for _, a := range t.abis() {
		args = append(args, "--abi", a)
	}
	for _, p := range t.platforms() {
		args = append(args, "--platform", p)
	}
	return args
}

func (t *target) abis() []string {
	_, abi, _ := strings.Cut(t.list[0], "-")
	abi, _, _ = strings.Cut(abi, "-")
	if t.threaded {
		return []string{abi, "none"}
	}
	return []string{abi, "abi3", "none"}
}

// readReport takes the wheels out of pip's installation report.
func readReport(path string) (map[string][]Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "pip wrote no report: %w", err).WithHint("pip 22.2 or later is needed")
	}
	defer f.Close()
	var rep struct {
		Install []struct {
			Direct   bool `json:"is_direct"`
			Download struct {
				URL     string `json:"url"`
				Archive struct {
					Hashes map[string]string `json:"hashes"`
				} `json:"archive_info"`
			} `json:"download_info"`
			Metadata struct{ Name, Version string } `json:"metadata"`
		} `json:"install"`
	}
	if err := json.NewDecoder(io.LimitReader(f, maxAnswer)).Decode(&rep); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "pip's report cannot be read: %w", err)
	}
	offers := map[string][]Package{}
	for _, i := range rep.Install {
		p := Package{Name: normalize(i.Metadata.Name), Version: i.Metadata.Version, SHA256: i.Download.Archive.Hashes["sha256"],
			URL: stripUser(i.Download.URL), File: fileOf(i.Download.URL), Direct: i.Direct}
		if !sha256RE.MatchString(p.SHA256) {
			return nil, cairn.Errorf(cairn.CodeFailed, "pip does not know the SHA-256 of %s", p.Name)
		}
		if strings.HasPrefix(p.URL, "file://") {
			p.local, p.URL = strings.TrimPrefix(p.URL, "file://"), ""
		}
		offers[p.Name] = append(offers[p.Name], p)
	}
	return offers, nil
}
