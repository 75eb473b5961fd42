// Package wheel makes the layer of an image that holds Python packages, without
// running anything in the image: requirements are resolved to a lock of wheels
// for the image's Python, C library and architecture; the wheels are fetched with
// the user's own pip, verified, and unpacked as an installer would.
//
// The same lock gives the same bytes on any machine. With a lock and its wheels
// stored, no network and no other program is needed.
package wheel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// Tool is a program of the user's: how it is called, and with which environment.
type Tool struct {
	Args    []string // the beginning of its command line: ["/usr/bin/python3", "-m", "pip"]
	Env     []string
	Version string
	// Python is the version of the interpreter that it runs on ("3.11"); pip
	// evaluates markers for that one, whatever it is asked for.
	Python string
}

// Options are what a Builder works with.
type Options struct {
	// Cache is a folder for wheels, locks and finished layers, shared by all
	// builders of a machine.
	Cache string
	// UV returns uv, or why there is none. It is asked when something is to be
	// resolved.
	UV func(ctx context.Context) (Tool, error)
	// Pip returns a pip, on that Python where there is one.
	Pip func(ctx context.Context, python string) (Tool, error)
	// Settings is the user's own configuration of indexes, without credentials: a
	// lock that was made with another is not used.
	Settings string
}

// Builder makes layers.
type Builder struct{ o Options }

// New returns a Builder.
func New(o Options) *Builder { return &Builder{o} }

// Request asks for a layer. What Target fills in says where it goes.
type Request struct {
	// Requirements are the lines of the requirements files and of the command line.
	Requirements []byte
	// File is the name of the requirements file inside ContextDir, for messages and
	// for what it includes by relative paths.
	File       string
	ContextDir string

	Python       string // "3.11", "3.13t" where it is free-threaded
	Platform     string // "linux/amd64"
	Libc         string // "glibc 2.36", "musl 1.2"
	SitePackages string // "usr/local/lib/python3.11/site-packages"
	ScriptsDir   string // "usr/local/bin"
	Prefix       string // "usr/local"; "": the folder above ScriptsDir
	Interpreter  string // of scripts: "/usr/local/bin/python3.11"

	// Args are further options of the pip command ("--no-cache-dir"), Env the
	// variables that it would see in the image (PIP_INDEX_URL).
	Args []string
	Env  map[string]string
	// Base is the image below; packages that it has in another version are removed
	// from it. nil: nothing is there.
	Base *layer.FS
	// Locks keeps locks; nil: those of the cache.
	Locks LockStore
	// Dir is where the layer is written when there is no cache.
	Dir string
	// Fresh resolves again, whatever lock is stored.
	Fresh bool
	Log   io.Writer
}

// Result is a layer of packages.
type Result struct {
	// Layer lies in the cache where there is one: it is read, never moved.
	Layer *layer.Blob
	// Lock is the lock file (pylock.toml, PEP 751), LockKey what it is kept under.
	Lock     []byte
	LockKey  cairn.Digest
	Packages []Package
	// Props describe the lock as those of a recorded environment.
	Props    map[string]string
	Warnings []string
	// Resolved and Built say what was not there already.
	Resolved, Built bool
}

// Note says for people what the layer holds.
func (r *Result) Note() string {
	if len(r.Packages) == 1 {
		return "1 package"
	}
	return fmt.Sprintf("%d packages", len(r.Packages))
}

// Layer resolves, fetches and unpacks; each step only where its outcome is not
// stored yet.
func (b *Builder) Layer(ctx context.Context, r Request) (*Result, error) {
	t, err := newTarget(&r)
	if err != nil {
		return nil, err
	}
	reqs, err := readRequirements(&r)
	if err != nil {
		return nil, err
	}
	lock, key, fresh, err := b.lock(ctx, &r, t, reqs)
	if err != nil {
		return nil, err
	}
	res := &Result{Lock: lock.Render(), LockKey: key, Packages: lock.Packages, Resolved: fresh, Warnings: reqs.warnings}
	res.Props = map[string]string{
		"python": t.python, "platform": t.platform, "libc": t.libc, "packages": strconv.Itoa(len(lock.Packages)),
		"hashed": strconv.Itoa(len(lock.Packages)), "format": "pylock.toml",
	}
	gone, err := replaced(ctx, &r, lock)
	if err != nil {
		return nil, err
	}
	id := layerKey(t, res.Lock, gone)
	if blob, warnings, ok := b.storedLayer(id); ok {
		res.Layer = blob
		res.Warnings = append(res.Warnings, warnings...)
		logf(r.Log, "%d packages for Python %s: the layer is there already", len(lock.Packages), t.python)
		return res, nil
	}
	wheels, err := b.fetch(ctx, &r, t, reqs, lock)
	if err != nil {
		return nil, err
	}
	blob, warnings, err := b.build(ctx, &r, t, lock, wheels, gone)
	if err != nil {
		return nil, err
	}
	res.Layer, res.Built = blob, true
	res.Warnings = append(res.Warnings, warnings...)
	return res, b.storeLayer(id, blob, warnings)
}

// format is part of every key: it changes when the same lock gives other bytes.
const format = "cairn-wheels-1"

func layerKey(t *target, lock []byte, gone []string) cairn.Digest {
	b, err := json.Marshal([]any{format, string(lock), t.site, t.scripts, t.prefix, t.interpreter, gone})
	if err != nil {
		panic(err) // strings always marshal
	}
	return cairn.SumBytes(b)
}

// storedNote stands beside a cached layer.
type storedNote struct {
	Blob     layer.Blob `json:"blob"`
	Warnings []string   `json:"warnings,omitempty"`
}

func (b *Builder) layersDir() string { return filepath.Join(b.o.Cache, "layers") }

