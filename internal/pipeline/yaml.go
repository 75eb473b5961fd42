package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"go.yaml.in/yaml/v3"
)

// Bounds of a file.
const (
	MaxFile    = 4 << 20
	maxDepth   = 60
	maxValues  = 400_000 // aliases counted each time that they are used
	maxScalar  = 1 << 20
	maxProblem = 100
)

// yamlReader turns the nodes of one file into Values, in the meaning of YAML 1.1, which
// the original reads: yes and on are true, 010 is 8, a date is no text.
type yamlReader struct {
	file   string
	count  int
	opened map[*yaml.Node]bool // anchors that are being expanded
	report func(p cairn.Problem)
}

// fault ends the reading of a file.
type fault struct {
	line, column int
	text, hint   string
}

func (f *fault) Error() string { return f.text }

func faultAt(n *yaml.Node, format string, args ...any) *fault {
	return &fault{n.Line, n.Column, fmt.Sprintf(format, args...), ""}
}

// parseYAML reads one document. ok is false where there is nothing to go on with.
func parseYAML(file string, src []byte, report func(p cairn.Problem)) (v Value, ok bool) {
	fail := func(line, col int, code, hint, format string, args ...any) (Value, bool) {
		report(cairn.Problem{Position: cairn.Position{File: file, Line: line, Column: col}, Severity: cairn.SeverityError, Code: code,
			Message: fmt.Sprintf(format, args...), Hint: hint})
		return Value{}, false
	}
	src = bytes.TrimPrefix(src, []byte(byteOrderMark))
	if f := noText(src); f != nil {
		return fail(f.line, f.column, "pipeline.yaml", f.hint, "%s", f.text)
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	var root yaml.Node
	if err := d.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return fail(1, 1, "pipeline.empty", "", "the file is empty")
		}
		line, text := yamlError(err)
		return fail(line, 1, "pipeline.yaml", indentHint(src, line), "%s", text)
	}
	var more yaml.Node
	switch err := d.Decode(&more); {
	case err == nil:
		return fail(more.Line, 1, "pipeline.yaml", "one file holds one document: --- begins another", "a second document begins here")
	case !errors.Is(err, io.EOF): // what follows is not part of what was read
		line, text := yamlError(err)
		return fail(line, 1, "pipeline.yaml", "", "%s", text)
	}
	r := &yamlReader{file: file, opened: map[*yaml.Node]bool{}, report: report}
	if len(root.Content) == 0 {
		return fail(1, 1, "pipeline.empty", "", "the file is empty")
	}
	v, err := r.value(root.Content[0], 0)
	if f, ok := errors.AsType[*fault](err); ok {
		return fail(f.line, f.column, "pipeline.yaml", "", "%s", f.text)
	}
	if v.Kind == cairn.TemplateNull {
		return fail(1, 1, "pipeline.empty", "", "the file is empty")
	}
	return v, true
}

const byteOrderMark = "\xef\xbb\xbf"

const utf8Hint = "save it as text in UTF-8"

// noText finds the first byte that no text in UTF-8 has, or that YAML does not allow.
func noText(src []byte) *fault {
	if bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff")) {
		return &fault{1, 1, "the file is UTF-16; it has to be UTF-8", utf8Hint}
	}
	line, column := 1, 1
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			return &fault{line, column, fmt.Sprintf("the file is not UTF-8: here is the byte 0x%02x", src[0]), utf8Hint}
		case r == '\n':
			line, column = line+1, 0
		case r == 0:
			return &fault{line, column, "the file is no text: here is a NUL byte", utf8Hint}
		case r < ' ' && r != '\t' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return &fault{line, column, fmt.Sprintf("here is the character U+%04X, which YAML does not allow", r), fmt.Sprintf(`in double quotes it is written \u%04X`, r)}
		}
		column++
		src = src[size:]
	}
	return nil
}

// indentHint is the hint for a line that begins with a tab.
func indentHint(src []byte, line int) string {
	lines := bytes.SplitN(src, []byte("\n"), line+1)
	if line > len(lines) || !bytes.HasPrefix(bytes.TrimLeft(lines[line-1], " "), []byte("\t")) {
		return ""
	}
	return "YAML is indented with spaces; the line begins with a tab"
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func yamlError(err error) (line int, text string) {
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return 1, err.Error()
	}
	line, _ = strconv.Atoi(m[1]) // "" is 0
	return max(line, 1), "this is no YAML: " + m[2]
}

