package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Limits of a file.
const (
	maxFile  = 1 << 20
	maxDepth = 50       // nesting of maps and lists, aliases followed
	maxNodes = 200000   // values read, aliases followed
	maxText  = 10 << 20 // bytes of scalars read, aliases followed
	// maxProblems keeps a hopeless file from flooding the terminal; it holds for
	// errors and for warnings.
	maxProblems = 100
	// maxRun is the longest script of a step, in characters.
	maxRun = 21000
)

// want is what kinds of YAML a key takes.
type want uint16

const (
	wantText  want = 1 << iota // any scalar, kept as text; may be empty
	wantWord                   // any scalar that is not empty
	wantBool                   // true or false
	wantNum                    // a number
	wantNull                   // nothing
	wantList                   // a list
	wantTexts                  // a list of scalars that are not empty
	wantMap                    // a map
)

var wantNames = [...]struct {
	want want
	name string
}{
	{wantText | wantWord, "text"}, {wantBool, "true or false"}, {wantNum, "a number"},
	{wantList, "a list"}, {wantTexts, "a list of texts"}, {wantMap, "a map"}, {wantNull, "nothing"},
}

func (w want) String() string {
	var names []string
	for _, n := range wantNames {
		if w&n.want != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) > 1 {
		last := len(names) - 1
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return strings.Join(names, "")
}

// key is one line of a schema: what a map may hold under that name, what its
// expressions may use (a nil scope allows none), and where it goes.
type key[T any] struct {
	name  string
	want  want
	scope *expr.Scope
	set   func(r *reader, t *T, v value)
	must  bool // required
}

// schema is the table of keys of one kind of map.
type schema[T any] struct {
	keys []key[T]
	// lenient makes an unknown key a warning: GitHub ignores it there.
	lenient bool
	// misplaced explains keys that belong elsewhere.
	misplaced map[string]string
}

func (s *schema[T]) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// value is what stands under a key.
type value struct {
	key   *yaml.Node
	node  *yaml.Node // aliases followed
	scope *expr.Scope
}

// use is one context path that an expression uses.
type use struct {
	ref    expr.Reference
	node   *yaml.Node
	offset int // of the expression in the node's value
	job    int // index of the job; -1 at the root
	step   int // index of the step; -1 outside of steps
}

type reader struct {
	src      *source
	problems []cairn.Problem
	counts   map[cairn.Severity]int
	uses     []use
	job      int
	step     int
	depth    int
	nodes    int
	bytes    int // of scalars
	stopped  bool
}

// report adds a finding.
func (r *reader) report(sev cairn.Severity, code string, at cairn.Position, hint, format string, args ...any) {
	if r.full(sev) {
		return
	}
	if r.counts[sev]++; sev == cairn.SeverityError && r.full(sev) {
		r.stopped = true // a hopeless file is not read to its end
	}
	r.problems = append(r.problems, cairn.Problem{
		Position: at, Severity: sev, Code: "workflow." + code,
		Message: fmt.Sprintf(format, args...), Hint: hint, Snippet: r.src.line(at.Line),
	})
}

// full reports whether enough was said. Errors and warnings count apart, so that
// no number of warnings hides an error.
func (r *reader) full(sev cairn.Severity) bool { return r.counts[sev] >= maxProblems }

func (r *reader) fail(code string, n *yaml.Node, hint, format string, args ...any) {
	r.report(cairn.SeverityError, code, r.src.place(n), hint, format, args...)
}

func (r *reader) warn(code string, n *yaml.Node, hint, format string, args ...any) {
	r.report(cairn.SeverityWarning, code, r.src.place(n), hint, format, args...)
}

// deref follows an alias.
func (r *reader) deref(n *yaml.Node) *yaml.Node {
	for hops := 0; n.Kind == yaml.AliasNode && n.Alias != nil && hops < maxDepth; hops++ {
		n = n.Alias
	}
	return n
}

// enter counts one value of the file; false means that a limit is passed.
func (r *reader) enter(n *yaml.Node) bool {
	r.depth++
	r.nodes++
	r.bytes += len(n.Value)
	if r.stopped {
		r.depth--
		return false
	}
	const aliases = "aliases count each time they are used"
	if r.depth > maxDepth || r.nodes > maxNodes || r.bytes > maxText {
		delete(r.counts, cairn.SeverityError) // this one is said in any case
	}
	switch {
	case r.depth > maxDepth:
		r.fail("too-large", n, "", "maps and lists are nested deeper than %d levels", maxDepth)
	case r.nodes > maxNodes:
		r.fail("too-large", n, aliases, "the file stands for more than %d values", maxNodes)
	case r.bytes > maxText:
		r.fail("too-large", n, aliases, "the file stands for more than %d bytes of text", maxText)
	default:
		return true
	}
	r.depth--
	r.stopped = true
	return false
}

func (r *reader) leave() { r.depth-- }

// readMap reads a map by its schema into t. what names the map in messages;
// owner is the node that messages about missing keys point to.
func readMap[T any](r *reader, n, owner *yaml.Node, what string, s *schema[T], t *T) {
	n = r.deref(n)
	if n.Kind != yaml.MappingNode {
		r.wrongKind(n, what, wantMap, nil)
		return
	}
	if !r.enter(n) {
		return
	}
	defer r.leave()
	seen := make([]bool, len(s.keys))
	var unknown []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := r.deref(n.Content[i])
		name := keyText(k)
		at := slices.IndexFunc(s.keys, func(d key[T]) bool { return d.name == name })
		if at < 0 {
			r.unknownKey(k, what, s.names(), s.lenient, s.misplaced)
			unknown = append(unknown, name)
			continue
		}
		seen[at] = true
		if r.stopped {
			return
		}
		d := &s.keys[at]
		v := value{key: k, node: r.deref(n.Content[i+1]), scope: d.scope}
		if r.accepts(v.node, name, d.want, d.scope) && d.set != nil {
			d.set(r, t, v)
		}
	}
	for i, d := range s.keys {
		// A required key that is only misspelt is reported once.
		if d.must && !seen[i] && cairn.Nearest(d.name, unknown) == "" && !slices.Contains(unknown, "<<") {
			r.fail("missing-key", owner, "add "+d.name+": …", "%s has no %s", what, d.name)
		}
	}
}

