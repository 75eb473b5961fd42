package pipeline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"bytes"

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

// errTooLarge ends the reading of a file that would fill the memory.
var errTooLarge = errors.New("the file holds too many values, or is nested too deeply")

// parseYAML reads one document. ok is false where there is nothing to go on with.
func parseYAML(file string, src []byte, report func(p cairn.Problem)) (v Value, ok bool) {
	fail := func(line, col int, code, hint, format string, args ...any) (Value, bool) {
		report(cairn.Problem{Position: cairn.Position{File: file, Line: line, Column: col}, Severity: cairn.SeverityError, Code: code,
			Message: fmt.Sprintf(format, args...), Hint: hint})
		return Value{}, false
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return fail(1+bytes.Count(src[:i], []byte("\n")), 1, "pipeline.yaml", "", "the file is no text: it holds a NUL byte")
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	var root yaml.Node
	if err := d.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return fail(1, 1, "pipeline.empty", "", "the file is empty")
		}
		line, text := yamlError(err)
		return fail(line, 1, "pipeline.yaml", "", "%s", text)
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
	if err != nil {
		return fail(1, 1, "pipeline.yaml", "", "%s", err.Error())
	}
	if v.Kind == cairn.TemplateNull {
		return fail(1, 1, "pipeline.empty", "", "the file is empty")
	}
	return v, true
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
	if depth > maxDepth || r.count > maxValues {
		return Value{}, errTooLarge
	}
	v := Value{Pos: r.pos(n)}
	switch n.Kind {
	case yaml.AliasNode:
		if r.opened[n.Alias] {
			return v, fmt.Errorf("line %d: the alias *%s holds itself", n.Line, n.Value)
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
			return v, fmt.Errorf("line %d: a key is a list or a map; it has to be text", key.Pos.Line)
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
				return v, fmt.Errorf("line %d: << merges maps, not a %s", one.Pos.Line, kindWord(one))
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

// What scalars without quotes mean in YAML 1.1, as PyYAML reads them.
var (
	yamlBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	yamlInt   = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	yamlNull  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlTime  = regexp.MustCompile(`^(?:\d\d\d\d-\d\d-\d\d|\d\d\d\d-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$`)
)

func (r *yamlReader) scalar(n *yaml.Node) (Value, error) {
	v := Value{Kind: cairn.TemplateString, Text: n.Value, Raw: n.Value, Pos: r.pos(n)}
	if len(n.Value) > maxScalar {
		return v, errTooLarge
	}
	tagged := n.Style&yaml.TaggedStyle != 0
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if tagged && n.Tag != "!!str" && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return v, fmt.Errorf("line %d: the tag %s is not known", n.Line, clip(n.Tag))
	}
	if quoted && !tagged || tagged && n.Tag == "!!str" {
		return v, nil
	}
	return plainScalar(v), nil
}

// plainScalar reads a scalar without quotes.
func plainScalar(v Value) Value {
	s := v.Raw
	if s != "" && strings.IndexByte("yYnNtTfFoO~.+-0123456789", s[0]) < 0 {
		return v // the patterns below are slow, and most texts begin otherwise
	}
	switch {
	case yamlNull.MatchString(s):
		v.Kind, v.Text = cairn.TemplateNull, ""
	case yamlBool.MatchString(s):
		v.Kind = cairn.TemplateBool
		switch strings.ToLower(s) {
		case "yes", "true", "on":
			v.Bool = true
		}
		v.Text = "False"
		if v.Bool {
			v.Text = "True"
		}
	case yamlInt.MatchString(s):
		v.Kind, v.Int = cairn.TemplateNumber, true
		v.Num, v.Text = yamlInteger(s)
	case yamlFloat.MatchString(s):
		v.Kind = cairn.TemplateNumber
		v.Num = yamlNumber(s)
		v.Text = pyFloat(v.Num)
	case yamlTime.MatchString(s):
		v.Time = true
	}
	return v
}

// yamlInteger reads an integer and says it in decimal, however long.
func yamlInteger(s string) (float64, string) {
	s = strings.ReplaceAll(s, "_", "")
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		if s[0] == '-' {
			sign = "-"
		}
		s = s[1:]
	}
	if strings.Contains(s, ":") {
		total := int64(0)
		for _, part := range strings.Split(s, ":") {
			n, _ := strconv.ParseInt(part, 10, 64) // digits by the pattern
			total = total*60 + n
		}
		s = strconv.FormatInt(total, 10)
	} else if len(s) > 1 && s[0] == '0' {
		base, digits := 8, s[1:]
		switch s[1] {
		case 'x', 'X':
			base, digits = 16, s[2:]
		case 'b', 'B':
			base, digits = 2, s[2:]
		}
		if n, err := strconv.ParseUint(digits, base, 64); err == nil {
			s = strconv.FormatUint(n, 10)
		}
	}
	if s == "0" {
		sign = ""
	}
	f, _ := strconv.ParseFloat(sign+s, 64) // too large is infinite
	return f, sign + s
}

func yamlNumber(s string) float64 {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	switch strings.TrimLeft(s, "+-") {
	case ".inf":
		if s[0] == '-' {
			return math.Inf(-1)
		}
		return math.Inf(1)
	case ".nan":
		return math.NaN()
	}
	if strings.Contains(s, ":") {
		sign := 1.0
		if s[0] == '-' {
			sign = -1
		}
		total := 0.0
		for _, part := range strings.Split(strings.TrimLeft(s, "+-"), ":") {
			n, _ := strconv.ParseFloat(part, 64) // digits by the pattern
			total = total*60 + n
		}
		return sign * total
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

// pyFloat says a number as Python's repr does, which is what the original sends.
func pyFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		return s
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// kindWord names a value's kind for people.
func kindWord(v Value) string {
	switch v.Kind {
	case cairn.TemplateNull:
		return "nothing"
	case cairn.TemplateBool:
		return "true or false"
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