func (r *yamlReader) pos(n *yaml.Node) cairn.Position {
	return cairn.Position{File: r.file, Line: n.Line, Column: n.Column}
}

func (r *yamlReader) value(n *yaml.Node, depth int) (Value, error) {
	r.count++
	if depth > maxDepth {
		return Value{}, faultAt(n, "it is nested too deeply: more than %d levels", maxDepth)
	}
	if r.count > maxValues {
		return Value{}, faultAt(n, "the file holds too many values: more than %d, those of aliases counted each time", maxValues)
	}
	v := Value{Pos: r.pos(n)}
	switch n.Kind {
	case yaml.AliasNode:
		if r.opened[n.Alias] {
			return v, faultAt(n, "the alias *%s holds itself", clip(n.Value))
		}
		r.opened[n.Alias] = true
		defer delete(r.opened, n.Alias)
		return r.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		v.Kind = cairn.TemplateSeq
		for _, c := range n.Content {
			item, err := r.value(c, depth+1)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, item)
		}
		return v, nil
	case yaml.MappingNode:
		return r.mapping(n, depth)
	}
	return r.scalar(n)
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (Value, error) {
	v := Value{Kind: cairn.TemplateMap, Pos: r.pos(n)}
	at := map[string]int{}
	var merged []Value
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		for k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		val, err := r.value(n.Content[i+1], depth+1)
		if err != nil {
			return v, err
		}
		if k.Kind == yaml.ScalarNode && k.Tag == "!!merge" {
			merged = append(merged, val)
			continue
		}
		key, err := r.value(k, depth+1)
		if err != nil {
			return v, err
		}
		text := Text{Value: key.Text, Pos: key.Pos, Set: true}
		if key.Kind == cairn.TemplateSeq || key.Kind == cairn.TemplateMap {
			return v, faultAt(k, "the key is a %s; it has to be text", kindWord(key))
		}
		if key.Kind != cairn.TemplateString {
			text.Value = key.Raw
			v.OddKeys = append(v.OddKeys, key)
		}
		if j, twice := at[text.Value]; twice {
			r.report(cairn.Problem{Position: key.Pos, Severity: cairn.SeverityWarning, Code: "pipeline.duplicate-key",
				Message: fmt.Sprintf("the key %q is given twice; the last one counts", clip(text.Value)),
				Hint:    fmt.Sprintf("the first is in line %d", v.Pairs[j].Key.Pos.Line)})
			v.Pairs[j].Value = val
			continue
		}
		at[text.Value] = len(v.Pairs)
		v.Pairs = append(v.Pairs, Pair{text, val})
	}
	for _, m := range merged {
		all := []Value{m}
		if m.Kind == cairn.TemplateSeq {
			all = m.Items
		}
		for _, one := range all {
			if one.Kind != cairn.TemplateMap {
				return v, &fault{one.Pos.Line, one.Pos.Column, "<< merges maps; here is a " + kindWord(one), ""}
			}
			for _, p := range one.Pairs {
				if _, there := at[p.Key.Value]; !there {
					at[p.Key.Value] = len(v.Pairs)
					v.Pairs = append(v.Pairs, p)
				}
			}
		}
	}
	return v, nil
}

func (r *yamlReader) scalar(n *yaml.Node) (Value, error) {
	v := Value{Kind: cairn.TemplateString, Text: n.Value, Raw: n.Value, Pos: r.pos(n)}
	if len(n.Value) > maxScalar {
		return v, faultAt(n, "the text has more than %d bytes", maxScalar)
	}
	tagged := n.Style&yaml.TaggedStyle != 0
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if tagged && n.Tag != "!!str" && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return v, faultAt(n, "the tag %s is not known", clip(n.Tag))
	}
	if quoted && !tagged || tagged && n.Tag == "!!str" {
		return v, nil
	}
	return plainScalar(v), nil
}

// kindWord names a value's kind for people.
func kindWord(v Value) string {
	switch v.Kind {
	case cairn.TemplateNull:
		return "nothing"
	case cairn.TemplateBool:
		return "truth value"
	case cairn.TemplateNumber:
		return "number"
	case cairn.TemplateSeq:
		return "list"
	case cairn.TemplateMap:
		return "map"
	}
	if v.Time {
		return "date"
	}
	return "text"
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
