package wheel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Package is one wheel of a lock.
type Package struct {
	Name    string `json:"name"` // normalised: lower case, "-" between words
	Version string `json:"version"`
	// File is the wheel's file name, which says what it runs on.
	File string `json:"file"`
	// URL is where it was found, without credentials; "" for one from a folder.
	URL    string `json:"url,omitempty"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size,omitempty"`
	// Direct is true where the requirements themselves name the URL.
	Direct bool `json:"direct,omitempty"`

	local string // the file in a folder of the user's, when it was just resolved
}

// Lock is what requirements came to, for one Python, C library and architecture.
type Lock struct {
	Python, Platform, Libc string
	Packages               []Package // sorted by name
}

var (
	normalizeRE = regexp.MustCompile(`[-_.]+`)
	projectRE   = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	placeRE     = regexp.MustCompile(`^(?:https?://[!#-\[\]-~]+)?$`)
	fileRE      = regexp.MustCompile(`^[A-Za-z0-9._+!-]+$`)
	sha256RE    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	versionRE   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]*$`)
)

func normalize(name string) string { return strings.ToLower(normalizeRE.ReplaceAllString(name, "-")) }

// Render writes the lock as pylock.toml (PEP 751). Equal locks give equal bytes.
func (l *Lock) Render() []byte {
	var b bytes.Buffer
	v := strings.TrimSuffix(l.Python, "t")
	fmt.Fprintf(&b, "# The wheels of an image for Python %s on %s with %s.\nlock-version = \"1.0\"\ncreated-by = \"cairn\"\nrequires-python = \"==%s.*\"\n",
		l.Python, l.Platform, l.Libc, v)
	for _, p := range l.Packages {
		fmt.Fprintf(&b, "\n[[packages]]\nname = %s\nversion = %s\n", quote(p.Name), quote(p.Version))
		place := "path = " + quote("./"+p.File)
		if p.URL != "" {
			place = "url = " + quote(p.URL)
		}
		if p.Size > 0 {
			place += ", size = " + strconv.FormatInt(p.Size, 10)
		}
		hashes := fmt.Sprintf("hashes = { sha256 = %s }", quote(p.SHA256))
		if p.Direct {
			fmt.Fprintf(&b, "archive = { %s, %s }\n", place, hashes)
		} else {
			fmt.Fprintf(&b, "wheels = [{ name = %s, %s, %s }]\n", quote(p.File), place, hashes)
		}
	}
	return b.Bytes()
}

// quote writes a basic string of TOML; its escapes are those of JSON.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}

const maxPackages = 2000

var (
	tomlStringRE = regexp.MustCompile(`^(name|version) = "([^"\\]+)"$`)
	headRE       = regexp.MustCompile(`^# The wheels of an image for Python (\S+) on (\S+) with (.+)\.$`)
	tableRE      = regexp.MustCompile(`\{ ((?:[^{}"]|"[^"\\]*"|\{[^{}]*\})*) \}`)
	urlRE        = regexp.MustCompile(`(?:^|, )url = "([^"\\]+)"`)
	pathRE       = regexp.MustCompile(`(?:^|, )path = "([^"\\]+)"`)
	sizeRE       = regexp.MustCompile(`(?:^|, )size = (\d{1,15})\b`)
	hashRE       = regexp.MustCompile(`sha256 = "([0-9a-f]{64})"`)
)

// lockLines reads the lines of a lock file that uv or Render wrote: not all of
// TOML. visit gets each wheel that a package offers; a package without one is
// given once, without File.
func lockLines(text []byte, visit func(Package) error) (*Lock, error) {
	l := &Lock{}
	var at Package
	offered := true
	flush := func() error {
		if offered || at.Name == "" {
			return nil
		}
		return visit(at)
	}
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, 8<<20)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if m := headRE.FindStringSubmatch(line); m != nil {
			l.Python, l.Platform, l.Libc = m[1], m[2], m[3]
			continue
		}
		if line == "[[packages]]" {
			if err := flush(); err != nil {
				return nil, err
			}
			at, offered = Package{}, false
			continue
		}
		if m := tomlStringRE.FindStringSubmatch(line); m != nil && len(m[2]) <= maxText {
			if m[1] == "name" {
				at.Name = normalize(m[2])
			} else {
				at.Version = m[2]
			}
			continue
		}
		if strings.HasPrefix(line, "sdist =") {
			continue
		}
		for _, m := range tableRE.FindAllStringSubmatch(line, -1) {
			p := at
			p.Direct = strings.HasPrefix(line, "archive =")
			where := ""
			if u := urlRE.FindStringSubmatch(m[1]); u != nil {
				where = stripUser(u[1])
				p.URL = where
			} else if u := pathRE.FindStringSubmatch(m[1]); u != nil {
				where, p.local = u[1], u[1]
			}
			if h := hashRE.FindStringSubmatch(m[1]); h != nil {
				p.SHA256 = h[1]
			}
			if s := sizeRE.FindStringSubmatch(m[1]); s != nil {
				p.Size, _ = strconv.ParseInt(s[1], 10, 64)
			}
			if p.File = fileOf(where); !strings.HasSuffix(p.File, ".whl") || p.SHA256 == "" {
				continue
			}
			offered = true
			if err := visit(p); err != nil {
				return nil, err
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	return l, flush()
}

// fileOf is the file name at the end of a URL or path.
func fileOf(where string) string {
	if u, err := url.Parse(where); err == nil && u.Scheme != "" {
		return path.Base(u.Path)
	}
	return path.Base(strings.ReplaceAll(where, `\`, "/"))
}

// ParseLock reads what Render wrote. It is checked in full: a lock that comes
// from elsewhere must not name files that are no wheels.
func ParseLock(text []byte) (*Lock, error) {
	bad := func(format string, args ...any) error {
		return cairn.Errorf(cairn.CodeInvalid, "the stored lock cannot be used: "+format, args...)
	}
	var ps []Package
	l, err := lockLines(text, func(p Package) error {
		p.local = ""
		if len(ps) >= maxPackages {
			return bad("it has more than %d packages", maxPackages)
		}
		if !p.proper() {
			return bad("the package %q has no proper wheel", p.Name)
		}
		ps = append(ps, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if l.Python == "" {
		return nil, bad("its first line does not say for which Python it is")
	}
	l.Packages = ps
	if !slices.IsSortedFunc(ps, func(a, b Package) int { return strings.Compare(a.Name, b.Name) }) {
		return nil, bad("its packages are not sorted")
	}
	for i := 1; i < len(ps); i++ {
		if ps[i].Name == ps[i-1].Name {
			return nil, bad("the package %s is in it twice", ps[i].Name)
		}
	}
	return l, nil
}

// maxText bounds names and versions. The patterns leave lengths out: one that counts
// to 300 takes a quarter of a megabyte in every process.
const maxText = 300

// proper reports whether a package names a wheel of its own in ways that can be
// written down.
func (p *Package) proper() bool {
	n, ok := parseWheelName(p.File)
	return ok && len(p.File) <= maxText && len(p.Version) <= maxText && fileRE.MatchString(p.File) && placeRE.MatchString(p.URL) && projectRE.MatchString(p.Name) &&
		versionRE.MatchString(p.Version) && sha256RE.MatchString(p.SHA256) && normalize(n.name) == p.Name
}

var urlUserRE = regexp.MustCompile(`(://)[^/@\s]+@`)

// stripUser takes user name and password out of a URL, and what follows its
// path, where signed links carry theirs.
func stripUser(u string) string {
	u = urlUserRE.ReplaceAllString(u, "$1")
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i]
	}
	return u
}
