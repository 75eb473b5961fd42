package workflow

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Parse reads a workflow file. The tree is never nil; with a problem of
// severity error it must not be built.
func Parse(path string, src []byte) (*Workflow, []cairn.Problem) {
	w := &Workflow{Path: path}
	r, root := open(path, src, "a workflow")
	if root != nil {
		readMap(r, root, "the workflow", &workflowSchema, w)
		r.job, r.step = -1, -1
		r.checkNeeds(w)
		r.checkUses(w)
		w.refs = r.refs(w)
	}
	return w, r.done()
}

func newReader(path string, src []byte) *reader {
	return &reader{src: newSource(path, src), counts: map[cairn.Severity]int{}, job: -1, step: -1}
}

// open parses the YAML of a file and checks what holds for every map in it.
// The root is nil when there is nothing to read.
func open(path string, src []byte, what string) (*reader, *yaml.Node) {
	if len(src) > maxFile {
		r := newReader(path, nil)
		r.report(cairn.SeverityError, "too-large", cairn.Position{File: path}, "",
			"the file has %d bytes; at most %d are allowed", len(src), maxFile)
		return r, nil
	}
	r := newReader(path, src)
	if !utf8.Valid(src) {
		at := 0
		for at < len(src) {
			c, n := utf8.DecodeRune(src[at:])
			if c == utf8.RuneError && n <= 1 {
				break
			}
			at += n
		}
		r.report(cairn.SeverityError, "encoding", r.src.position(at, at+1), "save the file as UTF-8",
			"byte 0x%02x is not UTF-8", src[at])
		return r, nil
	}
	root, err := decode(src)
	if err != nil {
		r.yamlError(err)
		return r, nil
	}
	if root == nil || root.Kind == yaml.ScalarNode && scalar(root).IsNull() {
		r.report(cairn.SeverityError, "empty", cairn.Position{File: path, Line: 1, Column: 1}, "", "the file is empty; %s was expected", what)
		return r, nil
	}
	if root.Kind != yaml.MappingNode {
		r.wrongKind(root, what, wantMap, nil)
		return r, nil
	}
	r.structure(root, map[*yaml.Node]bool{}, 0)
	if cairn.HasErrors(r.problems) && r.stopped {
		return r, nil
	}
	return r, root
}

var errSecondDocument = errors.New("second document")

