package track

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

const (
	maxFilter     = 64 << 10
	maxConditions = 100
	maxOrders     = 20
)

// parser reads one filter or one order key.
type parser struct {
	g    grammar
	text string
	pos  int
}

// parseFilter reads conditions joined by AND.
func (g grammar) parseFilter(text string) ([]cairn.TrackCondition, error) {
	if len(text) > maxFilter {
		return nil, invalid("the filter string is %d bytes long; at most %d are allowed", len(text), maxFilter)
	}
	p := &parser{g: g, text: text}
	if p.skip(); p.end() {
		return nil, nil
	}
	var out []cairn.TrackCondition
	for {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > maxConditions {
			return nil, invalid("the filter string has more than %d conditions", maxConditions)
		}
		if p.skip(); p.end() {
			return out, nil
		}
		if at := p.pos; !p.keyword("AND") {
			if p.keyword("OR") {
				return nil, invalid("Invalid clause(s) in filter string: 'OR' at position %d. Conditions can only be joined with AND.", at+1)
			}
			return nil, p.unexpected("AND or the end")
		}
	}
}

// parseOrder reads one key and its direction.
func (g grammar) parseOrder(text string) (cairn.TrackOrder, error) {
	if len(text) > maxFilter {
		return cairn.TrackOrder{}, invalid("an order_by clause is %d bytes long; at most %d are allowed", len(text), maxFilter)
	}
	p := &parser{g: g, text: text}
	p.skip()
	if p.end() {
		return cairn.TrackOrder{}, invalid("Invalid order_by clause '%s'. Expected a key and, if wanted, ASC or DESC.", text)
	}
	subject, key, err := p.left()
	if err != nil {
		return cairn.TrackOrder{}, err
	}
	if subject == cairn.OfDataset {
		return cairn.TrackOrder{}, invalid("Invalid order_by entity type 'dataset'")
	}
	o := cairn.TrackOrder{Subject: subject, Key: key}
	p.skip()
	if p.keyword("DESC") {
		o.Desc = true
	} else {
		p.keyword("ASC")
	}
	if p.skip(); !p.end() {
		return o, invalid("Invalid order_by clause '%s'. Expected one key and ASC or DESC; found '%s'.", text, p.rest())
	}
	return o, nil
}

