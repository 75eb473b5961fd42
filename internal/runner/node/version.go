package node

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Version is a version of Node. Pre is "" for a release, else "rc.1".
type Version struct {
	Major, Minor, Patch int
	Pre                 string
}

// String gives 20.11.1 or 21.0.0-rc.1.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	return s
}

// Compare orders versions as semver does.
func (v Version) Compare(w Version) int {
	for _, d := range []int{v.Major - w.Major, v.Minor - w.Minor, v.Patch - w.Patch} {
		if d != 0 {
			return d
		}
	}
	switch {
	case v.Pre == w.Pre:
		return 0
	case v.Pre == "":
		return 1
	case w.Pre == "":
		return -1
	}
	a, b := strings.Split(v.Pre, "."), strings.Split(w.Pre, ".")
	for i := range min(len(a), len(b)) {
		x, errX := strconv.Atoi(a[i])
		y, errY := strconv.Atoi(b[i])
		switch {
		case errX == nil && errY == nil && x != y:
			return x - y
		case (errX == nil) != (errY == nil): // numbers come before words
			if errX == nil {
				return -1
			}
			return 1
		case a[i] != b[i]:
			return strings.Compare(a[i], b[i])
		}
	}
	return len(a) - len(b)
}

var wholeRE = regexp.MustCompile(`^v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-([0-9A-Za-z.-]{1,60}))?(?:\+[0-9A-Za-z.-]+)?$`)

// Parse reads a whole version, with or without a v before it.
func Parse(s string) (Version, bool) {
	m := wholeRE.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return Version{}, false
	}
	n := func(s string) int { i, _ := strconv.Atoi(s); return i }
	return Version{n(m[1]), n(m[2]), n(m[3]), m[4]}, true
}

// lts are the names of the lines with long-term support, by their major version.
func lts() map[string]int {
	return map[string]int{"argon": 4, "boron": 6, "carbon": 8, "dubnium": 10, "erbium": 12, "fermium": 14, "gallium": 16, "hydrogen": 18, "iron": 20, "jod": 22, "krypton": 24}
}

// newestLTS is the last line of lts.
const newestLTS = 24

// Spec is what a step asks for.
type Spec struct {
	Text string
	// Newest asks for the newest at all (latest, node, current).
	Newest bool
	// LTS asks for the newest of the lines with long-term support.
	LTS  bool
	alts [][]comparator // one of them has to hold
}

// comparator is one bound of a range; pre allows pre-releases of its own version.
type comparator struct {
	op string // <, <=, >, >=, =
	v  Version
}

// ParseSpec reads a version, a range of npm's semver, or an alias.
func ParseSpec(text string) (Spec, error) {
	s := Spec{Text: text}
	src := strings.ToLower(strings.TrimSpace(text))
	bad := func(why string) (Spec, error) {
		return Spec{}, cairn.Errorf(cairn.CodeInvalid, "node-version %q: %s", text, why).
			WithHint("allowed are for example 20, 20.11.1, '>=18 <21', lts/*, lts/iron, latest")
	}
	if len(src) > 200 {
		return bad("it is too long")
	}
	if name, ok := strings.CutPrefix(src, "lts/"); ok {
		switch major, known := lts()[name]; {
		case name == "*":
			s.LTS = true
			return s, nil
		case known:
			src = strconv.Itoa(major)
		case strings.HasPrefix(name, "-"):
			n, err := strconv.Atoi(name[1:])
			if err != nil || n < 0 || newestLTS-2*n < 4 {
				return bad("there is no such line of long-term support")
			}
			src = strconv.Itoa(newestLTS - 2*n)
		default:
			return bad("there is no such line of long-term support")
		}
	}
	switch src {
	case "", "*", "x", "latest", "node", "current":
		s.Newest = true
		return s, nil
	}
	if strings.Contains(src, "nightly") || strings.Contains(src, "canary") || strings.HasSuffix(src, "-rc") {
		return Spec{}, cairn.Errorf(cairn.CodeUnsupported, "node-version %q: only releases are built in", text).WithHint("ask for a release such as 22")
	}
	for alt := range strings.SplitSeq(src, "||") {
		cs, err := alternative(alt)
		if err != nil {
			return bad(err.Error())
		}
		s.alts = append(s.alts, cs)
	}
	return s, nil
}

