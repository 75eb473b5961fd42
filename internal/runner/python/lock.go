package python

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Lock is what an environment holds, as a lock file in the standard form
// (pylock.toml, PEP 751). The same packages on the same Python give the same
// bytes.
type Lock struct {
	Text     []byte
	Packages int
	Props    map[string]string
}

// pkg is one installed distribution.
type pkg struct {
	name, version string
	tags          []string // of its WHEEL file
	// record is the digest of the lines of RECORD that came with the wheel: every
	// file's path, hash and size. It is known even where the wheel's own hash is not.
	record cairn.Digest
	direct *directURL
	wheel  *wheelRef
}

// directURL is PEP 610's direct_url.json.
type directURL struct {
	URL string `json:"url"`
	VCS *struct {
		VCS    string `json:"vcs"`
		Commit string `json:"commit_id"`
	} `json:"vcs_info"`
	Archive *struct {
		Hash   string            `json:"hash"`
		Hashes map[string]string `json:"hashes"`
	} `json:"archive_info"`
	Dir *struct {
		Editable bool `json:"editable"`
	} `json:"dir_info"`
}

// wheelRef is a wheel as the index announced it.
type wheelRef struct {
	url, path, sha256 string
	size              int64
}

const (
	lockTimeout = 60 * time.Second
	maxPackages = 5000
	maxMetaFile = 32 << 20
)

// Lock reads what is installed in a venv. The hashes of wheels are those that
// the index announced when uv chose them: uv repeats them from its cache,
// without the network. The wheel of a package is the one whose tags are those of
// the installed WHEEL file; a package that was built here, or came from
// elsewhere, has no wheel hash, and only the digest of its RECORD.
func (t *Tools) Lock(ctx context.Context, v Venv, py Interpreter) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	pkgs, err := installed(v.Dir)
	if err != nil {
		return Lock{}, err
	}
	if v.UV.Path != "" {
		if err := t.wheelHashes(ctx, v, pkgs); err != nil {
			t.logf("hashes of wheels are not known: %v", err)
		}
	}
	hashed := 0
	for _, p := range pkgs {
		if p.wheel != nil || p.direct != nil {
			hashed++
		}
	}
	l := Lock{Text: render(pkgs, py.Version), Packages: len(pkgs), Props: map[string]string{
		"python":   py.Version.String(),
		"platform": runtime.GOOS + "/" + runtime.GOARCH,
		"packages": strconv.Itoa(len(pkgs)),
		"hashed":   strconv.Itoa(hashed),
		"format":   "pylock.toml",
	}}
	if v.UV.Version != "" {
		l.Props["uv"] = v.UV.Version
	}
	return l, nil
}

// installed reads the .dist-info folders of a venv, sorted by name.
func installed(venv string) ([]*pkg, error) {
	dirs, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages", "*.dist-info"))
	if err != nil {
		return nil, err
	}
	if len(dirs) > maxPackages {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "the environment has %d packages; at most %d are recorded", len(dirs), maxPackages)
	}
	var out []*pkg
	for _, d := range dirs {
		p, err := readPackage(d)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", filepath.Base(d), err)
		}
		if p != nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *pkg) int { return strings.Compare(a.name+" "+a.version, b.name+" "+b.version) })
	return out, nil
}

var normalizeRE = regexp.MustCompile(`[-_.]+`)

func normalize(name string) string { return strings.ToLower(normalizeRE.ReplaceAllString(name, "-")) }

func readPackage(dir string) (*pkg, error) {
	meta, err := headers(filepath.Join(dir, "METADATA"))
	if os.IsNotExist(err) {
		return nil, nil // left behind by an uninstall
	}
	if err != nil {
		return nil, err
	}
	p := &pkg{}
	if n := meta["name"]; len(n) > 0 {
		p.name = normalize(n[0])
	}
	if v := meta["version"]; len(v) > 0 {
		p.version = v[0]
	}
	if p.name == "" || p.version == "" {
		return nil, fmt.Errorf("METADATA names no package")
	}
	if wheel, err := headers(filepath.Join(dir, "WHEEL")); err == nil {
		p.tags = wheel["tag"]
		sort.Strings(p.tags)
	}
	if p.record, err = recordDigest(filepath.Join(dir, "RECORD")); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if b, err := os.ReadFile(filepath.Join(dir, "direct_url.json")); err == nil {
		var u directURL
		if json.Unmarshal(b, &u) == nil && u.URL != "" {
			if p.wheel = standIn(u.URL); p.wheel == nil {
				u.URL = stripUser(u.URL)
				p.direct = &u
			}
		}
	}
	return p, nil
}

