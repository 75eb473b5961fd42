package workflow

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// text is a scalar as a word with its place.
func (r *reader) text(n *yaml.Node) Text {
	n = r.deref(n)
	return Text{Value: scalar(n).ToString(), Pos: r.src.place(n)}
}

// texts reads a word or a list of words.
func (r *reader) texts(n *yaml.Node) []Text {
	if n.Kind != yaml.SequenceNode {
		return []Text{r.text(n)}
	}
	out := make([]Text, len(n.Content))
	for i, item := range n.Content {
		out[i] = r.text(item)
	}
	return out
}

// words leaves the places away.
func words(ts []Text) []string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.Value
	}
	return out
}

// named reads a free map of scalars: env, with, outputs, secrets. Its values may
// use what scope allows; v.scope holds for one expression in place of the map.
func (r *reader) named(v value, what string, scope *expr.Scope) []cairn.NamedValue {
	if v.node.Kind != yaml.MappingNode {
		r.wholeExpression(v, what)
		return nil
	}
	out := make([]cairn.NamedValue, 0, len(v.node.Content)/2)
	r.each(v.node, func(k, item *yaml.Node) {
		name := keyText(k)
		switch {
		case expr.HasExpression(k.Value):
			r.computedKey(k, what)
		case name == "":
			r.wrongKind(k, "a name in "+what, wantWord, nil)
		case r.accepts(item, what+"."+name, wantText, scope):
			t := r.template(item, scope)
			if t.Kind == cairn.TemplateNull {
				t.Kind = cairn.TemplateString // nothing is the empty text here
			}
			out = append(out, cairn.NamedValue{Name: name, Value: t})
		}
	})
	return out
}

// wholeExpression refuses one expression where a map is expected: GitHub takes
// it, it is not built.
func (r *reader) wholeExpression(v value, what string) {
	if v.node.Kind == yaml.ScalarNode {
		r.expressions(v.node, v.scope)
	}
	r.fail("unsupported", v.node, "write out its entries, each with its own ${{ … }}",
		"one expression for all of %s is not built", what)
}

// each calls visit for every entry of a map whose key is a word that did not
// come before.
func (r *reader) each(n *yaml.Node, visit func(k, v *yaml.Node)) {
	n = r.deref(n)
	if !r.enter(n) {
		return
	}
	defer r.leave()
	seen := keySet{}
	for i := 0; i+1 < len(n.Content) && !r.stopped; i += 2 {
		k := r.deref(n.Content[i])
		switch {
		case k.Kind != yaml.ScalarNode:
			r.fail("yaml", k, "a key is a word", "a key is %s", describe(k))
			continue
		case k.Tag == "!!merge" || k.Value == "<<" && k.Style == 0:
			r.fail("merge", k, "merge keys are not allowed, on GitHub neither: repeat the keys, or use an anchor for a whole value", "Unexpected value '<<'")
			continue
		}
		if first := seen.add(k); first != nil {
			hint := fmt.Sprintf("it stands first in line %d", first.Line)
			if keyText(first) != keyText(k) {
				hint += ", as " + quote(keyText(first)) + "; keys are compared without case"
			}
			r.fail("duplicate-key", k, hint, "%s is already defined", quote(keyText(k)))
			continue
		}
		visit(k, r.deref(n.Content[i+1]))
	}
}

// keySet remembers the keys of one map. Most maps are small: a list is faster
// than a table there.
type keySet struct {
	few  []*yaml.Node
	many map[string]*yaml.Node
}

// add returns the key that came before under the same name, without case.
func (s *keySet) add(k *yaml.Node) *yaml.Node {
	name := keyText(k)
	if name == "" || expr.HasExpression(name) {
		return nil
	}
	if s.many == nil {
		for _, f := range s.few {
			if strings.EqualFold(keyText(f), name) {
				return f
			}
		}
		if s.few = append(s.few, k); len(s.few) < 32 {
			return nil
		}
		s.many = make(map[string]*yaml.Node, 2*len(s.few))
		for _, f := range s.few {
			s.many[strings.ToLower(keyText(f))] = f
		}
		return nil
	}
	name = strings.ToLower(name)
	if first := s.many[name]; first != nil {
		return first
	}
	s.many[name] = k
	return nil
}
