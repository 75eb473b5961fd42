package expr

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GitHub's descriptions of errors.
const (
	unexpectedSymbol = "Unexpected symbol"
	unexpectedEnd    = "Unexpected end of expression"
)

// Parse reads one expression without ${{ }}. Which contexts and functions exist
// is not its business: see Check.
func Parse(src string) (*Node, error) { return parse(src, nil) }

// parse reads src; with an env it refuses names that do not exist there, where
// they are met.
func parse(src string, env *Env) (*Node, error) {
	// Counting only matters for texts that might pass the limit.
	if len(src) > MaxLength && utf16Len(src) > MaxLength {
		return nil, errorAt(Lexing, 0, len(src), "the expression is longer than %d characters", MaxLength).
			standard("Exceeded max expression length " + strconv.Itoa(MaxLength))
	}
	p := parser{lex: lexer{src: src}, env: env}
	n, err := p.whole()
	if err == nil {
		return n, nil
	}
	// A text that cannot be cut into symbols is wrong in that way first, wherever
	// the parser stopped.
	for e, ok := err.(*Error); ok && e.Kind == Parsing; {
		t, lexErr := p.lex.next()
		if lexErr != nil {
			return nil, lexErr
		}
		if t.kind == tokEOF {
			break
		}
	}
	return nil, err
}

func (p *parser) whole() (*Node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEOF {
		return nil, errorAt(Parsing, 0, len(p.lex.src), "an expression was expected, but there is none").
			standard("An expression was expected")
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEOF {
		return nil, p.unexpected()
	}
	return n, nil
}

type parser struct {
	lex   lexer
	tok   token
	prev  token // the one before
	depth int
	env   *Env // nil: any name may exist
	// Nodes and their lists are made by the dozen: most expressions need no more.
	nodes []Node
	lists []*Node
}

func (p *parser) node(n Node) *Node {
	if len(p.nodes) == 0 {
		p.nodes = make([]Node, 12)
	}
	out := &p.nodes[0]
	p.nodes = p.nodes[1:]
	*out = n
	return out
}

// list makes a list of nodes that has its own end: to append copies it.
func (p *parser) list(of ...*Node) []*Node {
	if len(p.lists) < len(of) {
		p.lists = make([]*Node, max(24, len(of)))
	}
	out := p.lists[:len(of):len(of)]
	p.lists = p.lists[len(of):]
	copy(out, of)
	return out
}

func (p *parser) advance() (err error) {
	p.prev = p.tok
	p.tok, err = p.lex.next()
	return err
}

// symbol is how GitHub names a token in a message.
func (p *parser) symbol(t token) string {
	switch t.kind {
	case tokEOF:
		return "EOF"
	case tokString:
		return t.str
	default:
		return p.lex.src[t.off:t.end]
	}
}

// deeper counts one level of nesting; the caller takes it back.
func (p *parser) deeper() error {
	if p.depth++; p.depth > MaxDepth {
		e := errorAt(Parsing, p.tok.off, p.tok.end, "the expression is nested deeper than %d levels", MaxDepth).
			standardAt("Exceeded max expression depth "+strconv.Itoa(MaxDepth), p.symbol(p.tok))
		if p.tok.kind == tokEOF {
			e.at = p.lex.last
		}
		return e
	}
	return nil
}

func (p *parser) unexpected() *Error {
	if p.tok.kind == tokEOF {
		e := errorAt(Parsing, p.tok.off, p.tok.off, "unexpected end of the expression").
			hint("something is missing behind %s", show(tail(p.lex.src))).standardAt(unexpectedSymbol, "EOF")
		e.at = p.lex.last
		return e
	}
	return errorAt(Parsing, p.tok.off, p.tok.end, "unexpected symbol %s", show(p.lex.src[p.tok.off:p.tok.end])).
		standardAt(unexpectedSymbol, p.symbol(p.tok))
}

// incomplete is unexpected where an operand or a closing ) has to follow: there
// GitHub names the last symbol.
func (p *parser) incomplete() *Error {
	e := p.unexpected()
	if p.tok.kind == tokEOF {
		e.standardAt(unexpectedEnd, p.symbol(p.prev)).at = p.prev.off
	}
	return e
}

func tail(s string) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) > 20 {
		r = append([]rune("…"), r[len(r)-20:]...)
	}
	return string(r)
}

func (p *parser) expect(kind tokenKind) error {
	if p.tok.kind != kind {
		return p.unexpected()
	}
	return p.advance()
}

func (p *parser) expression() (*Node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	n, err := p.binary(precOr)
	p.depth--
	return n, err
}

// The levels of binding, loosest first.
const (
	precOr = iota + 1
	precAnd
	precEqual
	precOrder
)

func precedence(k tokenKind) int {
	switch k {
	case tokOr:
		return precOr
	case tokAnd:
		return precAnd
	case tokEq, tokNe:
		return precEqual
	case tokLt, tokLe, tokGt, tokGe:
		return precOrder
	default:
		return 0
	}
}