var (
	partialRE = regexp.MustCompile(`^v?(\d{1,6}|[x*])(?:\.(\d{1,6}|[x*]))?(?:\.(\d{1,6}|[x*]))?(?:-([0-9a-z.-]{1,60}))?(?:\+[0-9a-z.-]+)?$`)
	tokenRE   = regexp.MustCompile(`(>=|<=|>|<|=|\^|~>?)?\s*([^\s<>=^~]+)`)
	hyphenRE  = regexp.MustCompile(`^\s*(\S+)\s+-\s+(\S+)\s*$`)
)

// partial reads a version of which parts may be left open; n counts what is given.
func partial(s string) (v Version, n int, err error) {
	m := partialRE.FindStringSubmatch(s)
	if m == nil {
		return v, 0, fmt.Errorf("%q is not a version", s)
	}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		d, err := strconv.Atoi(m[i+1])
		if err != nil {
			return v, n, nil
		}
		*to, n = d, n+1
	}
	v.Pre = m[4]
	return v, n, nil
}

// next is the first version that the first n parts of v do not cover.
func next(v Version, n int) Version {
	switch n {
	case 1:
		return Version{Major: v.Major + 1, Pre: "0"}
	case 2:
		return Version{Major: v.Major, Minor: v.Minor + 1, Pre: "0"}
	}
	return Version{Major: v.Major, Minor: v.Minor, Patch: v.Patch + 1, Pre: "0"}
}

func alternative(src string) ([]comparator, error) {
	if m := hyphenRE.FindStringSubmatch(src); m != nil {
		lo, nl, err1 := partial(m[1])
		hi, nh, err2 := partial(m[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is not a range", strings.TrimSpace(src))
		}
		var cs []comparator
		if nl > 0 {
			cs = append(cs, comparator{">=", lo})
		}
		switch {
		case nh == 3:
			cs = append(cs, comparator{"<=", hi})
		case nh > 0:
			cs = append(cs, comparator{"<", next(hi, nh)})
		}
		return cs, nil
	}
	var cs []comparator
	rest := strings.TrimSpace(src)
	if strings.TrimSpace(tokenRE.ReplaceAllString(rest, "")) != "" {
		return nil, fmt.Errorf("%q is not a range", rest)
	}
	for _, m := range tokenRE.FindAllStringSubmatch(rest, -1) {
		v, n, err := partial(m[2])
		if err != nil {
			return nil, err
		}
		cs = append(cs, bounds(m[1], v, n)...)
	}
	return cs, nil
}

// bounds are what an operator before a version means.
func bounds(op string, v Version, n int) []comparator {
	if n == 0 {
		if op == "<" || op == ">" {
			return []comparator{{"<", Version{Pre: "0"}}} // nothing
		}
		return nil
	}
	switch op {
	case "^":
		up := next(v, 1)
		switch {
		case v.Major == 0 && n > 1 && v.Minor > 0, v.Major == 0 && n == 2:
			up = next(v, 2)
		case v.Major == 0 && n == 3 && v.Minor == 0:
			up = next(v, 3)
		}
		return []comparator{{">=", v}, {"<", up}}
	case "~", "~>":
		return []comparator{{">=", v}, {"<", next(v, min(n, 2))}}
	case ">":
		if n < 3 {
			up := next(v, n)
			up.Pre = ""
			return []comparator{{">=", up}}
		}
	case "<=":
		if n < 3 {
			return []comparator{{"<", next(v, n)}}
		}
	case "<":
		if n < 3 {
			v.Pre = "0"
		}
	case ">=":
	default:
		if n < 3 {
			return []comparator{{">=", v}, {"<", next(v, n)}}
		}
		op = "="
	}
	return []comparator{{op, v}}
}

// Matches reports whether a version is one that the spec asks for. A pre-release
// counts only where the spec names one of the same version, as in npm.
func (s Spec) Matches(v Version) bool {
	switch {
	case s.Newest:
		return v.Pre == ""
	case s.LTS:
		return v.Pre == "" && v.Major >= 4 && v.Major <= newestLTS && v.Major%2 == 0
	}
	for _, cs := range s.alts {
		if holds(cs, v) {
			return true
		}
	}
	return false
}

func holds(cs []comparator, v Version) bool {
	named := v.Pre == ""
	for _, c := range cs {
		d := v.Compare(c.v)
		ok := map[string]bool{"<": d < 0, "<=": d <= 0, ">": d > 0, ">=": d >= 0, "=": d == 0}[c.op]
		if !ok {
			return false
		}
		if c.v.Pre != "" && c.v.Pre != "0" && c.v.Major == v.Major && c.v.Minor == v.Minor && c.v.Patch == v.Patch {
			named = true
		}
	}
	return named
}