func (r *reader) unknownKey(k *yaml.Node, what string, allowed []string, lenient bool, misplaced map[string]string) {
	name := keyText(k)
	hint := "allowed here: " + strings.Join(allowed, ", ")
	if near := cairn.Nearest(name, allowed); near != "" {
		hint = "did you mean " + near + "? " + hint
	} else if where := misplaced[cairn.Nearest(name, slices.Sorted(maps.Keys(misplaced)))]; where != "" {
		hint = where + "; " + hint
	}
	switch {
	case name == "<<": // reported for what it is
	case expr.HasExpression(k.Value):
		r.fail("unknown-key", k, "allowed here: "+strings.Join(allowed, ", "), "a key of %s cannot be an expression", what)
	case lenient:
		r.warn("unknown-key", k, hint, "unknown key %s in %s: it is ignored", quote(name), what)
	default:
		r.fail("unknown-key", k, hint, "unknown key %s in %s", quote(name), what)
	}
}

// accepts checks the kind of n against what a key takes.
func (r *reader) accepts(n *yaml.Node, name string, w want, scope *expr.Scope) bool {
	switch n.Kind {
	case yaml.MappingNode:
		if w&wantMap != 0 {
			return true
		}
	case yaml.SequenceNode:
		if w&wantList != 0 {
			return true
		}
		if w&wantTexts != 0 {
			ok := true
			for _, item := range n.Content {
				item = r.deref(item)
				if item.Kind != yaml.ScalarNode || scalar(item).ToString() == "" {
					r.fail("wrong-kind", item, "", "%s takes a list of texts, but %s stands in it", name, describe(item))
					ok = false
				}
			}
			return ok
		}
	default:
		v := scalar(n)
		if v.Kind() == expr.KindString && expr.HasExpression(n.Value) {
			if scope == nil {
				r.fail("expression", n, "write the value itself", "%s cannot be an expression", name)
				return false
			}
			return true
		}
		switch {
		case w&wantText != 0,
			w&wantWord != 0 && v.ToString() != "",
			w&wantBool != 0 && v.Kind() == expr.KindBool,
			w&wantNum != 0 && v.Kind() == expr.KindNumber,
			w&wantNull != 0 && v.Kind() == expr.KindNull:
			return true
		}
	}
	r.wrongKind(n, name, w, scope)
	return false
}

