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
	maxNodes = 100000   // values read, aliases followed
	maxText  = 10 << 20 // bytes of scalars read, aliases followed
	// maxProblems keeps a hopeless file from flooding the terminal; it holds for
	// errors and for warnings.
	maxProblems = 100
	// maxMessage cuts messages that repeat long pieces of a file, as GitHub does.
	maxMessage = 500
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

// variant is a set of the shapes that one kind of map can have: a step that
// runs a script, or one that uses an action. Each key that is read leaves only
// the shapes that know it.
type variant uint8

// key is one line of a schema: what a map may hold under that name, what its
// expressions may use (a nil scope allows none), and where it goes.
type key[T any] struct {
	name  string
	want  want
	scope *expr.Scope
	set   func(r *reader, t *T, v value)
	must  bool    // required
	soft  bool    // asked for, but GitHub works without
	in    variant // the shapes that have it; 0 is all
}

// schema is the table of keys of one kind of map.
type schema[T any] struct {
	keys []key[T]
	// lenient makes an unknown key a warning: GitHub ignores it there.
	lenient bool
	// loose makes it read the value of an unknown key for expressions, too.
	loose bool
	// variants are all shapes of the map; 0 where it has but one.
	variants variant
	// tell says which keys decide between the shapes.
	tell string
	// misplaced explains keys that belong elsewhere.
	misplaced map[string]string
}

// names lists the keys that one of the shapes in v has.
func (s *schema[T]) names(v variant) []string {
	names := make([]string, 0, len(s.keys))
	for _, k := range s.keys {
		if k.in == 0 || k.in&v != 0 {
			names = append(names, k.name)
		}
	}
	return names
}

