package expr

type nodeKind uint8

const (
	nodeLiteral nodeKind = iota
	nodeContext          // name
	nodeIndex            // args[0] [ args[1] ], or .name
	nodeStar             // args[0] .* or [*]
	nodeCall             // name ( args )
	nodeNot              // ! args[0]
	nodeBinary           // args[0] op args[1]
	nodeLogical          // args joined by op: && or ||
	nodeGroup            // ( args[0] )
)

// Node is a parsed expression. It never changes after Parse.
type Node struct {
	kind     nodeKind
	op       tokenKind
	off, end int
	name     string // context, function: as written
	lower    string // name, or a literal key, folded
	dot      bool   // index: written as .name
	value    Value  // literal
	args     []*Node
	fn       *builtin // function of the language itself
}

// Offset and End delimit the node's own text: the name of a context or
// function, the operator of an operation, the text of a literal.
func (n *Node) Offset() int { return n.off }

// End is the offset behind the node's own text.
func (n *Node) End() int { return n.end }