func (r *reader) wrongKind(n *yaml.Node, name string, w want, scope *expr.Scope) {
	hint := ""
	v := expr.Null()
	if n.Kind == yaml.ScalarNode {
		v = scalar(n)
	}
	switch {
	case n.Kind == yaml.MappingNode && w&(wantList|wantTexts) != 0 && w&wantMap == 0:
		hint = "each item of a list starts with '- '"
	case n.Kind == yaml.SequenceNode && w&wantMap != 0:
		hint = "write key: value lines without '- '"
	case n.Kind == yaml.ScalarNode && v.IsNull():
		hint = "leave the key away, or give it a value"
	case w&wantBool != 0 && n.Kind == yaml.ScalarNode:
		hint = "write true or false, without quotes"
	case w&wantNum != 0 && v.Kind() == expr.KindString && isNumber(n.Value):
		hint = "write the number without quotes"
	}
	if scope != nil && hint == "" {
		hint = "an expression ${{ … }} is allowed too"
	}
	r.fail("wrong-kind", n, hint, "%s takes %s, but %s stands here", name, w, describe(n))
}

// text is a scalar as a word with its place.
func (r *reader) text(n *yaml.Node) Text {
	n = r.deref(n)
	return Text{Value: scalar(n).ToString(), Pos: r.src.place(n)}
}

// texts reads a word or a list of words.
func (r *reader) texts(n *yaml.Node) []Text {
	if n.Kind != yaml.SequenceNode {
		return []Text{r.text(n)}
	}
	out := make([]Text, len(n.Content))
	for i, item := range n.Content {
		out[i] = r.text(item)
	}
	return out
}

// named reads a free map of scalars: env, with, outputs, secrets.
func (r *reader) named(v value, what string) []cairn.NamedValue {
	if v.node.Kind != yaml.MappingNode {
		if v.node.Kind == yaml.ScalarNode {
			r.expressions(v.node, v.scope)
		}
		r.fail("unsupported", v.node, "write out its entries, each with its own ${{ … }}",
			"one expression for all of %s is not built", what)
		return nil
	}
	out := make([]cairn.NamedValue, 0, len(v.node.Content)/2)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, item := r.deref(v.node.Content[i]), r.deref(v.node.Content[i+1])
		name := keyText(k)
		if expr.HasExpression(k.Value) {
			r.fail("expression", k, "", "a name in %s cannot be an expression", what)
			continue
		}
		if name == "" {
			r.fail("missing-key", k, "", "a name in %s is empty", what)
			continue
		}
		if item.Kind != yaml.ScalarNode {
			r.wrongKind(item, what+"."+name, wantText, nil)
			continue
		}
		out = append(out, cairn.NamedValue{Name: name, Value: r.template(item, v.scope)})
	}
	return out
}

// each calls visit for every entry of a free map.
func (r *reader) each(n *yaml.Node, visit func(k, v *yaml.Node)) {
	n = r.deref(n)
	if !r.enter(n) {
		return
	}
	defer r.leave()
	for i := 0; i+1 < len(n.Content); i += 2 {
		visit(r.deref(n.Content[i]), r.deref(n.Content[i+1]))
	}
}
