package azureml

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

var (
	// requirement is a line of pip's that names a package of azureml. One that says where it
	// is to be taken from (name @ URL) is none: that is what its author wants.
	requirement = regexp.MustCompile(`(?i)^\s*(azureml(?:[-_.][a-z0-9]+)+)\s*(?:\[[^\]]*\])?\s*\(?\s*((?:===?|~=|!=|<=?|>=?)[^;#()]*)?\)?\s*(;[^#]*|#.*|--.*)?$`)
	clause      = regexp.MustCompile(`^(===?|~=|!=|<=?|>=?)\s*([0-9]+(?:\.[0-9]+)*(?:\.?post[0-9]+)?)(\.\*)?$`)
	post        = regexp.MustCompile(`\.?post[0-9]+`)
	dashes      = regexp.MustCompile(`[-_.]+`)
	numbers     = regexp.MustCompile(`[0-9]+`)
)

// ask is what one line says of one distribution.
type ask struct {
	line, name, spec string
	exact            string // "1.36.0.post2", where a release after the release is pinned
	marked           bool   // it holds only for some Pythons or systems
}

// asks finds the distributions that wheels stand in for among lines of pip's.
func asks(lines []string) []ask {
	var out []ask
	for _, line := range lines {
		m := requirement.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := strings.ToLower(dashes.ReplaceAllString(m[1], "-"))
		if !slices.Contains(standIns(), name) {
			continue
		}
		spec, _, _ := strings.Cut(m[2], " --") // hashes are of another file
		a := ask{line: strings.TrimSpace(line), name: name, spec: strings.TrimSpace(spec), marked: strings.HasPrefix(m[3], ";")}
		if c := clause.FindStringSubmatch(a.spec); c != nil && strings.HasPrefix(c[1], "==") && post.MatchString(c[2]) {
			a.exact, a.spec = c[2], "=="+post.ReplaceAllString(c[2], "")
		}
		out = append(out, a)
	}
	return out
}

// versions chooses a version of each distribution: one for all that the SDK numbers alike,
// which ask for each other, and one for each of those that count for themselves.
func versions(all []ask) (map[string]string, error) {
	var family []ask
	own := map[string][]ask{}
	for _, a := range all {
		if _, ok := alone()[a.name]; ok {
			own[a.name] = append(own[a.name], a)
		} else {
			family = append(family, a)
		}
	}
	base, err := together(family, newest)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range standIns() {
		out[name] = base
	}
	for name, last := range alone() {
		if out[name], err = together(own[name], last); err != nil {
			return nil, err
		}
	}
	for _, a := range all {
		if a.exact != "" && post.ReplaceAllString(a.exact, "") == out[a.name] {
			out[a.name] = a.exact
		}
	}
	return out, nil
}

// together is a version that all lines admit. Lines with a marker may exclude each other,
// as they hold for different Pythons; the last that fits the others is taken then.
func together(all []ask, newest string) (string, error) {
	var always, marked []string
	var lines []string
	for _, a := range all {
		lines = append(lines, a.line)
		if a.marked {
			marked = append(marked, a.spec)
		} else {
			always = append(always, a.spec)
		}
	}
	v, err := versionFor(strings.Join(append(slices.Clone(always), marked...), ","), newest)
	for i := len(marked) - 1; err != nil && i >= 0; i-- {
		v, err = versionFor(strings.Join(append(slices.Clone(always), marked[i]), ","), newest)
	}
	if err != nil {
		hint := "azureml-core==1.36.0, or azureml-core without a version; azure: original in config.yaml installs the real packages"
		if len(lines) > 1 {
			hint = "the packages of the SDK have one version in common: write the same for each, or name it once"
		}
		return "", cairn.Errorf(cairn.CodeInvalid, "%s: %w", strings.Join(lines, ", "), err).WithHint("%s", hint)
	}
	return v, nil
}

// versionFor is a version that a specifier admits: the newest there is, else the highest that
// it names or that lies beside one it names.
func versionFor(spec, newest string) (string, error) {
	var tries []string
	var clauses [][]string
	for part := range strings.SplitSeq(spec, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		m := clause.FindStringSubmatch(part)
		if m == nil {
			return "", fmt.Errorf("%q asks for no version that is known here", part)
		}
		clauses = append(clauses, m)
		v := m[2]
		switch {
		case strings.HasPrefix(m[1], "==") && m[3] == "":
			tries = append(tries, v)
		case m[1] == "<" || m[1] == "!=":
		case m[3] != "":
			tries = append(tries, v+".0")
		default:
			tries = append(tries, v)
		}
		if m[1] == ">" || m[1] == "<" {
			tries = append(tries, beside(v, m[1]))
		}
	}
	best := ""
	for _, t := range append(tries, newest) {
		if t == "" || slices.ContainsFunc(clauses, func(m []string) bool { return !admits(m, t) }) {
			continue
		}
		if t == newest {
			return t, nil
		}
		if best == "" || compare(t, best) > 0 {
			best = t
		}
	}
	if best != "" {
		return best, nil
	}
	return "", fmt.Errorf("no version is %s", spec)
}

// beside is a version just above or below another.
func beside(v, op string) string {
	n := parts(v)
	if op == ">" {
		n[len(n)-1]++
	} else {
		i := len(n) - 1
		for i >= 0 && n[i] == 0 {
			i--
		}
		if i < 0 {
			return ""
		}
		n[i]--
		n = append(n[:i+1], 99)
	}
	out := make([]string, len(n))
	for i, x := range n {
		out[i] = strconv.Itoa(x)
	}
	return strings.Join(out, ".")
}

func parts(v string) []int {
	var out []int
	for _, t := range numbers.FindAllString(v, -1) {
		n, err := strconv.Atoi(t)
		if err != nil {
			n = 1 << 30
		}
		out = append(out, n)
	}
	return out
}

func compare(a, b string) int {
	x, y := parts(a), parts(b)
	for i := range max(len(x), len(y)) {
		var p, q int
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		if p != q {
			return p - q
		}
	}
	return 0
}

func admits(m []string, v string) bool {
	op, want, c := m[1], m[2], compare(v, m[2])
	under := v == want || strings.HasPrefix(v, want+".")
	switch op {
	case "==", "===":
		return c == 0 || m[3] != "" && under
	case "!=":
		return !(c == 0 || m[3] != "" && under)
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	head := want[:max(0, strings.LastIndexByte(want, '.'))] // ~=1.36.0 is 1.36.*
	return c >= 0 && (v == head || strings.HasPrefix(v, head+"."))
}
