package pipeline

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxParts bounds the pieces of one text.
const maxParts = 10_000

// parseParts takes a text with ${{ }} and $[[ ]] apart. problem says what is wrong with
// it; the text is then one part.
func parseParts(s string, pos cairn.Position) (parts []Part, problem string) {
	parts, rest, problem := partsUntil(s, pos, false)
	if problem != "" {
		return []Part{{Text: s}}, problem
	}
	if rest != "" {
		return []Part{{Text: s}}, "]] stands without its $[["
	}
	return parts, ""
}

// partsUntil reads to the end, or inside of a bracket to its ]].
func partsUntil(s string, pos cairn.Position, inside bool) (parts []Part, rest, problem string) {
	text := func(t string) {
		if t == "" {
			return
		}
		if n := len(parts); n > 0 && parts[n-1].Ref == nil && parts[n-1].Optional == nil {
			parts[n-1].Text += t
			return
		}
		parts = append(parts, Part{Text: t})
	}
	for s != "" {
		if len(parts) > maxParts {
			return nil, "", "it holds too many bindings"
		}
		i := strings.IndexAny(s, "$]")
		if i < 0 {
			text(s)
			s = ""
			break
		}
		text(s[:i])
		s = s[i:]
		switch {
		case strings.HasPrefix(s, "${{"):
			end := strings.Index(s, "}}")
			if end < 0 {
				return nil, "", "${{ has no }}"
			}
			inner := strings.TrimSpace(s[3:end])
			if inner == "" || strings.ContainsAny(inner, " \t\n") {
				return nil, "", fmt.Sprintf("%q is no binding: between ${{ and }} stands one name such as inputs.x", clip(s[:end+2]))
			}
			parts = append(parts, Part{Ref: &BindingRef{Path: bindingPath(inner), Pos: pos}})
			s = s[end+2:]
		case strings.HasPrefix(s, "$[["):
			if inside {
				return nil, "", "$[[ stands inside of $[["
			}
			inner, after, problem := partsUntil(s[3:], pos, true)
			if problem != "" {
				return nil, "", problem
			}
			if inner == nil {
				inner = []Part{}
			}
			parts = append(parts, Part{Optional: inner})
			s = after
		case inside && strings.HasPrefix(s, "]]"):
			return parts, s[2:], ""
		default:
			text(s[:1])
			s = s[1:]
		}
	}
	if inside {
		return nil, "", "$[[ has no ]]"
	}
	return parts, "", ""
}

// bindingPath takes a name apart. Names of ports may hold dots: all that follows inputs or
// outputs is one name.
func bindingPath(s string) []string {
	all := strings.Split(s, ".")
	for i, part := range all {
		switch part {
		case "inputs", "outputs", "search_space":
			if i+1 < len(all) {
				return append(all[:i+1:i+1], strings.Join(all[i+1:], "."))
			}
		}
	}
	return all
}

// String is the text of a reference as it is written, without white space.
func (r *BindingRef) String() string { return "${{" + strings.Join(r.Path, ".") + "}}" }

// Refs calls fn for each reference of a binding, inside of lists and maps too.
func (b Binding) Refs(fn func(r *BindingRef, optional bool)) {
	var walk func(parts []Part, optional bool)
	walk = func(parts []Part, optional bool) {
		for _, p := range parts {
			if p.Ref != nil {
				fn(p.Ref, optional)
			}
			if p.Optional != nil {
				walk(p.Optional, true)
			}
		}
	}
	walk(b.Parts, false)
}

// Single returns the reference of a binding that is nothing else; nil for others.
func (b Binding) Single() *BindingRef {
	if len(b.Parts) == 1 {
		return b.Parts[0].Ref
	}
	return nil
}

// Given reports whether anything was written.
func (b Binding) Given() bool { return b.Value.Given() }

// binding reads a value that may hold bindings.
func (b *builder) binding(v Value, at string) Binding {
	out := Binding{Value: v, Pos: v.Pos}
	if v.Kind != cairn.TemplateString {
		return out
	}
	var problem string
	out.Parts, problem = parseParts(v.Text, v.Pos)
	if problem != "" {
		b.fail(v.Pos, at, v, "pipeline.binding", "", "%s: %s", at, problem)
	}
	return out
}
