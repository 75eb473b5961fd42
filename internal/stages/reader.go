package stages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// Limits of a file.
const (
	maxFile  = 256 << 10
	maxDepth = 30     // nesting of maps and lists, aliases followed
	maxNodes = 20_000 // values read, aliases followed
	maxBytes = 1 << 20
	// maxProblems keeps a hopeless file from flooding the terminal.
	maxProblems = 100
)

// reader gathers what is wrong with a file.
type reader struct {
	src      *source
	problems []cairn.Problem
	checks   *Checker // made with the first check
	gate     *Gate    // made with the first gate
	depth    int
	nodes    int
	bytes    int
	stopped  bool
}

func (r *reader) report(sev cairn.Severity, code string, at cairn.Position, hint, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.stopped = true
		return
	}
	r.problems = append(r.problems, cairn.Problem{
		Position: at, Severity: sev, Code: "stages." + code,
		Message: fmt.Sprintf(format, args...), Hint: hint, Snippet: r.src.line(at.Line),
	})
}

func (r *reader) fail(code string, n *yaml.Node, hint, format string, args ...any) {
	r.report(cairn.SeverityError, code, r.src.place(n), hint, format, args...)
}

func (r *reader) warn(code string, n *yaml.Node, hint, format string, args ...any) {
	r.report(cairn.SeverityWarning, code, r.src.place(n), hint, format, args...)
}

// deref follows an alias.
func deref(n *yaml.Node) *yaml.Node {
	for hops := 0; n.Kind == yaml.AliasNode && n.Alias != nil && hops < maxDepth; hops++ {
		n = n.Alias
	}
	return n
}

// enter counts one value of the file; false means that a limit is passed.
func (r *reader) enter(n *yaml.Node) bool {
	if r.stopped {
		return false
	}
	r.depth++
	r.nodes++
	r.bytes += len(n.Value)
	const aliases = "aliases count each time they are used"
	switch {
	case r.depth > maxDepth:
		r.fail("too-large", n, "", "maps and lists are nested deeper than %d levels", maxDepth)
	case r.nodes > maxNodes:
		r.fail("too-large", n, aliases, "the file stands for more than %d values", maxNodes)
	case r.bytes > maxBytes:
		r.fail("too-large", n, aliases, "the file stands for more than %d bytes of text", maxBytes)
	default:
		return true
	}
	r.depth--
	r.stopped = true
	return false
}

func (r *reader) leave() { r.depth-- }

// key is one line of a schema: a name, what stands under it in words for the
// reference, and where it goes.
type key[T any] struct {
	name string
	kind string // "text", "a number from 1 to 65535"
	def  string // what holds where it is left out; "" when nothing does
	doc  string
	must bool
	set  func(r *reader, t *T, n *yaml.Node)
}

// readMap reads a map by its keys into t. what names the map in messages; owner
// is the node that messages about missing keys point to.
func readMap[T any](r *reader, n, owner *yaml.Node, what string, keys []key[T], t *T) bool {
	if n = deref(n); n.Kind != yaml.MappingNode {
		r.wrong(n, what, "a map")
		return false
	}
	if !r.enter(n) {
		return false
	}
	defer r.leave()
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	seen := make([]bool, len(keys))
	var unknown []string
	for i := 0; i+1 < len(n.Content) && !r.stopped; i += 2 {
		k := deref(n.Content[i])
		at := slices.Index(names, k.Value)
		if at < 0 {
			if k.Value != "<<" { // reported for what it is
				r.unknownKey(k, what, names)
			}
			unknown = append(unknown, k.Value)
			continue
		}
		seen[at] = true
		v := deref(n.Content[i+1])
		if isNull(v) {
			r.fail("wrong-kind", v, "leave the key away, or give it a value", "%s takes %s, but nothing stands here", k.Value, keys[at].kind)
			continue
		}
		keys[at].set(r, t, v)
	}
	for i, k := range keys {
		// A required key that is only misspelt is reported once.
		if k.must && !seen[i] && cairn.Nearest(k.name, unknown) == "" {
			r.fail("missing-key", owner, "add "+k.name+": …", "%s has no %s", what, k.name)
		}
	}
	return true
}

func (r *reader) unknownKey(k *yaml.Node, what string, allowed []string) {
	hint := "allowed here: " + strings.Join(allowed, ", ")
	if near := cairn.Nearest(k.Value, allowed); near != "" {
		hint = "did you mean " + near + "? " + hint
	} else if where := misplaced[k.Value]; where != "" {
		hint = where + "; " + hint
	}
	r.fail("unknown-key", k, hint, "unknown key %s in %s", quote(k.Value), what)
}

