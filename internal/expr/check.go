package expr

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Scope lists what is available at one place of a file.
type Scope struct {
	Contexts  []string
	Functions []Signature // beyond those of the language itself
	// Known are all contexts of the language: naming one of these where it is not
	// available gets its own message.
	Known []string
	// KnownFunctions are the same for functions.
	KnownFunctions []string
}

// Check finds contexts and functions that are not available, all of them.
func (n *Node) Check(scope Scope) []*Error {
	var out []*Error
	n.walk(func(n *Node) {
		switch n.kind {
		case nodeContext:
			if !containsFold(scope.Contexts, n.lower) {
				if containsFold(scope.Known, n.lower) {
					e := errorAt(Parsing, n.off, n.end, "context %s is not available here", show(n.name)).standardAt(unknownName, n.name)
					out = append(out, e.hint("available here: %s", list(scope.Contexts)))
					return
				}
				e := unknownContext(n, scope.Contexts)
				if near := cairn.Nearest(n.name, scope.Known); near != "" && !containsFold(scope.Contexts, near) {
					e.hint("did you mean %s? It is not available here; available: %s", near, list(scope.Contexts))
				}
				out = append(out, e)
			}
		case nodeCall:
			if n.fn != nil {
				return
			}
			i := slices.IndexFunc(scope.Functions, func(s Signature) bool { return strings.EqualFold(s.Name, n.lower) })
			if i >= 0 {
				if err, ok := checkArity(n, scope.Functions[i]).(*Error); ok {
					out = append(out, err)
				}
				return
			}
			names := make([]string, len(scope.Functions))
			for i, s := range scope.Functions {
				names[i] = s.Name
			}
			if containsFold(scope.KnownFunctions, n.lower) {
				e := errorAt(Parsing, n.off, n.end, "function %s is not available here", show(n.name)).standardAt(unknownCall, n.name)
				out = append(out, e.hint("available here: %s", list(allFunctions(names))))
				return
			}
			out = append(out, unknownFunction(n, names))
		}
	})
	return out
}

// GitHub's descriptions.
const (
	unknownName = "Unrecognized named-value"
	unknownCall = "Unrecognized function"
)

func unknownContext(n *Node, known []string) *Error {
	e := errorAt(Parsing, n.off, n.end, "unknown context %s", show(n.name)).standardAt(unknownName, n.name)
	if near := cairn.Nearest(n.name, known); near != "" {
		return e.hint("did you mean %s? available here: %s", near, list(known))
	}
	if len(known) == 0 {
		return e.hint("no context is available here; text stands in single quotes: '%s'", n.name)
	}
	return e.hint("available here: %s; text stands in single quotes: '%s'", list(known), n.name)
}

func unknownFunction(n *Node, more []string) *Error {
	names := allFunctions(more)
	e := errorAt(Parsing, n.off, n.end, "unknown function %s", show(n.name)).standardAt(unknownCall, n.name)
	if near := cairn.Nearest(n.name, names); near != "" {
		return e.hint("did you mean %s? available here: %s", near, list(names))
	}
	return e.hint("available here: %s", list(names))
}

func allFunctions(more []string) []string {
	names := slices.Clone(more)
	for _, b := range builtins {
		names = append(names, b.sig.Name)
	}
	slices.Sort(names)
	return names
}

func list(names []string) string { return strings.Join(names, ", ") }

func containsFold(names []string, s string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s) })
}

func (n *Node) walk(visit func(*Node)) {
	visit(n)
	for _, a := range n.args {
		a.walk(visit)
	}
}

// UsesStatusFunction reports whether success, failure, always or cancelled is
// called anywhere in n.
func UsesStatusFunction(n *Node) bool {
	found := false
	n.walk(func(n *Node) {
		found = found || n.kind == nodeCall && slices.Contains(statusNames[:], n.lower)
	})
	return found
}

// Reference is one use of a context: secrets.TOKEN, needs.build.outputs.x. The
// path ends where it is not known before evaluation.
type Reference struct {
	// Path holds the context in lower case and then names as written; "*" for all.
	Path []string
	// Open says that more follows that only evaluation knows: secrets[x].
	Open        bool
	Offset, End int
	// Guarded says that the expression itself deals with an empty value: the use
	// is compared, negated, or followed by && or ||, as in vars.X || 'latest'.
	Guarded bool
	// Spans are the places of the parts of Path.
	Spans [][2]int
}

// String joins the path with points.
func (r Reference) String() string { return strings.Join(r.Path, ".") }

// References lists the paths of contexts that n uses, in order, each once.
func References(n *Node) []string {
	var out []string
	for _, r := range n.References() {
		if s := r.String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// References lists every use of a context in n with its place.
func (n *Node) References() []Reference {
	var out []Reference
	n.references(&out, false)
	slices.SortStableFunc(out, func(a, b Reference) int { return a.Offset - b.Offset })
	return out
}

func (n *Node) references(out *[]Reference, guarded bool) {
	if r, ok := n.path(); ok {
		r.Guarded = guarded
		*out = append(*out, r)
		n.inner(out)
		return
	}
	for i, a := range n.args {
		switch n.kind {
		case nodeLogical:
			a.references(out, guarded || i < len(n.args)-1)
		case nodeNot, nodeBinary:
			a.references(out, true)
		default:
			a.references(out, guarded && n.kind == nodeGroup)
		}
	}
}

// inner finds the uses inside the computed indexes of a path.
func (n *Node) inner(out *[]Reference) {
	if len(n.args) == 0 {
		return
	}
	n.args[0].inner(out)
	if n.kind == nodeIndex && n.args[1].kind != nodeLiteral {
		n.args[1].references(out, false)
	}
}

// path reads n as a chain of steps that starts at a context.
func (n *Node) path() (Reference, bool) {
	span := [2]int{n.off, n.end}
	switch n.kind {
	case nodeContext:
		return Reference{Path: []string{n.lower}, Offset: n.off, End: n.end, Spans: [][2]int{span}}, true
	case nodeGroup:
		if n.args[0].kind == nodeContext || n.args[0].kind == nodeIndex || n.args[0].kind == nodeStar {
			return n.args[0].path()
		}
		return Reference{}, false
	case nodeStar:
		r, ok := n.args[0].path()
		if ok && !r.Open {
			r.Path, r.End, r.Spans = append(r.Path, "*"), n.end, append(r.Spans, span)
		}
		return r, ok
	case nodeIndex:
		r, ok := n.args[0].path()
		if !ok || r.Open {
			return r, ok
		}
		key := n.args[1]
		if key.kind != nodeLiteral {
			r.Open = true
			return r, true
		}
		r.Path, r.End, r.Spans = append(r.Path, key.value.ToString()), key.end, append(r.Spans, [2]int{key.off, key.end})
		return r, true
	default:
		return Reference{}, false
	}
}
