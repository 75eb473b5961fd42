package cairn

// Kind of a Template node.
type TemplateKind string

// The kinds of template nodes. A scalar without an expression keeps the type
// that its file gave it (10 and "10" differ in a matrix).
const (
	TemplateNull   TemplateKind = "null"
	TemplateBool   TemplateKind = "bool"
	TemplateNumber TemplateKind = "number"
	TemplateString TemplateKind = "string"
	TemplateExpr   TemplateKind = "expr" // text that holds at least one ${{ }}
	TemplateSeq    TemplateKind = "seq"
	TemplateMap    TemplateKind = "map"
)

// Template is a value of a workflow or pipeline file that may hold expressions,
// with the position of every node. It is plain data: package expr evaluates it.
// The zero Template means "not given".
type Template struct {
	Kind  TemplateKind    `json:"k,omitempty"`
	Text  string          `json:"s,omitempty"` // string, expr: the text; bool, number: as written
	Num   float64         `json:"n,omitempty"` // number: its value
	Bool  bool            `json:"b,omitempty"` // bool: its value
	Items []Template      `json:"i,omitempty"` // seq
	Pairs []TemplateField `json:"m,omitempty"` // map, in file order
	Line  int             `json:"l,omitempty"`
	Col   int             `json:"c,omitempty"`
}

// TemplateField is one entry of a map. Keys may hold expressions in few places
// (a matrix may not); there Key.Kind is TemplateExpr.
type TemplateField struct {
	Key   Template `json:"k"`
	Value Template `json:"v"`
}

// IsZero reports whether nothing was given.
func (t Template) IsZero() bool { return t.Kind == "" }

// Static reports whether t holds no expression anywhere.
func (t Template) Static() bool {
	switch t.Kind {
	case TemplateExpr:
		return false
	case TemplateSeq:
		for _, i := range t.Items {
			if !i.Static() {
				return false
			}
		}
	case TemplateMap:
		for _, p := range t.Pairs {
			if !p.Key.Static() || !p.Value.Static() {
				return false
			}
		}
	}
	return true
}

// Field returns the value under a static key, compared without case.
func (t Template) Field(key string) (Template, bool) {
	for _, p := range t.Pairs {
		if equalFold(p.Key.Text, key) {
			return p.Value, true
		}
	}
	return Template{}, false
}

// Str makes a static string template: for built plans and tests.
func Str(s string) Template { return Template{Kind: TemplateString, Text: s} }

// Expr makes an expression template from text that holds ${{ }}.
func Expr(s string) Template { return Template{Kind: TemplateExpr, Text: s} }

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
