package pipeline

import (
	"math"

	"github.com/cairn-ml/cairn"
)

// Text is a text with its place. Set is false where nothing was given.
type Text struct {
	Value string
	Pos   cairn.Position
	Set   bool
}

// Binding is a value that may hold ${{ }}: a literal of any YAML type, or text.
type Binding struct {
	Value Value // scalar, or sequence or map where a place takes one
	Parts []Part
	Pos   cairn.Position
}

// Part is a piece of a text with expressions: either Text or Ref is set.
type Part struct {
	Text string
	Ref  *BindingRef
	// Optional are the parts of a $[[ ]] bracket.
	Optional []Part
}

// BindingRef is what stands between ${{ and }}: "parent.jobs.x.outputs.y" is Path
// [parent jobs x outputs y].
type BindingRef struct {
	Path []string
	Pos  cairn.Position
}

// Value is a YAML value with its place.
type Value struct {
	Kind  cairn.TemplateKind // null, bool, number, string, seq, map
	Text  string             // scalars: as YAML means it
	Raw   string             // scalars: as written, without quotes
	Bool  bool
	Num   float64
	Int   bool // a number without a fraction in YAML's eyes
	Time  bool // text that YAML takes for a date: no text where text is asked for
	Items []Value
	Pairs []Pair
	// OddKeys are keys that are no text, such as 1 or on.
	OddKeys []Value
	// Shape names the keys that a checked map was held against, File the file that a
	// text stands for.
	Shape string
	File  string
	Pos   cairn.Position
}

// Pair is one entry of a map.
type Pair struct {
	Key   Text
	Value Value
}

// Field finds a key of a map; ok is false where there is none.
func (v Value) Field(key string) (Value, bool) {
	for _, p := range v.Pairs {
		if p.Key.Value == key {
			return p.Value, true
		}
	}
	return Value{}, false
}

// Given reports whether there is a value that is not null.
func (v Value) Given() bool { return v.Kind != "" && v.Kind != cairn.TemplateNull }

// Plain is the value as JSON has it, for messages and listings.
func (v Value) Plain() any {
	switch v.Kind {
	case cairn.TemplateBool:
		return v.Bool
	case cairn.TemplateNumber:
		if math.IsInf(v.Num, 0) || math.IsNaN(v.Num) {
			return v.Text
		}
		if v.Int && math.Abs(v.Num) < 1<<53 {
			return int64(v.Num)
		}
		return v.Num
	case cairn.TemplateSeq:
		out := make([]any, 0, len(v.Items))
		for _, i := range v.Items {
			out = append(out, i.Plain())
		}
		return out
	case cairn.TemplateMap:
		out := make(map[string]any, len(v.Pairs))
		for _, p := range v.Pairs {
			out[p.Key.Value] = p.Value.Plain()
		}
		return out
	case cairn.TemplateString:
		return v.Text
	}
	return nil
}