// headers reads the lines of the form "Key: value" before the first empty one.
func headers(path string) (map[string][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]string{}
	sc := bufio.NewScanner(io.LimitReader(f, maxMetaFile))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() && strings.TrimSpace(sc.Text()) != "" {
		if k, v, ok := strings.Cut(sc.Text(), ":"); ok && !strings.HasPrefix(k, " ") {
			k = strings.ToLower(strings.TrimSpace(k))
			out[k] = append(out[k], strings.TrimSpace(v))
		}
	}
	return out, sc.Err()
}

// recordDigest sums the lines of RECORD without those that the installer adds:
// its own notes, byte code and the scripts in bin, whose first line is a path of
// this machine.
func recordDigest(path string) (cairn.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var lines []string
	sc := bufio.NewScanner(io.LimitReader(f, maxMetaFile))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := strings.TrimRight(sc.Text(), "\r")
		name, _, _ := strings.Cut(line, ",")
		base := filepath.Base(name)
		switch {
		case line == "", strings.HasPrefix(name, "../"), strings.HasSuffix(name, ".pyc"), strings.Contains(name, "__pycache__/"):
		case strings.Contains(name, ".dist-info/") &&
			slices.Contains([]string{"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json"}, base):
		default:
			lines = append(lines, line)
		}
	}
	if err := sc.Err(); err != nil {
		return "", err
	}
	sort.Strings(lines)
	return cairn.SumBytes([]byte(strings.Join(lines, "\n") + "\n")), nil
}

// wheelHashes asks uv, offline, which wheels the index offers for exactly the
// installed versions.
func (t *Tools) wheelHashes(ctx context.Context, v Venv, pkgs []*pkg) error {
	var in bytes.Buffer
	for _, p := range pkgs {
		if p.direct == nil && p.wheel == nil {
			fmt.Fprintf(&in, "%s==%s\n", p.name, p.version)
		}
	}
	if in.Len() == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "cairn-lock-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if b, err := os.ReadFile(filepath.Join(v.Dir, sourcesFile)); err == nil {
		in.Write(b) // a requirements file may hold these options
	}
	src, dst := filepath.Join(dir, "requirements.in"), filepath.Join(dir, "pylock.toml")
	if err := os.WriteFile(src, in.Bytes(), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, v.UV.Path, "pip", "compile", "--quiet", "--offline", "--no-deps", "--no-header", "--prerelease=allow",
		"--index-strategy", "unsafe-best-match", "--python", v.Python, "--format", "pylock.toml", "--output-file", dst, src)
	var out tail
	cmd.Env, cmd.Dir = t.uvEnviron(), dir
	cmd.Stdout, cmd.Stderr = io.Discard, &out
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("uv: %s", lastLines(out.String(), 2))
	}
	f, err := os.Open(dst)
	if err != nil {
		return err
	}
	defer f.Close()
	wheels, err := readPylock(io.LimitReader(f, maxMetaFile))
	if err != nil {
		return err
	}
	for _, p := range pkgs {
		if p.direct == nil && p.wheel == nil {
			p.wheel = chooseWheel(wheels[p.name+" "+p.version], p.tags)
		}
	}
	return nil
}

var (
	tomlStringRE = regexp.MustCompile(`^(name|version) = "([^"\\]+)"$`)
	wheelRE      = regexp.MustCompile(`\{ (?:[a-z-]+ = [^{}]*?, )??(url|path) = "([^"\\]+\.whl)"[^{}]*?(?:size = (\d+), )?hashes = \{ sha256 = "([0-9a-f]{64})"`)
)