// binary climbs: it takes operators that bind at least as tightly as lowest.
func (p *parser) binary(lowest int) (*Node, error) {
	left, err := p.unary()
	for err == nil {
		prec := precedence(p.tok.kind)
		if prec < lowest || prec == 0 {
			return left, nil
		}
		if prec <= precAnd {
			left, err = p.logical(left, prec)
			continue
		}
		op := p.tok
		if err = p.advance(); err != nil {
			break
		}
		var right *Node
		right, err = p.binary(prec + 1)
		left = p.node(Node{kind: nodeBinary, op: op.kind, off: op.off, end: op.end, args: p.list(left, right)})
	}
	return nil, err
}

// logical takes a whole chain of one operator: a && b && c is one node.
func (p *parser) logical(first *Node, prec int) (*Node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	op := p.tok
	n := p.node(Node{kind: nodeLogical, op: op.kind, off: op.off, end: op.end})
	var few [6]*Node
	args := append(few[:0], first)
	for p.tok.kind == op.kind {
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := p.binary(prec + 1)
		if err != nil {
			return nil, err
		}
		args = append(args, right)
	}
	n.args = p.list(args...)
	p.depth--
	return n, nil
}

func (p *parser) unary() (*Node, error) {
	if p.tok.kind != tokNot {
		return p.postfix()
	}
	op := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	arg, err := p.unary()
	if err != nil {
		return nil, err
	}
	p.depth--
	return p.node(Node{kind: nodeNot, off: op.off, end: op.end, args: p.list(arg)}), nil
}

// postfix takes a primary and the steps behind it: .name .* [index] [*].
func (p *parser) postfix() (*Node, error) {
	n, err := p.primary()
	if err != nil || n.kind == nodeLiteral {
		return n, err
	}
	levels := 0
	for p.tok.kind == tokDot || p.tok.kind == tokLBracket {
		if n, err = p.step(n); err != nil {
			return nil, err
		}
		levels++
	}
	p.depth -= levels
	return n, nil
}

func (p *parser) step(of *Node) (*Node, error) {
	bracket := p.tok.kind == tokLBracket
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !bracket {
		if err := p.deeper(); err != nil {
			return nil, err
		}
	}
	n := p.node(Node{kind: nodeIndex, off: p.tok.off, end: p.tok.end, args: p.list(of, nil)})
	switch {
	case p.tok.kind == tokStar:
		n.kind, n.args = nodeStar, n.args[:1]
		if err := p.advance(); err != nil {
			return nil, err
		}
	case !bracket && p.tok.kind == tokIdent:
		n.dot = true
		n.args[1] = p.node(Node{kind: nodeLiteral, value: String(p.tok.str), lower: foldKey(p.tok.str), off: p.tok.off, end: p.tok.end})
		if err := p.advance(); err != nil {
			return nil, err
		}
	case bracket:
		index, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.args[1] = index
	default:
		return nil, p.unexpected()
	}
	if !bracket {
		return n, nil
	}
	if err := p.expect(tokRBracket); err != nil {
		return nil, err
	}
	return n, p.deeper()
}

func (p *parser) primary() (*Node, error) {
	t := p.tok
	n := p.node(Node{kind: nodeLiteral, off: t.off, end: t.end})
	switch t.kind {
	case tokTrue, tokFalse:
		n.value = Bool(t.kind == tokTrue)
	case tokNull:
	case tokNumber:
		n.value = Number(t.num)
	case tokString:
		n.value, n.lower = String(t.str), foldKey(t.str)
	case tokIdent:
		if err := p.advance(); err != nil {
			return nil, err
		}
		n.name, n.lower = t.str, strings.ToLower(t.str)
		if p.tok.kind == tokLParen {
			return p.call(n)
		}
		n.kind = nodeContext
		if p.env != nil {
			if _, err := n.context(p.env); err != nil {
				return nil, err
			}
		}
		return n, nil
	case tokLParen:
		if err := p.advance(); err != nil {
			return nil, err
		}
		inner, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.kind, n.args = nodeGroup, p.list(inner)
		if p.tok.kind == tokEOF {
			return nil, p.incomplete()
		}
		return n, p.expect(tokRParen)
	default:
		return nil, p.incomplete()
	}
	return n, p.advance()
}

func (p *parser) call(n *Node) (*Node, error) {
	n.kind = nodeCall
	if err := p.advance(); err != nil {
		return nil, err
	}
	var few [4]*Node
	args := few[:0]
	for p.tok.kind != tokRParen {
		arg, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if p.tok.kind == tokRParen {
			break
		}
		if err := p.expect(tokComma); err != nil {
			return nil, err
		}
		if p.tok.kind == tokRParen { // f(1,)
			return nil, p.unexpected()
		}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n.args = p.list(args...)
	if n.fn = lookupBuiltin(n.lower); n.fn != nil {
		if err := checkArity(n, n.fn.sig); err != nil {
			return nil, err
		}
	} else if p.env != nil && p.env.Functions[n.lower] == nil {
		return nil, unknownFunction(n, slices.Sorted(maps.Keys(p.env.Functions)))
	}
	return n, nil
}
