package expr

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
