package stages

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

const day = 24 * time.Hour

// duration reads 500ms, 60s, 10m, 24h, 30d and what is made of several.
func (r *reader) duration(n *yaml.Node, what string, low, high time.Duration) (cairn.Milliseconds, bool) {
	text, ok := r.oneLine(n, what, 50)
	if !ok {
		return 0, false
	}
	d, err := parseDuration(text)
	if err != nil {
		hint := "write for example 500ms, 60s, 10m, 24h or 30d"
		if v, isNumber := plainNumber(n); isNumber && v >= 0 {
			hint = "a unit is missing: write " + n.Value + "s for seconds"
		}
		r.fail("value", n, hint, "%s is %s, which is no duration", what, quote(text))
		return 0, false
	}
	if d < low || d > high {
		r.fail("value", n, "", "%s is %s; allowed are %s to %s", what, text, showDuration(low), showDuration(high))
		return 0, false
	}
	return cairn.Milliseconds(d / time.Millisecond), true
}

var durationPart = lazily(`^(\d+(?:\.\d+)?)(ms|s|m|h|d)`)

func parseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	var total float64
	rest := text
	for rest != "" {
		m := durationPart().FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is no duration", text)
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		unit := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}[m[2]]
		total += v * float64(unit)
		rest = rest[len(m[0]):]
	}
	if text == "" || total > float64(100*365*day) {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	return time.Duration(math.Round(total)), nil
}

func showDuration(d time.Duration) string {
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}

var sizeForm = lazily(`^(\d+(?:\.\d+)?)([kKMGT]?)(i?)B?$`)

// size reads 512Mi, 1Gi, 500M and plain bytes.
func (r *reader) size(n *yaml.Node, what string, low, high int64) (int64, bool) {
	text, ok := r.oneLine(n, what, 50)
	if !ok {
		return 0, false
	}
	v, ok := parseSize(text)
	if !ok {
		r.fail("value", n, "write for example 512Mi, 1Gi or 500M", "%s is %s, which is no size", what, quote(text))
		return 0, false
	}
	if v < low || v > high {
		hint := ""
		if _, plain := plainNumber(n); plain && v < low {
			hint = "without a unit it counts bytes: write " + n.Value + "Mi for mebibytes"
		}
		r.fail("value", n, hint, "%s is %s; allowed are %s to %s", what, text, showSize(low), showSize(high))
		return 0, false
	}
	return v, true
}

func parseSize(text string) (int64, bool) {
	m := sizeForm().FindStringSubmatch(text)
	if m == nil || m[2] == "" && m[3] != "" {
		return 0, false
	}
	base := 1000.0
	if m[3] != "" {
		base = 1024
	}
	v, err := strconv.ParseFloat(m[1], 64)
	v *= math.Pow(base, float64(strings.Index(" KMGT", strings.ToUpper(cmpOr(m[2], " ")))))
	if err != nil || v > 1<<60 {
		return 0, false
	}
	return int64(v), true
}

func showSize(v int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if v >= u.size && v%u.size == 0 {
			return fmt.Sprintf("%d%s", v/u.size, u.name)
		}
	}
	return strconv.FormatInt(v, 10)
}

// cores reads 1, 0.5 or 500m.
func (r *reader) cores(n *yaml.Node, what string) (float64, bool) {
	if text, ok := strings.CutSuffix(n.Value, "m"); ok && n.Kind == yaml.ScalarNode {
		if v, err := strconv.ParseUint(text, 10, 32); err == nil && v >= 10 && v <= 1024_000 {
			return float64(v) / 1000, true
		}
	}
	return r.number(n, what, 0.01, 1024)
}

// absolute reads a path of the served API.
func (r *reader) absolute(n *yaml.Node, what string) (string, bool) {
	p, ok := r.oneLine(n, what, 2000)
	if !ok {
		return "", false
	}
	hint := ""
	switch {
	case strings.Contains(p, "://"):
		hint = "leave the host out: it is the stage's own"
	case !strings.HasPrefix(p, "/"):
		hint = "write /" + p
	case strings.ContainsAny(p, " #\\\"<>"):
		hint = "write a space as %20; a fragment (#) is never sent"
	default:
		return p, true
	}
	r.fail("value", n, hint, "%s is %s, which is no path of the API", what, quote(p))
	return "", false
}

// relative reads a path of a file of the repository.
func (r *reader) relative(n *yaml.Node, what string) (string, bool) {
	p, ok := r.oneLine(n, what, 1000)
	if !ok {
		return "", false
	}
	clean := path.Clean(strings.TrimPrefix(p, "./"))
	hint := ""
	switch {
	case strings.Contains(p, "\\"):
		hint = "separate folders with /"
	case strings.HasPrefix(p, "/"):
		hint = "write it from the top of the repository, without the first /"
	case clean == ".." || strings.HasPrefix(clean, "../"):
		hint = "it lies outside of the repository"
	case clean == "." || strings.HasSuffix(p, "/"):
		hint = "name a file, not a folder"
	case clean == ".git" || strings.HasPrefix(clean, ".git/"):
		hint = "it is no file of the repository"
	default:
		return clean, true
	}
	r.fail("value", n, hint, "%s is %s, which is no file of the repository", what, quote(p))
	return "", false
}

// jsonOf turns a YAML value into canonical JSON: keys sorted, numbers as they
// are written where JSON has them too.
func (r *reader) jsonOf(n *yaml.Node, what string) (json.RawMessage, bool) {
	n = deref(n)
	if !r.enter(n) {
		return nil, false
	}
	defer r.leave()
	switch n.Kind {
	case yaml.MappingNode:
		fields := map[string]json.RawMessage{}
		ok := true
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, good := r.jsonOf(n.Content[i+1], what)
			fields[deref(n.Content[i]).Value] = v
			ok = ok && good
		}
		if !ok {
			return nil, false
		}
		return encode(fields), true
	case yaml.SequenceNode:
		items, ok := make([]json.RawMessage, len(n.Content)), true
		for i, c := range n.Content {
			good := false
			items[i], good = r.jsonOf(c, what)
			ok = ok && good
		}
		if !ok {
			return nil, false
		}
		return encode(items), true
	}
	if isNull(n) {
		return json.RawMessage("null"), true
	}
	if v, ok := plainNumber(n); ok {
		if json.Valid([]byte(n.Value)) {
			return json.RawMessage(n.Value), true
		}
		return encode(v), true
	}
	if n.Style == 0 {
		switch strings.ToLower(n.Value) {
		case "true", "false":
			return json.RawMessage(strings.ToLower(n.Value)), true
		case ".nan", ".inf", "-.inf", "+.inf":
			r.fail("value", n, "", "%s holds %s, which JSON has no word for", what, n.Value)
			return nil, false
		}
	}
	return encode(n.Value), true
}

// encode writes JSON without the escapes that are meant for HTML.
func encode(v any) json.RawMessage {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // maps, lists and texts always encode
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}

func sortNamed(list []cairn.NamedText) {
	slices.SortFunc(list, func(a, b cairn.NamedText) int { return strings.Compare(a.Name, b.Name) })
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lazily compiles a pattern when it is first used: most runs of the program use
// none of them.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