// readPylock takes the wheels out of the lock file that uv writes. It reads the
// lines uv prints, not all of TOML; what it does not know it leaves out.
func readPylock(r io.Reader) (map[string][]wheelRef, error) {
	out := map[string][]wheelRef{}
	var name, version string
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "[[packages]]" {
			name, version = "", ""
			continue
		}
		if m := tomlStringRE.FindStringSubmatch(line); m != nil && len(m[2]) <= 300 {
			if m[1] == "name" {
				name = normalize(m[2])
			} else {
				version = m[2]
			}
			continue
		}
		for _, m := range wheelRE.FindAllStringSubmatch(line, -1) {
			w := wheelRef{sha256: m[4]}
			if m[1] == "url" {
				w.url = stripUser(m[2])
			} else {
				w.path = m[2]
			}
			w.size, _ = strconv.ParseInt(m[3], 10, 64)
			out[name+" "+version] = append(out[name+" "+version], w)
		}
	}
	return out, sc.Err()
}

// chooseWheel returns the wheel whose file name has exactly these tags.
func chooseWheel(ws []wheelRef, tags []string) *wheelRef {
	for i, w := range ws {
		if got := wheelTags(filepath.Base(w.url + w.path)); len(got) > 0 && slices.Equal(got, tags) {
			return &ws[i]
		}
	}
	return nil
}

// wheelTags expands the compressed tags of a wheel's file name, sorted.
func wheelTags(file string) []string {
	parts := strings.Split(strings.TrimSuffix(file, ".whl"), "-")
	if len(parts) < 5 || len(parts) > 6 {
		return nil
	}
	var out []string
	n := len(parts)
	for _, py := range strings.Split(parts[n-3], ".") {
		for _, abi := range strings.Split(parts[n-2], ".") {
			for _, plat := range strings.Split(parts[n-1], ".") {
				out = append(out, py+"-"+abi+"-"+plat)
			}
		}
	}
	sort.Strings(out)
	return out
}

// stripUser takes user name and password out of a URL.
func stripUser(u string) string { return urlUserRE.ReplaceAllString(u, "$1") }

// render writes the lock file.
func render(pkgs []*pkg, v Version) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What a job's environment held. Wheel hashes are the index's; record-sha256 is the\n"+
		"# digest of the sorted lines of RECORD that came with the package.\n"+
		"lock-version = \"1.0\"\ncreated-by = \"cairn\"\nrequires-python = \"==%d.%d.*\"\n", v.Major, v.Minor)
	for _, p := range pkgs {
		fmt.Fprintf(&b, "\n[[packages]]\nname = %s\nversion = %s\n", tomlQuote(p.name), tomlQuote(p.version))
		switch d := p.direct; {
		case d != nil && d.VCS != nil:
			fmt.Fprintf(&b, "vcs = { type = %s, url = %s, commit-id = %s }\n", tomlQuote(d.VCS.VCS), tomlQuote(d.URL), tomlQuote(d.VCS.Commit))
		case d != nil && d.Dir != nil:
			fmt.Fprintf(&b, "directory = { path = %s, editable = %v }\n", tomlQuote(strings.TrimPrefix(d.URL, "file://")), d.Dir.Editable)
		case d != nil:
			hash := ""
			if d.Archive != nil {
				if hash = d.Archive.Hashes["sha256"]; hash == "" {
					hash = strings.TrimPrefix(d.Archive.Hash, "sha256=")
				}
			}
			if hash != "" {
				fmt.Fprintf(&b, "archive = { url = %s, hashes = { sha256 = %s } }\n", tomlQuote(d.URL), tomlQuote(hash))
			} else {
				fmt.Fprintf(&b, "archive = { url = %s }\n", tomlQuote(d.URL))
			}
		case p.wheel != nil:
			place := "url = " + tomlQuote(p.wheel.url)
			if p.wheel.url == "" {
				place = "path = " + tomlQuote(p.wheel.path)
			}
			if p.wheel.size > 0 {
				place += fmt.Sprintf(", size = %d", p.wheel.size)
			}
			fmt.Fprintf(&b, "wheels = [{ %s, hashes = { sha256 = %s } }]\n", place, tomlQuote(p.wheel.sha256))
		}
		if h := p.record.Hex(); h != "" {
			fmt.Fprintf(&b, "tool.cairn.record-sha256 = %s\n", tomlQuote(h))
		}
	}
	return b.Bytes()
}

// tomlQuote writes a basic string of TOML; its escapes are those of JSON.
func tomlQuote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}