// storedLayer finds a finished layer. It was synced before its note was written,
// so a note means a whole layer; one that the disk damaged since is made anew.
func (b *Builder) storedLayer(id cairn.Digest) (*layer.Blob, []string, bool) {
	if b.o.Cache == "" {
		return nil, nil, false
	}
	raw, err := os.ReadFile(filepath.Join(b.layersDir(), id.Hex()+".json"))
	var n storedNote
	if err != nil || json.Unmarshal(raw, &n) != nil || !n.Blob.Digest.Valid() {
		return nil, nil, false
	}
	n.Blob.Path = filepath.Join(b.layersDir(), n.Blob.Digest.Hex()+".tar")
	if !whole(n.Blob.Path, n.Blob.Digest.Hex(), n.Blob.Size) {
		return nil, nil, false
	}
	return &n.Blob, n.Warnings, true
}

func (b *Builder) storeLayer(id cairn.Digest, blob *layer.Blob, warnings []string) error {
	if b.o.Cache == "" {
		return nil
	}
	if err := syncFile(blob.Path); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the layer cannot be kept: %w", err)
	}
	n := storedNote{Blob: *blob, Warnings: warnings}
	n.Blob.Path = ""
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return writeAtomic(filepath.Join(b.layersDir(), id.Hex()+".json"), raw)
}

func (b *Builder) build(ctx context.Context, r *Request, t *target, lock *Lock, wheels []string, gone []string) (*layer.Blob, []string, error) {
	dir := r.Dir
	if b.o.Cache != "" {
		dir = b.layersDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, cairn.Errorf(cairn.CodeFailed, "no place for the layer: %w", err)
	}
	in, err := install(t, lock, wheels)
	if err != nil {
		return nil, nil, err
	}
	defer in.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what unpacks ahead
	files := in.files(ctx)
	paths := map[string]bool{}
	for _, f := range files {
		paths[f.Path] = true
	}
	for _, p := range gone {
		if !paths[p] {
			files = append(files, layer.Whiteout(p))
		}
	}
	if r.Base != nil {
		if files, err = r.Base.Place(files); err != nil {
			return nil, nil, err
		}
	}
	blob, err := layer.Build(ctx, dir, files)
	if err != nil {
		return nil, nil, err
	}
	logf(r.Log, "%d packages for Python %s unpacked: %d files, %.1f MB", len(lock.Packages), t.python, len(files), float64(blob.Size)/1e6)
	return blob, in.warnings, nil
}

// target is the checked half of a Request that says what is built for.
type target struct {
	python, platform, libc, arch       string
	major, minor                       int
	threaded                           bool // free-threaded
	musl                               bool
	libcMajor, libcMinor               int
	site, scripts, prefix, interpreter string
	tags                               map[string]int // how good a tag is: smaller is better
	list                               []string
}

func newTarget(r *Request) (*target, error) {
	t := &target{python: r.Python, platform: r.Platform, libc: r.Libc, site: r.SitePackages, scripts: r.ScriptsDir, prefix: r.Prefix, interpreter: r.Interpreter}
	bad := func(what, found, allowed string) error {
		return cairn.Errorf(cairn.CodeUnsupported, "packages cannot be unpacked for %s %q", what, found).WithHint("known is %s", allowed)
	}
	v, threaded := strings.CutSuffix(r.Python, "t")
	t.threaded = threaded
	if n, err := fmt.Sscanf(v, "%d.%d", &t.major, &t.minor); n != 2 || err != nil || t.major != 3 || t.minor < 6 || t.minor > 99 || v != fmt.Sprintf("%d.%d", t.major, t.minor) {
		return nil, bad("Python", r.Python, "3.6 and later, as in 3.11 or 3.13t")
	}
	arches := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
	base, _, _ := strings.Cut(r.Platform, "/v8")
	if t.arch = arches[base]; t.arch == "" {
		return nil, bad("the platform", r.Platform, "linux/amd64 and linux/arm64")
	}
	name, lv, _ := strings.Cut(r.Libc, " ")
	if n, err := fmt.Sscanf(lv, "%d.%d", &t.libcMajor, &t.libcMinor); n != 2 || err != nil || t.libcMinor < 0 || t.libcMinor > 999 ||
		!(name == "glibc" && t.libcMajor == 2 || name == "musl" && t.libcMajor == 1) {
		return nil, bad("the C library", r.Libc, `"glibc 2.36" or "musl 1.2"`)
	}
	t.musl = name == "musl"
	for what, p := range map[string]string{"site-packages": t.site, "the scripts' folder": t.scripts} {
		if p == "" || filepath.IsAbs(p) || !filepath.IsLocal(p) || filepath.Clean(p) != p {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s %q is not a path inside an image", what, p)
		}
	}
	if t.prefix == "" {
		t.prefix = filepath.Dir(t.scripts)
	}
	if !strings.HasPrefix(t.interpreter, "/") || strings.ContainsAny(t.interpreter, "\n\x00") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the interpreter %q is not an absolute path", t.interpreter)
	}
	t.list = t.compatible()
	t.tags = make(map[string]int, len(t.list))
	for i, tag := range t.list {
		if _, there := t.tags[tag]; !there {
			t.tags[tag] = i
		}
	}
	return t, nil
}

// String is for messages.
func (t *target) String() string {
	return fmt.Sprintf("Python %s, %s, %s", t.python, t.platform, t.libc)
}

func logf(w io.Writer, format string, args ...any) {
	if w != nil {
		fmt.Fprintf(w, format+"\n", args...)
	}
}

// sortedKeys keeps whatever is made from a map the same each time.
func sortedKeys[V any](m map[string]V) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