func (g grammar) parseOrders(texts []string) ([]cairn.TrackOrder, error) {
	if len(texts) > maxOrders {
		return nil, invalid("order_by has %d keys; at most %d are allowed", len(texts), maxOrders)
	}
	out := make([]cairn.TrackOrder, 0, len(texts))
	for _, t := range texts {
		o, err := g.parseOrder(t)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (p *parser) condition() (c cairn.TrackCondition, err error) {
	if p.skip(); !p.end() && p.text[p.pos] == '(' {
		return c, invalid("Invalid clause(s) in filter string: parentheses at position %d. Only conditions joined with AND are supported.", p.pos+1)
	}
	if c.Subject, c.Key, err = p.left(); err != nil {
		return c, err
	}
	if c.Op, err = p.operator(); err != nil {
		return c, err
	}
	c.Numeric = c.Subject == cairn.OfMetric || c.Subject == cairn.OfAttribute && p.g.attrs[c.Key]
	if err := p.allowed(c); err != nil {
		return c, err
	}
	switch c.Op {
	case "IS NULL", "IS NOT NULL":
		return c, nil
	case "IN", "NOT IN":
		c.List, err = p.list()
		return c, err
	}
	p.skip()
	at := p.pos
	text, quoted, err := p.value()
	if err != nil {
		return c, err
	}
	switch {
	case c.Numeric:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || quoted {
			return c, invalid("Expected numeric value type for %s: %s. Found %s", c.Subject, c.Key, p.text[at:p.pos])
		}
		c.Number = n
	case !quoted && (isNumber(text) || c.Subject != cairn.OfTag && c.Subject != cairn.OfParam):
		return c, invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", c.Subject, text)
	default:
		c.Text = text
	}
	return c, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// allowed checks that the operator fits what it compares.
func (p *parser) allowed(c cairn.TrackCondition) error {
	ops := []string{"=", "!=", "LIKE", "ILIKE"}
	switch {
	case c.Numeric:
		ops = []string{"=", "!=", "<", "<=", ">", ">="}
	case c.Subject == cairn.OfDataset, c.Subject == cairn.OfAttribute && (p.g.inKeys == nil || slices.Contains(p.g.inKeys, c.Key)):
		ops = append(ops, "IN", "NOT IN")
	}
	if slices.Contains(p.g.nullable, c.Subject) {
		ops = append(ops, "IS NULL", "IS NOT NULL")
	}
	if !slices.Contains(ops, c.Op) {
		return invalid("Invalid comparator '%s' for %s '%s': not one of '%s'", c.Op, c.Subject, c.Key, strings.Join(ops, "', '"))
	}
	return nil
}

// left reads "entity.key" or a bare attribute.
func (p *parser) left() (cairn.TrackSubject, string, error) {
	start := p.pos
	head, quoted, err := p.name(false)
	if err != nil {
		return "", "", err
	}
	if head == "" {
		return "", "", p.unexpected("a key such as " + p.example())
	}
	if quoted || p.end() || p.text[p.pos] != '.' {
		key, err := p.attribute(head)
		return cairn.OfAttribute, key, err
	}
	p.pos++
	subject, ok := entities[strings.ToLower(head)]
	if !ok || !slices.Contains(p.g.subjects, subject) {
		var names []string
		for _, s := range p.g.subjects {
			names = append(names, string(s))
		}
		err := cairn.Errorf(cairn.CodeInvalid, "Invalid entity type '%s'. Valid values are ['%s'] in a search of %s", head, strings.Join(names, "', '"), p.g.what)
		if near := cairn.Nearest(head, names); near != "" {
			return "", "", err.WithHint("did you mean %s?", near)
		}
		return "", "", err
	}
	key, _, err := p.name(true)
	if err != nil {
		return "", "", err
	}
	if key == "" {
		return "", "", invalid("Invalid clause(s) in filter string: '%s' has no key behind the dot", p.text[start:p.pos])
	}
	switch subject {
	case cairn.OfAttribute:
		key, err = p.attribute(key)
	case cairn.OfDataset:
		if !slices.Contains(datasetKeys, key) {
			err = invalid("Invalid dataset key '%s' specified. Valid keys are '%s'", key, strings.Join(datasetKeys, "', '"))
		}
	}
	return subject, key, err
}

func (p *parser) example() string {
	if slices.Contains(p.g.subjects, cairn.OfMetric) {
		return "metrics.accuracy"
	}
	return "name"
}

func (p *parser) attribute(key string) (string, error) {
	if to, ok := p.g.alias[key]; ok {
		return to, nil
	}
	if _, ok := p.g.attrs[key]; ok {
		return key, nil
	}
	var valid []string
	for k := range p.g.attrs {
		valid = append(valid, k)
	}
	slices.Sort(valid)
	err := cairn.Errorf(cairn.CodeInvalid, "Invalid attribute key '%s' specified. Valid keys are '%s'", key, strings.Join(valid, "', '"))
	if near := cairn.Nearest(key, valid); near != "" {
		return "", err.WithHint("did you mean %s?", near)
	}
	return "", err
}

// name reads a key: quoted with ` or ", or plain. A plain first part ends at a
// dot, a plain key behind the dot does not.
func (p *parser) name(dots bool) (text string, quoted bool, err error) {
	if p.end() {
		return "", false, nil
	}
	if q := p.text[p.pos]; q == '`' || q == '"' {
		end := strings.IndexByte(p.text[p.pos+1:], q)
		if end < 0 {
			return "", false, invalid("Invalid clause(s) in filter string: the quote %c at position %d is not closed", q, p.pos+1)
		}
		text = p.text[p.pos+1 : p.pos+1+end]
		p.pos += end + 2
		return text, true, nil
	}
	start := p.pos
	for !p.end() {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if unicode.IsSpace(r) || strings.ContainsRune("=!<>(),'\"`", r) || r == '.' && !dots {
			break
		}
		p.pos += n
	}
	return p.text[start:p.pos], false, nil
}

func (p *parser) operator() (string, error) {
	p.skip()
	for _, op := range []string{"!=", "<=", ">=", "<>", "==", "=", "<", ">"} {
		if strings.HasPrefix(p.text[p.pos:], op) {
			p.pos += len(op)
			if op == "<>" || op == "==" {
				return "", invalid("Invalid comparator '%s' not one of '=', '!=', '<', '<=', '>', '>='", op)
			}
			return op, nil
		}
	}
	switch {
	case p.keyword("LIKE"):
		return "LIKE", nil
	case p.keyword("ILIKE"):
		return "ILIKE", nil
	case p.keyword("IN"):
		return "IN", nil
	case p.keyword("NOT"):
		if p.keyword("IN") {
			return "NOT IN", nil
		}
		return "", p.unexpected("IN behind NOT")
	case p.keyword("IS"):
		op := "IS NULL"
		if p.keyword("NOT") {
			op = "IS NOT NULL"
		}
		if p.keyword("NULL") {
			return op, nil
		}
		return "", p.unexpected("NULL or NOT NULL behind IS")
	}
	return "", p.unexpected("a comparator such as =, != or LIKE")
}

// value reads a quoted string or a plain word.
func (p *parser) value() (text string, quoted bool, err error) {
	p.skip()
	if p.end() {
		return "", false, p.unexpected("a value")
	}
	q := p.text[p.pos]
	if q != '\'' && q != '"' {
		start := p.pos
		for !p.end() && !strings.ContainsRune(" \t\r\n(),'\"`", rune(p.text[p.pos])) {
			p.pos++
		}
		if p.pos == start {
			return "", false, p.unexpected("a value")
		}
		return p.text[start:p.pos], false, nil
	}
	start := p.pos
	var b strings.Builder
	for p.pos++; !p.end(); p.pos++ {
		if p.text[p.pos] != q {
			b.WriteByte(p.text[p.pos])
			continue
		}
		p.pos++
		if p.end() || p.text[p.pos] != q {
			return b.String(), true, nil
		}
		b.WriteByte(q) // a doubled quote is one
	}
	return "", false, invalid("Invalid clause(s) in filter string: the quote %c at position %d is not closed", q, start+1)
}

func (p *parser) list() ([]string, error) {
	p.skip()
	if p.end() || p.text[p.pos] != '(' {
		return nil, p.unexpected("a list such as ('a', 'b')")
	}
	p.pos++
	var out []string
	for {
		text, quoted, err := p.value()
		if err != nil {
			return nil, err
		}
		if !quoted {
			return nil, invalid("Expected a list of quoted string values (e.g. ('a', 'b')). Got value %s", text)
		}
		if out = append(out, text); len(out) > 10_000 {
			return nil, invalid("a list in the filter string has more than 10000 values")
		}
		p.skip()
		switch {
		case p.end():
			return nil, p.unexpected("a closing parenthesis")
		case p.text[p.pos] == ')':
			p.pos++
			return out, nil
		case p.text[p.pos] != ',':
			return nil, p.unexpected("a comma or a closing parenthesis")
		}
		p.pos++
	}
}

// keyword takes a word where it stands, whatever its case.
func (p *parser) keyword(w string) bool {
	p.skip()
	end := p.pos + len(w)
	if end > len(p.text) || !strings.EqualFold(p.text[p.pos:end], w) {
		return false
	}
	if end < len(p.text) && (isAlnum(rune(p.text[end])) || p.text[end] == '_' || p.text[end] == '.') {
		return false
	}
	p.pos = end
	return true
}

func (p *parser) skip() {
	for !p.end() && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) end() bool { return p.pos >= len(p.text) }

func (p *parser) rest() string {
	r := p.text[p.pos:]
	if len(r) > 40 {
		r = r[:40] + "…"
	}
	return r
}

func (p *parser) unexpected(want string) error {
	if p.end() {
		return invalid("Invalid clause(s) in filter string: it ends where %s is expected", want)
	}
	return invalid("Invalid clause(s) in filter string: '%s' at position %d, where %s is expected", p.rest(), p.pos+1, want)
}
