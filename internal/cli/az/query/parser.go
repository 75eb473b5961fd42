package query

import "fmt"

type nodeKind int

const (
	identityNode nodeKind = iota
	fieldNode
	literalNode
	exprefNode
	callNode
	subNode
	indexNode   // one index of an expression
	indexedNode // an expression, then indexes
	sliceNode
	projectionNode
	valuesNode // a projection over the values of an object
	filterNode
	flattenNode
	listNode
	hashNode
	orNode
	andNode
	notNode
	pipeNode
	compareNode
)

// node is a part of an expression.
type node struct {
	kind     nodeKind
	name     string // of a field, a function, a comparison
	value    any    // of a literal, an index
	children []*node
	keys     []string // of a hash
	slice    [3]*int64
	op       kind
	function *function // of a call; nil: there is none of that name
}

// Expression is one that was compiled. It may be used by several at once.
type Expression struct {
	root    *node
	exprefs bool // whether there is an &expression in it
}

// Compile reads an expression.
func Compile(text string) (*Expression, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, text: text}
	root, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.kind() != eof {
		t := p.tokens[p.i]
		return nil, p.wrongAt(t, "Unexpected token: "+t.shown())
	}
	return &Expression{root, p.exprefs}, nil
}

type parser struct {
	tokens []token
	i      int
	depth  int
	text   string
	// exprefs says that an &expression was read.
	exprefs bool
}

func (p *parser) kind() kind  { return p.tokens[p.i].kind }
func (p *parser) ahead() kind { return p.tokens[min(p.i+1, len(p.tokens)-1)].kind }
func (p *parser) next() token {
	t := p.tokens[p.i]
	p.i = min(p.i+1, len(p.tokens)-1)
	return t
}

func (p *parser) match(k kind) error {
	if p.kind() != k {
		return p.expecting(k.String())
	}
	p.next()
	return nil
}

