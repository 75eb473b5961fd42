package python

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Version is an interpreter's version. Pre is "" for a final release, else
// "a1", "b2" or "rc1".
type Version struct {
	Major, Minor, Patch int
	Pre                 string
}

// String gives 3.13.0rc1 as Python writes it.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d%s", v.Major, v.Minor, v.Patch, v.Pre)
}

// Compare orders versions; a pre-release comes before its release.
func (v Version) Compare(w Version) int {
	for _, d := range []int{v.Major - w.Major, v.Minor - w.Minor, v.Patch - w.Patch} {
		if d != 0 {
			return d
		}
	}
	if v.Pre == w.Pre {
		return 0
	}
	if v.Pre == "" || w.Pre == "" {
		return len(w.Pre) - len(v.Pre)
	}
	// "a" < "b" < "rc", then by number: rc10 comes after rc9.
	vl, vn := splitPre(v.Pre)
	wl, wn := splitPre(w.Pre)
	if vl != wl {
		return strings.Compare(vl, wl)
	}
	return vn - wn
}

func splitPre(s string) (string, int) {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return s, 0
	}
	n, _ := strconv.Atoi(s[i:])
	return s[:i], n
}

var versionRE = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-?(a|b|rc|alpha\.|beta\.|rc\.)(\d{1,3}))?\+?$`)

// ParseVersion reads a whole version such as 3.11.7 or 3.13.0rc1.
func ParseVersion(s string) (Version, bool) {
	m := versionRE.FindStringSubmatch(s)
	if m == nil {
		return Version{}, false
	}
	n := func(s string) int { i, _ := strconv.Atoi(s); return i }
	v := Version{Major: n(m[1]), Minor: n(m[2]), Patch: n(m[3])}
	if m[4] != "" {
		v.Pre = map[byte]string{'a': "a", 'b': "b", 'r': "rc"}[m[4][0]] + m[5]
	}
	return v, true
}

// Spec is what a workflow asks for: a range as actions/setup-python reads it.
type Spec struct {
	Text string
	// FreeThreaded asks for a build without the global lock ("3.13t").
	FreeThreaded bool
	// Pre says that pre-releases may be taken.
	Pre  bool
	alts [][]comparator // any of them; all comparators of one
}

// comparator is one bound. An exclusion is written ne.
type comparator struct {
	op string // ge, gt, le, lt, ne
	v  Version
	// width of an ne: how many parts are fixed ("!=3.9.*" has 2)
	width int
}

var (
	partialRE = regexp.MustCompile(`^[vV=]?(\d{1,4}|[xX*])(?:\.(\d{1,4}|[xX*]))?(?:\.(\d{1,4}|[xX*]))?(?:-?(a|b|rc|alpha\.?|beta\.?|rc\.?)(\d{1,3}))?(-0)?$`)
	hyphenRE  = regexp.MustCompile(`^\s*(\S+)\s+-\s+(\S+)\s*$`)
	opRE      = regexp.MustCompile(`^(===|==|~=|~>|>=|<=|!=|>|<|=|~|\^)\s*`)
)

// ParseSpec reads a version range: 3.11, 3.x, 3.11.7, >=3.9 <3.12, ~3.11,
// 3.9 - 3.11, 3.8 || 3.10, 3.13-dev, 3.13t, and the ranges of pyproject.toml.
func ParseSpec(text string) (Spec, error) {
	s := Spec{Text: strings.TrimSpace(text)}
	src := strings.ToLower(s.Text)
	bad := func(why string) (Spec, error) {
		return Spec{}, cairn.Errorf(cairn.CodeInvalid, "python-version %q: %s", s.Text, why).
			WithHint("allowed are for example 3.11, 3.11.7, 3.x, '>=3.9 <3.12', 3.13-dev")
	}
	switch {
	case src == "" || len(src) > 200:
		return bad("not a version")
	case strings.HasPrefix(src, "pypy") || strings.HasPrefix(src, "graalpy"):
		return Spec{}, cairn.Errorf(cairn.CodeUnsupported, "python-version %q: only CPython is built in", s.Text).
			WithHint("ask for a CPython version such as 3.11")
	}
	src = strings.TrimPrefix(src, "python")
	if m := regexp.MustCompile(`^(\d+\.\d+)-dev$`).FindStringSubmatch(src); m != nil {
		src, s.Pre = "~"+m[1]+".0-0", true
	}
	if m := regexp.MustCompile(`^(\d+\.\d+(?:\.\d+)?)t$`).FindStringSubmatch(src); m != nil {
		src, s.FreeThreaded = m[1], true
	}
	for _, alt := range strings.Split(src, "||") {
		cs, pre, err := parseAlternative(alt)
		if err != nil {
			return bad(err.Error())
		}
		s.Pre = s.Pre || pre
		s.alts = append(s.alts, cs)
	}
	return s, nil
}

func parseAlternative(src string) (cs []comparator, pre bool, err error) {
	if m := hyphenRE.FindStringSubmatch(src); m != nil {
		lo, _, err1 := parsePartial(m[1])
		hi, n, err2 := parsePartial(m[2])
		if err1 != nil || err2 != nil {
			return nil, false, fmt.Errorf("%q is not a range", strings.TrimSpace(src))
		}
		cs = append(cs, comparator{op: "ge", v: lo})
		if n == 3 {
			return append(cs, comparator{op: "le", v: hi}), lo.Pre != "" || hi.Pre != "", nil
		}
		return append(cs, comparator{op: "lt", v: bump(hi, n)}), lo.Pre != "", nil
	}
	rest := strings.TrimSpace(strings.ReplaceAll(src, ",", " "))
	if rest == "" {
		return nil, false, fmt.Errorf("an empty range")
	}
	for rest != "" {
		op := ""
		if m := opRE.FindString(rest); m != "" {
			op, rest = strings.TrimSpace(m), rest[len(m):]
		}
		word, after, _ := strings.Cut(rest, " ")
		rest = strings.TrimSpace(after)
		v, n, err := parsePartial(word)
		if err != nil {
			return nil, false, err
		}
		pre = pre || v.Pre != ""
		c, err := bounds(op, v, n)
		if err != nil {
			return nil, false, err
		}
		cs = append(cs, c...)
	}
	return cs, pre, nil
}

// parsePartial reads 3, 3.11, 3.11.7, 3.x; n is how many parts are given.
func parsePartial(s string) (v Version, n int, err error) {
	m := partialRE.FindStringSubmatch(s)
	if m == nil {
		return v, 0, fmt.Errorf("%q is not a version", s)
	}
	for i, p := range []*int{&v.Major, &v.Minor, &v.Patch} {
		if m[i+1] == "" || strings.ContainsAny(m[i+1], "xX*") {
			break
		}
		*p, _ = strconv.Atoi(m[i+1])
		n++
	}
	switch {
	case m[4] != "":
		v.Pre = map[byte]string{'a': "a", 'b': "b", 'r': "rc"}[m[4][0]] + m[5]
	case m[6] != "":
		v.Pre = "a0" // "-0": the first of all pre-releases
	}
	return v, n, nil
}

// bump is the first version after the range that the first n parts of v name.
func bump(v Version, n int) Version {
	switch n {
	case 0:
		return Version{Major: 1 << 20}
	case 1:
		return Version{Major: v.Major + 1}
	case 2:
		return Version{Major: v.Major, Minor: v.Minor + 1}
	default:
		return Version{Major: v.Major, Minor: v.Minor, Patch: v.Patch + 1}
	}
}

func bounds(op string, v Version, n int) ([]comparator, error) {
	between := func(lo, hi Version) []comparator {
		return []comparator{{op: "ge", v: lo}, {op: "lt", v: hi}}
	}
	switch op {
	case "", "=", "==", "===":
		if n == 3 {
			return []comparator{{op: "ge", v: v}, {op: "le", v: v}}, nil
		}
		return between(v, bump(v, n)), nil
	case "~", "~>": // npm: patch may grow, or minor where none is given
		return between(v, bump(v, min(n, 2))), nil
	case "~=": // PEP 440: the last given part may grow
		if n < 2 {
			return nil, fmt.Errorf("~= needs at least two parts")
		}
		return between(v, bump(v, n-1)), nil
	case "^":
		return between(v, bump(v, min(n, 1))), nil
	case ">=":
		return []comparator{{op: "ge", v: v}}, nil
	case "<":
		return []comparator{{op: "lt", v: v}}, nil
	case ">":
		if n == 3 {
			return []comparator{{op: "gt", v: v}}, nil
		}
		return []comparator{{op: "ge", v: bump(v, n)}}, nil
	case "<=":
		if n == 3 {
			return []comparator{{op: "le", v: v}}, nil
		}
		return []comparator{{op: "lt", v: bump(v, n)}}, nil
	case "!=":
		return []comparator{{op: "ne", v: v, width: n}}, nil
	}
	return nil, fmt.Errorf("%q is not an operator", op)
}

// Match reports whether v is asked for.
func (s Spec) Match(v Version) bool {
	if v.Pre != "" && !s.Pre {
		return false
	}
	for _, alt := range s.alts {
		ok := true
		for _, c := range alt {
			ok = ok && c.match(v)
		}
		if ok {
			return true
		}
	}
	return false
}

func (c comparator) match(v Version) bool {
	d := v.Compare(c.v)
	switch c.op {
	case "ge":
		return d >= 0
	case "gt":
		return d > 0
	case "le":
		return d <= 0
	case "lt":
		// A pre-release of the bound is already beyond it: 3.12.0rc1 is not < 3.12.
		return d < 0 && (v.Pre == "" || v.Major != c.v.Major || v.Minor != c.v.Minor || v.Patch != c.v.Patch)
	default:
		same := v.Major == c.v.Major && (c.width < 2 || v.Minor == c.v.Minor) && (c.width < 3 || v.Patch == c.v.Patch)
		return !same
	}
}

// uvRequest is the spec as `uv python install` reads it; "" where uv has no
// spelling for it.
func (s Spec) uvRequest() string {
	if len(s.alts) != 1 || s.Pre {
		return ""
	}
	if m := regexp.MustCompile(`^(\d+(?:\.\d+){1,2})t?$`).FindString(s.Text); m != "" {
		return m
	}
	var parts []string
	for _, c := range s.alts[0] {
		op := map[string]string{"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}[c.op]
		if op == "" || c.v.Major > 100 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s%d.%d.%d", op, c.v.Major, c.v.Minor, c.v.Patch))
	}
	return strings.Join(parts, ",")
}
