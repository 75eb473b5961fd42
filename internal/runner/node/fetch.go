package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Dist is where Node's own releases are.
const Dist = "https://nodejs.org/dist"

// Fetcher brings a Node to the tool cache: an archive of Dist or of a mirror, else
// the package of the npm registry that carries the program.
type Fetcher struct {
	ToolCache   string
	Mirror      string // instead of Dist
	MirrorToken string
	// NPM is the npm of this machine, "" where there is none; Environ its environment,
	// with the user's configuration of registries.
	NPM     string
	Environ []string
	Client  *http.Client // nil: one that takes the proxies of this process
	Log     func(format string, args ...any)
}

// The bounds of what is fetched.
const (
	maxIndex    = 64 << 20
	maxArchive  = 512 << 20
	maxUnpacked = 2 << 30
	maxEntries  = 100_000
)

// Fetch brings the newest version that spec asks for.
func (f *Fetcher) Fetch(ctx context.Context, spec Spec) (Node, error) {
	n, err := f.fromDist(ctx, spec)
	if err == nil || f.Mirror != "" || ctx.Err() != nil || cairn.CodeOf(err) == cairn.CodeNotFound {
		return n, err
	}
	if f.NPM == "" {
		return n, err
	}
	f.Log("%s cannot be reached: the npm registry is asked", Dist)
	n, npmErr := f.fromNPM(ctx, spec)
	if npmErr != nil {
		return n, fmt.Errorf("%w; npm: %w", err, npmErr)
	}
	return n, nil
}

// Newest is the newest version of Dist that spec asks for.
func (f *Fetcher) Newest(ctx context.Context, spec Spec) (Version, error) {
	var list []struct {
		Version string          `json:"version"`
		LTS     json.RawMessage `json:"lts"`
		Files   []string        `json:"files"`
	}
	b, err := f.get(ctx, "index.json", maxIndex)
	if err != nil {
		return Version{}, err
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return Version{}, cairn.Errorf(cairn.CodeUnavailable, "%s/index.json is not a list of releases: %w", f.base(), err)
	}
	best, found := Version{}, false
	for _, e := range list {
		v, ok := Parse(e.Version)
		switch {
		case !ok, found && v.Compare(best) < 0:
		case spec.LTS:
			if l := string(e.LTS); l != "false" && l != "" && l != "null" && v.Pre == "" {
				best, found = v, true
			}
		case spec.Matches(v):
			best, found = v, true
		}
	}
	if !found {
		return best, cairn.Errorf(cairn.CodeNotFound, "%s has no version %s", f.base(), spec.Text)
	}
	return best, nil
}

func (f *Fetcher) base() string {
	if f.Mirror != "" {
		return strings.TrimRight(f.Mirror, "/")
	}
	return Dist
}

func (f *Fetcher) get(ctx context.Context, name string, limit int64) ([]byte, error) {
	url := f.base() + "/" + name
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an address: %w", url, err)
	}
	if f.MirrorToken != "" && f.Mirror != "" {
		req.Header.Set("Authorization", f.MirrorToken)
	}
	client := f.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Minute}
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "%s cannot be reached: %w", f.base(), err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "%s answers %s", url, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "%s cannot be read: %w", url, err)
	}
	return b, nil
}

// target is where a version lies in the tool cache, as on GitHub's runners.
func (f *Fetcher) target(v Version) string {
	return filepath.Join(f.ToolCache, "node", v.String(), Arch())
}

func (f *Fetcher) fromDist(ctx context.Context, spec Spec) (Node, error) {
	v, err := f.Newest(ctx, spec)
	if err != nil {
		return Node{}, err
	}
	name := fmt.Sprintf("node-v%s-%s-%s", v, runtime.GOOS, Arch())
	f.Log("Fetching %s/v%s/%s.tar.gz", f.base(), v, name)
	sums, err := f.get(ctx, "v"+v.String()+"/SHASUMS256.txt", 1<<20)
	if err != nil {
		return Node{}, err
	}
	want := ""
	for l := range strings.Lines(string(sums)) {
		if w := strings.Fields(l); len(w) == 2 && w[1] == name+".tar.gz" {
			want = w[0]
		}
	}
	if want == "" {
		return Node{}, cairn.Errorf(cairn.CodeNotFound, "%s has no %s", f.base(), name)
	}
	b, err := f.get(ctx, "v"+v.String()+"/"+name+".tar.gz", maxArchive)
	if err != nil {
		return Node{}, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
		return Node{}, cairn.Errorf(cairn.CodeUnavailable, "%s.tar.gz is not what SHASUMS256.txt says", name)
	}
	if err := f.install(b, v, func(p string) bool { return true }); err != nil {
		return Node{}, err
	}
	return Node{v, filepath.Join(f.target(v), "bin", "node"), f.base()}, nil
}