func (p *parser) expression(power int) (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, wrong("the expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.first(p.next())
	for err == nil && power < p.kind().power() {
		left, err = p.after(left, p.next())
	}
	return left, err
}

// itself is the value that an expression is applied to.
func itself() *node { return &node{kind: identityNode} }

// first reads what an expression begins with.
func (p *parser) first(t token) (*node, error) {
	switch t.kind {
	case literal:
		return &node{kind: literalNode, value: t.value}, nil
	case unquoted:
		return &node{kind: fieldNode, name: t.text}, nil
	case quoted:
		if p.kind() == lparen {
			return nil, p.wrongFrom(p.tokens[p.i], 0, "Quoted identifier not allowed for function names.")
		}
		return &node{kind: fieldNode, name: t.value.(string)}, nil
	case star:
		right, err := itself(), error(nil)
		if p.kind() != rbracket {
			right, err = p.projected(star.power())
		}
		return &node{kind: valuesNode, children: []*node{itself(), right}}, err
	case filter:
		return p.after(itself(), t)
	case lbrace:
		return p.hash()
	case lparen:
		n, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return n, p.match(rparen)
	case flatten:
		return p.after(itself(), t)
	case not:
		n, err := p.expression(not.power())
		return &node{kind: notNode, children: []*node{n}}, err
	case lbracket:
		switch {
		case p.kind() == numberToken || p.kind() == colon:
			right, err := p.index()
			if err != nil {
				return nil, err
			}
			return p.sliced(itself(), right)
		case p.kind() == star && p.ahead() == rbracket:
			p.next()
			p.next()
			right, err := p.projected(star.power())
			return &node{kind: projectionNode, children: []*node{itself(), right}}, err
		}
		return p.list()
	case expref:
		p.exprefs = true
		n, err := p.expression(expref.power())
		return &node{kind: exprefNode, children: []*node{n}}, err
	case current:
		return itself(), nil
	case eof:
		return nil, p.incomplete()
	}
	return nil, p.wrongAt(t, "invalid token")
}

// after reads what stands behind a part of an expression.
func (p *parser) after(left *node, t token) (*node, error) {
	two := func(k nodeKind, power int) (*node, error) {
		right, err := p.expression(power)
		return &node{kind: k, op: t.kind, children: []*node{left, right}}, err
	}
	switch t.kind {
	case dot:
		if p.kind() == star {
			p.next()
			right, err := p.projected(dot.power())
			return &node{kind: valuesNode, children: []*node{left, right}}, err
		}
		right, err := p.dotted(dot.power())
		return &node{kind: subNode, children: []*node{left, right}}, err
	case pipe:
		return two(pipeNode, pipe.power())
	case or:
		return two(orNode, or.power())
	case and:
		return two(andNode, and.power())
	case eq, ne, lt, lte, gt, gte:
		return two(compareNode, t.kind.power())
	case lparen:
		return p.call(left)
	case filter:
		condition, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if err := p.match(rbracket); err != nil {
			return nil, err
		}
		right := itself()
		if p.kind() != flatten {
			if right, err = p.projected(filter.power()); err != nil {
				return nil, err
			}
		}
		return &node{kind: filterNode, children: []*node{left, right, condition}}, nil
	case flatten:
		right, err := p.projected(flatten.power())
		return &node{kind: projectionNode, children: []*node{{kind: flattenNode, children: []*node{left}}, right}}, err
	case lbracket:
		if p.kind() == numberToken || p.kind() == colon {
			right, err := p.index()
			if err != nil {
				return nil, err
			}
			if left.kind == indexedNode {
				left.children = append(left.children, right)
				return left, nil
			}
			return p.sliced(left, right)
		}
		if err := p.match(star); err != nil {
			return nil, err
		}
		if err := p.match(rbracket); err != nil {
			return nil, err
		}
		right, err := p.projected(star.power())
		return &node{kind: projectionNode, children: []*node{left, right}}, err
	}
	return nil, p.wrongAt(t, "invalid token")
}

func (p *parser) call(left *node) (*node, error) {
	if left.kind != fieldNode {
		t := p.tokens[p.i-2]
		return nil, p.wrongAt(t, fmt.Sprintf("Invalid function name '%s'", t.shown()))
	}
	n := &node{kind: callNode, name: left.name, function: lookup(left.name)}
	for p.kind() != rparen {
		a, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if p.kind() == comma {
			p.next()
		}
		n.children = append(n.children, a)
	}
	return n, p.match(rparen)
}

// index reads [N] or a slice, whose bracket is read already.
func (p *parser) index() (*node, error) {
	if p.kind() == colon || p.ahead() == colon {
		n := &node{kind: sliceNode}
		at := 0
		for p.kind() != rbracket && at < 3 {
			switch p.kind() {
			case colon:
				if at++; at == 3 {
					return nil, p.syntax()
				}
				p.next()
			case numberToken:
				v := p.next().value.(int64)
				n.slice[at] = &v
			default:
				return nil, p.syntax()
			}
		}
		return n, p.match(rbracket)
	}
	n := &node{kind: indexNode, value: p.next().value}
	return n, p.match(rbracket)
}

func (p *parser) sliced(left, right *node) (*node, error) {
	n := &node{kind: indexedNode, children: []*node{left, right}}
	if right.kind != sliceNode {
		return n, nil
	}
	rest, err := p.projected(star.power())
	return &node{kind: projectionNode, children: []*node{n, rest}}, err
}

// projectionStop is the power below which nothing more belongs to a projection.
const projectionStop = 10

// projected reads what is done with each element of a projection.
func (p *parser) projected(power int) (*node, error) {
	switch k := p.kind(); {
	case k.power() < projectionStop:
		return itself(), nil
	case k == lbracket || k == filter:
		return p.expression(power)
	case k == dot:
		p.next()
		return p.dotted(power)
	}
	return nil, p.syntax()
}

// dotted reads what may stand behind a dot.
func (p *parser) dotted(power int) (*node, error) {
	switch p.kind() {
	case quoted, unquoted, star:
		return p.expression(power)
	case lbracket:
		p.next()
		return p.list()
	case lbrace:
		p.next()
		return p.hash()
	}
	t := p.tokens[p.i]
	return nil, p.wrongAt(t, "Expecting: ['quoted_identifier', 'unquoted_identifier', 'lbracket', 'lbrace'], got: "+t.kind.String())
}

func (p *parser) list() (*node, error) {
	n := &node{kind: listNode}
	for {
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, e)
		if p.kind() == rbracket {
			p.next()
			return n, nil
		}
		if err := p.match(comma); err != nil {
			return nil, err
		}
	}
}

func (p *parser) hash() (*node, error) {
	n := &node{kind: hashNode}
	for {
		if k := p.kind(); k != quoted && k != unquoted {
			return nil, p.expecting("['quoted_identifier', 'unquoted_identifier']")
		}
		t := p.next()
		key := t.text
		if t.kind == quoted {
			key = t.value.(string)
		}
		if err := p.match(colon); err != nil {
			return nil, err
		}
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		n.keys, n.children = append(n.keys, key), append(n.children, e)
		switch p.kind() {
		case comma:
			p.next()
		case rbrace:
			p.next()
			return n, nil
		}
	}
}
