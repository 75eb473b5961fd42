package expr

import "strings"

// Explained is one part of an expression with what it came to, for people who
// debug a condition.
type Explained struct {
	// Text is the part as it was written.
	Text  string
	Value Value
	// Err is why this part has no value; parts around it have the same.
	Err error
	// Skipped says that the result was decided before this part was asked.
	Skipped bool
	Parts   []Explained
}

// outcome is what a part came to while it was watched.
type outcome struct {
	value Value
	err   error
}

// Explain evaluates n as Eval does and keeps what each part came to.
func (n *Node) Explain(env *Env) Explained {
	seen := map[*Node]outcome{}
	watched := *env
	watched.watch = func(n *Node, v Value, err error) { seen[n] = outcome{v, err} }
	_, _ = n.Eval(&watched) // the result is among what was seen
	return n.explained(seen)
}

func (n *Node) explained(seen map[*Node]outcome) Explained {
	if n.kind == nodeGroup {
		return n.args[0].explained(seen) // the brackets are in no need of a line
	}
	o, ok := seen[n]
	x := Explained{Text: n.String(), Value: o.value, Err: o.err, Skipped: !ok}
	if _, path := n.path(); path && n.plain() {
		return x // github.event.inputs.x is one thing to people
	}
	for i, a := range n.args {
		if n.kind == nodeIndex && i == 1 && a.kind == nodeLiteral || n.kind != nodeIndex && a.kind == nodeLiteral {
			continue // a literal says itself what it is
		}
		x.Parts = append(x.Parts, a.explained(seen))
	}
	return x
}

// plain reports whether a path holds no index that has to be computed.
func (n *Node) plain() bool {
	for ; len(n.args) > 0; n = n.args[0] {
		if n.kind == nodeIndex && n.args[1].kind != nodeLiteral {
			return false
		}
	}
	return true
}

// Notable lists the parts that people look for: contexts and calls that were asked
// and have a value, each once, the outer ones first; at most n.
func (x Explained) Notable(n int) []Explained {
	var out []Explained
	seen := map[string]bool{}
	var walk func(x Explained)
	walk = func(x Explained) {
		if len(out) >= n {
			return
		}
		if !x.Skipped && x.Err == nil && (len(x.Parts) == 0 || isCall(x.Text)) && !seen[x.Text] && x.Text != x.Shown() {
			seen[x.Text] = true
			out = append(out, x)
		}
		for _, p := range x.Parts {
			walk(p)
		}
	}
	walk(x)
	return out
}

// Shown is the value for people: a text in quotes, anything else as JSON.
func (x Explained) Shown() string {
	if x.Value.Kind() == KindString {
		return "'" + x.Value.ToString() + "'"
	}
	return string(x.Value.JSON())
}

// isCall reports whether a part is the call of a function.
func isCall(text string) bool {
	name, _, ok := strings.Cut(text, "(")
	return ok && strings.HasSuffix(text, ")") && name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz") == ""
}
