package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"

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
	s := newBindingPlaces(b.l.lines[v.Pos.File], v)
	out.Refs(func(r *BindingRef, _ bool) { r.Pos = s.next(r) })
	return out
}

// bindingPlaces finds where the references of a text stand in the file: YAML tells only where
// the text begins, and a command may have a hundred lines.
type bindingPlaces struct {
	lines        []string // those that follow
	rest         string   // of the line at hand
	line, column int      // where rest begins, in characters
	left         int      // bytes that may still be looked at: a file may be one line of megabytes
}

func newBindingPlaces(lines []string, text Value) *bindingPlaces {
	s := &bindingPlaces{line: text.Pos.Line, column: text.Pos.Column, left: 16<<10 + 2*len(text.Text)}
	if s.line < 1 || s.line > len(lines) || len(lines[s.line-1]) > s.left {
		return s
	}
	s.rest, s.lines = lines[s.line-1], lines[s.line:]
	for range s.column - 1 {
		_, size := utf8.DecodeRuneInString(s.rest)
		s.rest = s.rest[size:]
	}
	return s
}

// next is the place of the next ${{; that of the text, where something else stands there.
func (s *bindingPlaces) next(r *BindingRef) cairn.Position {
	i := strings.Index(s.rest, "${{")
	for ; i < 0 && len(s.lines) > 0 && s.left > 0; i = strings.Index(s.rest, "${{") {
		s.rest, s.lines = s.lines[0], s.lines[1:]
		s.line, s.column, s.left = s.line+1, 1, s.left-len(s.rest)
	}
	if i < 0 {
		return r.Pos
	}
	inner, rest, closed := strings.Cut(s.rest[i+len("${{"):], "}}")
	if !closed || strings.TrimSpace(inner) != strings.Join(r.Path, ".") {
		s.rest, s.lines = "", nil // what follows is not known either
		return r.Pos
	}
	pos := r.Pos
	pos.Line, pos.Column = s.line, s.column+utf8.RuneCountInString(s.rest[:i])
	pos.EndColumn = pos.Column + utf8.RuneCountInString(inner) + len("${{}}")
	s.rest, s.column = rest, pos.EndColumn
	return pos
}