// fromNPM takes the program out of the package that npm's `node` is made of. npm
// chooses the version by its own rules.
func (f *Fetcher) fromNPM(ctx context.Context, spec Spec) (Node, error) {
	dir, err := os.MkdirTemp("", "cairn-node-")
	if err != nil {
		return Node{}, err
	}
	defer os.RemoveAll(dir)
	want := spec.Text
	switch {
	case spec.Newest:
		want = "*"
	case spec.LTS:
		want = fmt.Sprint(newestLTS)
	case strings.HasPrefix(strings.ToLower(want), "lts/"):
		want = fmt.Sprint(spec.alts[0][0].v.Major)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.NPM, "pack", "--json", "--silent", "--ignore-scripts", fmt.Sprintf("node-%s-%s@%s", runtime.GOOS, Arch(), want))
	cmd.Dir, cmd.Env = dir, append(f.Environ[:len(f.Environ):len(f.Environ)], "npm_config_update_notifier=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Node{}, fmt.Errorf("%w %s", err, firstLine(stderr.String()))
	}
	var packed []struct{ Version, Filename string }
	if err := json.Unmarshal(out, &packed); err != nil || len(packed) == 0 {
		return Node{}, fmt.Errorf("npm pack answers no package")
	}
	p := packed[len(packed)-1]
	v, ok := Parse(p.Version)
	if !ok || filepath.Base(p.Filename) != p.Filename {
		return Node{}, fmt.Errorf("npm pack answers %q", p.Version)
	}
	f.Log("Node %s of the npm registry is taken: npm itself stays this machine's", v)
	b, err := os.ReadFile(filepath.Join(dir, p.Filename))
	if err != nil {
		return Node{}, err
	}
	if err := f.install(b, v, func(p string) bool { return p == "bin/node" || p == "LICENSE" }); err != nil {
		return Node{}, err
	}
	return Node{v, filepath.Join(f.target(v), "bin", "node"), "npm registry"}, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s[:min(len(s), 300)]
}

// install unpacks what take chooses below the archive's one top folder, and puts it
// into the tool cache at once.
func (f *Fetcher) install(archive []byte, v Version, take func(string) bool) error {
	to := f.target(v)
	if _, err := os.Stat(filepath.Join(to, "bin", "node")); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the tool cache cannot be written: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), ".new-*")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the tool cache cannot be written: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := unpack(archive, dir, take); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "Node %s cannot be unpacked: %w", v, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "node")); err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "the archive of Node %s holds no bin/node", v)
	}
	err = os.Rename(dir, to)
	if _, there := os.Stat(filepath.Join(to, "bin", "node")); err != nil && there != nil {
		return cairn.Errorf(cairn.CodeFailed, "the tool cache cannot be written: %w", err)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the tool cache cannot be written: %w", err)
	}
	return os.WriteFile(to+".complete", nil, 0o644)
}

// unpack writes regular files, folders and links that stay inside.
func unpack(archive []byte, dir string, take func(string) bool) error {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := tar.NewReader(z)
	var total int64
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if total += h.Size; n > maxEntries || total > maxUnpacked {
			return fmt.Errorf("it holds too much")
		}
		whole := path.Clean(h.Name)
		if !fs.ValidPath(whole) {
			return fmt.Errorf("%q leads out", h.Name)
		}
		_, name, ok := strings.Cut(whole, "/")
		if !ok || !take(name) {
			continue
		}
		if err := entry(root, h, name, t); err != nil {
			return err
		}
	}
}

func entry(root *os.Root, h *tar.Header, name string, in io.Reader) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q is no path", name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|fs.FileMode(h.Mode)&0o111)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	case tar.TypeSymlink:
		if to := path.Join(path.Dir(name), h.Linkname); path.IsAbs(h.Linkname) || !fs.ValidPath(to) {
			return fmt.Errorf("the link %s leads out", name)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return root.Symlink(h.Linkname, name)
	}
	return nil
}