// each visits the entries of a free map.
func (r *reader) each(n *yaml.Node, what string, limit int, visit func(k, v *yaml.Node)) {
	if n = deref(n); n.Kind != yaml.MappingNode {
		r.wrong(n, what, "a map")
		return
	}
	if len(n.Content)/2 > limit {
		r.fail("too-large", n, "", "%s has %d entries; at most %d are allowed", what, len(n.Content)/2, limit)
		return
	}
	if !r.enter(n) {
		return
	}
	defer r.leave()
	for i := 0; i+1 < len(n.Content) && !r.stopped; i += 2 {
		visit(deref(n.Content[i]), deref(n.Content[i+1]))
	}
}

// items visits a list; a scalar stands for a list of one.
func (r *reader) items(n *yaml.Node, what string, limit int, visit func(n *yaml.Node)) {
	if n = deref(n); n.Kind != yaml.SequenceNode {
		visit(n)
		return
	}
	if len(n.Content) > limit {
		r.fail("too-large", n, "", "%s has %d entries; at most %d are allowed", what, len(n.Content), limit)
		return
	}
	if !r.enter(n) {
		return
	}
	defer r.leave()
	for _, item := range n.Content {
		if r.stopped {
			return
		}
		visit(deref(item))
	}
}

// text reads a scalar as text that is not empty.
func (r *reader) text(n *yaml.Node, what string, limit int) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode, isNull(n):
		r.wrong(n, what, "text")
	case strings.TrimSpace(n.Value) == "":
		r.fail("wrong-kind", n, "leave the key away, or give it a value", "%s is empty", what)
	case len(n.Value) > limit:
		r.fail("too-large", n, "", "%s has %d bytes; at most %d are allowed", what, len(n.Value), limit)
	case strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f }):
		r.fail("value", n, "", "%s holds a control character", what)
	default:
		return n.Value, true
	}
	return "", false
}

// line reads text without line breaks.
func (r *reader) oneLine(n *yaml.Node, what string, limit int) (string, bool) {
	v, ok := r.text(n, what, limit)
	if ok && strings.ContainsAny(v, "\n\t") {
		r.fail("value", n, "", "%s holds a line break or tab", what)
		return "", false
	}
	return v, ok
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, what string) (value, ok bool) {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		switch n.Value {
		case "true", "True", "TRUE":
			return true, true
		case "false", "False", "FALSE":
			return false, true
		}
	}
	r.fail("wrong-kind", n, "write true or false, without quotes", "%s takes true or false, but %s stands here", what, describe(n))
	return false, false
}

// number reads a number between two bounds.
func (r *reader) number(n *yaml.Node, what string, low, high float64) (float64, bool) {
	v, ok := plainNumber(n)
	if !ok {
		hint := ""
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil && n.Kind == yaml.ScalarNode {
			hint = "write the number without quotes"
		}
		r.fail("wrong-kind", n, hint, "%s takes a number, but %s stands here", what, describe(n))
		return 0, false
	}
	if v < low || v > high {
		r.fail("value", n, "", "%s is %s; allowed are %s to %s", what, n.Value, number(low), number(high))
		return 0, false
	}
	return v, true
}

// whole reads a whole number between two bounds.
func (r *reader) whole(n *yaml.Node, what string, low, high int) (int, bool) {
	v, ok := r.number(n, what, float64(low), float64(high))
	if ok && v != float64(int(v)) {
		r.fail("value", n, "", "%s is %s; it takes a whole number", what, n.Value)
		return 0, false
	}
	return int(v), ok
}

func plainNumber(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 ||
		strings.ContainsAny(n.Value, "_xXpPnNiI") {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	return v, err == nil
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (r *reader) wrong(n *yaml.Node, what, takes string) {
	hint := ""
	switch {
	case n.Kind == yaml.MappingNode && strings.Contains(takes, "list"):
		hint = "each item of a list starts with '- '"
	case n.Kind == yaml.SequenceNode && strings.Contains(takes, "map"):
		hint = "write key: value lines without '- '"
	case isNull(n):
		hint = "leave the key away, or give it a value"
	}
	r.fail("wrong-kind", n, hint, "%s takes %s, but %s stands here", what, takes, describe(n))
}

func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// describe says what stands somewhere.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	if _, ok := plainNumber(n); ok {
		return "the number " + n.Value
	}
	return quote(n.Value)
}

func quote(s string) string {
	const most = 60
	rs := []rune(s)
	if len(rs) > most {
		rs = append(rs[:most], '…')
	}
	for i, c := range rs {
		if unicode.IsControl(c) {
			rs[i] = ' '
		}
	}
	return `"` + string(rs) + `"`
}