func decode(src []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&more); err == nil {
		return nil, errSecondDocument
	} else if err != io.EOF {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// yamlError translates what the YAML parser says.
func (r *reader) yamlError(err error) {
	if err == errSecondDocument {
		line := 1
		for i := range r.src.lines {
			if strings.HasPrefix(r.src.line(i+1), "---") && strings.TrimSpace(r.src.text[:r.src.lines[i]]) != "" {
				line = i + 1
			}
		}
		r.report(cairn.SeverityError, "yaml", r.src.position(r.src.lines[line-1], r.src.lines[line-1]+3), "put each workflow into a file of its own",
			"the file holds more than one YAML document")
		return
	}
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line, _ := strconv.Atoi(m[1])
	line = min(max(line, 1), len(r.src.lines))
	message, hint := m[2], ""
	text := r.src.line(line)
	switch {
	case strings.Contains(message, "cannot start any token"), strings.Contains(message, "found a tab"):
		if at := r.tabLine(line); at > 0 {
			line, text = at, r.src.line(at)
			message, hint = "a tab is used for indentation", "YAML is indented with spaces only"
			break
		}
		message, hint = "a value cannot start with this character", "put the value in quotes"
	case strings.Contains(message, "did not find expected key"):
		hint = "look at the indentation of this line and the one before, and for a quote that is not closed"
	case strings.Contains(message, "mapping values are not allowed"):
		hint = "a value that holds ': ' needs quotes; or the indentation is wrong"
	case strings.Contains(message, "could not find expected ':'"):
		message, hint = "a key without ':' was found", "write key: value; look for a quote that is not closed too"
	case strings.Contains(message, "unknown anchor"):
		name := strings.SplitN(message+"''", "'", 3)[1]
		if at := strings.Index(r.src.text, "*"+name); at >= 0 {
			r.report(cairn.SeverityError, "yaml", r.src.position(at, at+len(name)+1), "define it before its use: &"+name+"; a text that starts with * needs quotes",
				"the anchor %s is not defined", name)
			return
		}
	case strings.Contains(message, "end of stream"), strings.Contains(message, "document indicator"):
		message, hint = "a quote is not closed", "the text that starts on this line has no closing quote"
		if at := strings.IndexAny(text, `'"`); at >= 0 {
			start := r.src.lines[line-1] + at
			r.report(cairn.SeverityError, "yaml", r.src.position(start, start+1), hint, "%s", message)
			return
		}
	case strings.Contains(message, "did not find expected ',' or"):
		hint = "a list in [ ] or map in { } is not closed"
	}
	start := r.src.lines[line-1]
	if first := strings.Index(text, ": "); first >= 0 && strings.Contains(message, "mapping values") {
		if second := strings.Index(text[first+2:], ":"); second >= 0 {
			at := start + first + 2 + second
			r.report(cairn.SeverityError, "yaml", r.src.position(at, at+1), hint, "not valid YAML: a second ': ' in one value")
			return
		}
	}
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	if strings.HasPrefix(message, "a tab") {
		at := start + strings.IndexByte(text, '\t')
		r.report(cairn.SeverityError, "yaml", r.src.position(at, at+1), hint, "%s", message)
		return
	}
	r.report(cairn.SeverityError, "yaml", r.src.position(start+indent, start+len(strings.TrimRight(text, " \t\r"))), hint, "not valid YAML: %s", message)
}

// tabLine finds a line indented with a tab at or next to line; 0 if none.
func (r *reader) tabLine(line int) int {
	for _, at := range []int{line, line + 1, line - 1} {
		text := r.src.line(at)
		if strings.Contains(text[:len(text)-len(strings.TrimLeft(text, " \t"))], "\t") {
			return at
		}
	}
	return 0
}

// structure checks the whole YAML tree: tags, anchors that hold themselves. An
// expression that is only a text in quotes becomes that text, as on GitHub.
func (r *reader) structure(n *yaml.Node, above map[*yaml.Node]bool, depth int) {
	if depth > maxDepth {
		if !r.stopped {
			r.fail("too-large", n, "", "maps and lists are nested deeper than %d levels", maxDepth)
			r.stopped = true
		}
		return
	}
	if n.Kind == yaml.AliasNode {
		if above[n.Alias] {
			r.fail("yaml", n, "", "the anchor %s holds itself", n.Value)
			r.stopped = true
		}
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.tag(n)
	}
	if n.Kind == yaml.ScalarNode {
		literal(n)
		return
	}
	if n.Anchor != "" {
		above[n] = true
		defer delete(above, n)
	}
	for _, c := range n.Content {
		r.structure(c, above, depth+1)
	}
}

var coreTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq"}

func (r *reader) tag(n *yaml.Node) {
	fits := slices.Contains(coreTags, n.Tag)
	if !fits {
		r.report(cairn.SeverityError, "yaml", cairn.Position{File: r.src.path, Line: n.Line, Column: n.Column}, "", "the tag %s is not allowed", n.Tag)
		return
	}
	if n.Kind == yaml.ScalarNode {
		k := plain(n.Value).Kind()
		switch n.Tag {
		case "!!int", "!!float":
			fits = k == expr.KindNumber
		case "!!bool":
			fits = k == expr.KindBool
		case "!!null":
			fits = k == expr.KindNull
		case "!!map", "!!seq":
			fits = false
		}
	}
	if !fits {
		r.fail("yaml", n, "leave the tag away", "%s does not fit its tag %s", quote(n.Value), n.Tag)
	}
}

// done sorts the findings and drops what is said twice.
func (r *reader) done() []cairn.Problem {
	slices.SortStableFunc(r.problems, func(a, b cairn.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Column != b.Column {
			return a.Column - b.Column
		}
		return strings.Compare(a.Message, b.Message)
	})
	return slices.CompactFunc(r.problems, func(a, b cairn.Problem) bool {
		return a.Position == b.Position && a.Code == b.Code && a.Message == b.Message
	})
}
