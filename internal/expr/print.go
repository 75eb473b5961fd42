package expr

import "strings"

// String writes the expression back as text that parses to the same tree.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

func (n *Node) print(b *strings.Builder) {
	switch n.kind {
	case nodeLiteral:
		if n.value.kind == KindString {
			b.WriteString("'" + strings.ReplaceAll(n.value.str, "'", "''") + "'")
			return
		}
		if n.value.kind == KindNull {
			b.WriteString("null")
			return
		}
		if n.value.kind == KindNumber {
			b.WriteString(jsNumber(n.value.num)) // exact, unlike ToString
			return
		}
		b.WriteString(n.value.ToString())
	case nodeContext:
		b.WriteString(n.name)
	case nodeGroup:
		b.WriteByte('(')
		n.args[0].print(b)
		b.WriteByte(')')
	case nodeNot:
		b.WriteByte('!')
		n.args[0].print(b)
	case nodeStar:
		n.args[0].print(b)
		b.WriteString(".*")
	case nodeIndex:
		n.args[0].print(b)
		if n.dot {
			b.WriteString("." + n.args[1].value.str)
			return
		}
		b.WriteByte('[')
		n.args[1].print(b)
		b.WriteByte(']')
	case nodeCall:
		b.WriteString(n.name + "(")
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.print(b)
		}
		b.WriteByte(')')
	default:
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(" " + operators[n.op] + " ")
			}
			a.print(b)
		}
	}
}

var operators = [...]string{tokEq: "==", tokNe: "!=", tokLt: "<", tokLe: "<=", tokGt: ">", tokGe: ">=", tokAnd: "&&", tokOr: "||"}
