package stages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

var errSecondDocument = errors.New("second document")

// open parses the YAML of a file and checks what holds for every map in it. The
// root is nil when there is nothing to read.
func open(path string, src []byte) (*reader, *yaml.Node) {
	r := &reader{src: newSource(path, src)}
	if len(src) > maxFile {
		r.src = newSource(path, nil)
		r.report(cairn.SeverityError, "too-large", cairn.Position{File: path}, "",
			"the file has %d bytes; at most %d are allowed", len(src), maxFile)
		return r, nil
	}
	if !utf8.Valid(src) {
		for i, l := range r.src.lines {
			if !utf8.ValidString(l) {
				r.src.lines[i] = strings.ToValidUTF8(l, "\ufffd")
				r.report(cairn.SeverityError, "encoding", r.src.at(i+1, 1, 0), "save the file as UTF-8", "the line is not UTF-8")
				break
			}
		}
		return r, nil
	}
	root, err := decode(src)
	switch {
	case err != nil:
		r.yamlError(err)
		return r, nil
	case root == nil || isNull(root):
		r.report(cairn.SeverityError, "empty", cairn.Position{File: path, Line: 1, Column: 1},
			"cairn init --stages writes one; or remove the file: it is not needed", "the file is empty")
		return r, nil
	}
	r.structure(root, map[*yaml.Node]bool{}, 0)
	if r.stopped {
		return r, nil
	}
	return r, root
}

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

// yamlError translates what the YAML parser says.
func (r *reader) yamlError(err error) {
	if err == errSecondDocument {
		line := 1
		for i, l := range r.src.lines {
			if i > 0 && strings.HasPrefix(l, "---") {
				line = i + 1
			}
		}
		r.report(cairn.SeverityError, "yaml", r.src.at(line, 1, 3), "all stages stand in one document", "the file holds more than one YAML document")
		return
	}
	yamlLine := regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line, _ := strconv.Atoi(m[1])
	line = min(max(line, 1), len(r.src.lines))
	hint := ""
	switch message := m[2]; {
	case strings.Contains(message, "cannot start any token") && strings.Contains(r.src.line(line), "\t"), strings.Contains(message, "found a tab"):
		hint = "YAML is indented with spaces only, not with tabs"
	case strings.Contains(message, "cannot start any token"):
		hint = "put the value in quotes"
	case strings.Contains(message, "did not find expected key"):
		hint = "look at the indentation of this line and the one before, and for a quote that is not closed"
	case strings.Contains(message, "mapping values are not allowed"):
		hint = "a value that holds ': ' needs quotes; or the indentation is wrong"
	case strings.Contains(message, "could not find expected ':'"):
		hint = "write key: value; look for a quote that is not closed too"
	case strings.Contains(message, "did not find expected ',' or"):
		hint = "a list in [ ] or map in { } is not closed"
	}
	text := r.src.line(line)
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	r.report(cairn.SeverityError, "yaml", r.src.at(line, indent+1, utf8.RuneCountInString(strings.TrimSpace(text))), hint, "not valid YAML: %s", m[2])
}

// structure checks the whole YAML tree: keys that come twice, merge keys, tags,
// anchors that hold themselves.
func (r *reader) structure(n *yaml.Node, above map[*yaml.Node]bool, depth int) {
	if depth > maxDepth || r.stopped {
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
		r.fail("yaml", n, "leave the tag away", "the tag %s is not allowed", n.Tag)
	}
	if n.Anchor != "" {
		above[n] = true
		defer delete(above, n)
	}
	if n.Kind == yaml.MappingNode {
		r.duplicates(n)
	}
	for _, c := range n.Content {
		r.structure(c, above, depth+1)
	}
}

func (r *reader) duplicates(n *yaml.Node) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := deref(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			r.fail("yaml", k, "a key is a word", "a key is %s", describe(k))
			continue
		}
		if k.Value == "<<" && k.Style == 0 {
			r.fail("merge", k, "repeat the keys, or use an anchor for a whole value", "merge keys (<<) are not allowed")
			continue
		}
		if first := seen[k.Value]; first != nil {
			r.fail("duplicate-key", k, fmt.Sprintf("it stands first in line %d", first.Line), "the key %s comes twice in this map", quote(k.Value))
			continue
		}
		seen[k.Value] = k
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