// telling lists the keys that only one of the shapes in v has.
func (s *schema[T]) telling(v variant) []string {
	var names []string
	for _, k := range s.keys {
		if in := k.in & v; in != 0 && in&(in-1) == 0 {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
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
	jobsPos  cairn.Position
	steppers *schema[stepDraft] // made at the first step
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
		Message: clip(oneLine(fmt.Sprintf(format, args...)), maxMessage), Hint: hint, Snippet: r.src.line(at.Line),
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
	if r.stopped {
		return false
	}
	r.depth++
	r.nodes++
	r.bytes += len(n.Value)
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

// readMap reads a map by its schema into t. what names the map in hints.
func readMap[T any](r *reader, n *yaml.Node, what string, s *schema[T], t *T) {
	n = r.deref(n)
	if !r.accepts(n, what, wantMap, nil) {
		return
	}
	seen := make([]bool, len(s.keys))
	left := s.variants
	computed := false
	r.each(n, func(k, v *yaml.Node) {
		name := keyText(k)
		if expr.HasExpression(k.Value) {
			computed = true
			r.computedKey(k, what)
			return
		}
		at := slices.IndexFunc(s.keys, func(d key[T]) bool { return d.name == name })
		if at >= 0 && left != 0 && s.keys[at].in != 0 {
			if left&s.keys[at].in == 0 {
				hint := "it does not go with the keys before it; allowed here: " + strings.Join(s.names(left), ", ")
				if where := s.misplaced[name]; where != "" {
					hint = where + "; " + hint
				}
				r.fail("unknown-key", k, hint, "Unexpected value %s", quote(name))
				return
			}
			left &= s.keys[at].in
		}
		if at < 0 {
			r.unknownKey(k, what, s.names(left), s.lenient, s.misplaced)
			if s.loose {
				r.ignored(v)
			}
			return
		}
		seen[at] = true
		d := &s.keys[at]
		if r.accepts(v, name, d.want, d.scope) && d.set != nil {
			d.set(r, t, value{key: k, node: v, scope: d.scope})
		}
	})
	if left&(left-1) != 0 {
		r.fail("shape", n, what+": "+s.tell,
			"There's not enough info to determine what you meant. Add one of these properties: %s", strings.Join(s.telling(left), ", "))
		return
	}
	for i, d := range s.keys {
		if !d.must && !d.soft || seen[i] || computed || d.in != 0 && d.in&left == 0 {
			continue
		}
		severity, hint := cairn.SeverityError, "add "+d.name+": …"
		if d.soft {
			severity, hint = cairn.SeverityWarning, hint+"; it works without"
		}
		r.report(severity, "missing-key", r.src.place(n), what+": "+hint, "Required property is missing: %s", d.name)
	}
}

// computedKey refuses a key that an expression makes. GitHub takes them in some
// maps (${{ insert }}); none is built.
func (r *reader) computedKey(k *yaml.Node, what string) {
	r.fail("unsupported", k, "write the keys out", "a key of %s cannot be an expression: this is not built", what)
}

func (r *reader) unknownKey(k *yaml.Node, what string, allowed []string, lenient bool, misplaced map[string]string) {
	if lenient && r.full(cairn.SeverityWarning) {
		return // the hint costs more than it is worth
	}
	name := keyText(k)
	hint := "not a key of " + what + "; allowed here: " + strings.Join(allowed, ", ")
	if near := cairn.Nearest(name, allowed); near != "" {
		hint = "did you mean " + near + "? " + hint
	} else if where := misplaced[cairn.Nearest(name, slices.Sorted(maps.Keys(misplaced)))]; where != "" {
		hint = where + "; " + hint
	}
	if lenient {
		r.warn("unknown-key", k, "it is ignored; "+hint, "Unexpected value %s", quote(name))
		return
	}
	r.fail("unknown-key", k, hint, "Unexpected value %s", quote(name))
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
				ok = r.accepts(r.deref(item), "an item of "+name, wantWord, scope) && ok
			}
			return ok
		}
	default:
		v := scalar(n)
		if v.Kind() == expr.KindString && expr.HasExpression(n.Value) {
			if scope == nil {
				r.noExpression(n, name)
			}
			return scope != nil
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

// noExpression refuses the expressions of n, each with what GitHub says of it
// where no context exists.
func (r *reader) noExpression(n *yaml.Node, name string) {
	before := r.counts[cairn.SeverityError]
	r.expressions(n, scopeNothing)
	if r.counts[cairn.SeverityError] == before {
		at := strings.Index(n.Value, "${{")
		r.report(cairn.SeverityError, "expression", r.src.within(n, at, at+len("${{")), name+" takes no expression; write the value itself",
			"A template expression is not allowed in this context")
	}
}

// ignored looks through a value that nothing uses: its expressions are refused
// all the same, as on GitHub.
func (r *reader) ignored(n *yaml.Node) {
	n = r.deref(n)
	if !r.enter(n) {
		return
	}
	defer r.leave()
	if n.Kind == yaml.ScalarNode && expr.HasExpression(n.Value) && scalar(n).Kind() == expr.KindString {
		r.noExpression(n, "a value that is ignored")
	}
	for _, c := range n.Content {
		r.ignored(c)
	}
}

func (r *reader) wrongKind(n *yaml.Node, name string, w want, scope *expr.Scope) {
	hint := ""
	v := expr.Null()
	if n.Kind == yaml.ScalarNode {
		v = scalar(n)
	}
	switch {
	case n.Kind == yaml.MappingNode && w&(wantList|wantTexts) != 0 && w&wantMap == 0:
		hint = "; each item of a list starts with '- '"
	case n.Kind == yaml.SequenceNode && w&wantMap != 0:
		hint = "; write key: value lines without '- '"
	case n.Kind == yaml.ScalarNode && v.IsNull():
		hint = "; leave the key away, or give it a value"
	case w&wantBool != 0 && n.Kind == yaml.ScalarNode:
		hint = "; write true or false, without quotes"
	case w&wantNum != 0 && v.Kind() == expr.KindString && isNumber(n.Value):
		hint = "; write the number without quotes"
	case scope != nil:
		hint = "; an expression ${{ … }} is allowed too"
	}
	hint = fmt.Sprintf("%s takes %s, but %s stands here%s", name, w, describe(n), hint)
	switch n.Kind {
	case yaml.MappingNode:
		r.fail("wrong-kind", n, hint, "A mapping was not expected")
	case yaml.SequenceNode:
		r.fail("wrong-kind", n, hint, "A sequence was not expected")
	default:
		r.fail("wrong-kind", n, hint, "Unexpected value %s", quote(v.ToString()))
	}
}
