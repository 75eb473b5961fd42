package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Load reads a file with all components that it names by path. Where a problem is an
// error the document is not fit to be used, and it is nil where nothing could be read.
func Load(files Files, name string, o Options) (*Document, []cairn.Problem) {
	l, err := newLoader(files)
	if err != nil {
		return nil, []cairn.Problem{{Severity: cairn.SeverityError, Code: "pipeline.schema", Message: "a defect of Cairn: its schema cannot be read: " + err.Error()}}
	}
	doc := l.document(path.Clean(name), o, 0)
	ps := l.finish()
	return doc, ps
}

// loader reads one file and those that it names.
type loader struct {
	files    Files
	schemas  *schemas
	problems []told
	sources  []Source
	lines    map[string][]string
	parsed   map[string]Value // by path: as read
	checked  map[string]Value // by path: held against a shape
	comps    map[string]*Component
	failed   map[string][]cairn.Problem // by path and shape
	open     []string                   // files that are being checked, for those that hold themselves
}

func newLoader(files Files) (*loader, error) {
	s, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	return &loader{files: files, schemas: s, lines: map[string][]string{}, parsed: map[string]Value{}, checked: map[string]Value{}, comps: map[string]*Component{}, failed: map[string][]cairn.Problem{}}, nil
}

func dirOf(name string) string { return path.Dir(name) }

// bytes reads a file once.
func (l *loader) bytes(name string) ([]byte, error) {
	for _, s := range l.sources {
		if s.Path == name {
			return s.Bytes, nil
		}
	}
	b, err := l.files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxFile {
		return nil, fmt.Errorf("it has more than %d bytes", MaxFile)
	}
	l.sources = append(l.sources, Source{name, b})
	l.lines[name] = strings.Split(strings.TrimPrefix(string(b), byteOrderMark), "\n")
	return b, nil
}

// read reads a YAML file that a value names.
func (l *loader) read(name string, from Value, c *checker, p place) (Value, bool) {
	if v, ok := l.parsed[name]; ok {
		return v, v.Kind != ""
	}
	if slices.Contains(l.open, name) {
		c.fail(from.Pos, p, from, "pipeline.cycle", "", "%s: %s holds itself", c.name(p), name)
		return Value{}, false
	}
	b, err := l.bytes(name)
	if err != nil {
		switch {
		case p.path == "":
			c.fail(from.Pos, p, from, "pipeline.path", "", "the file cannot be read: %v", err)
		case errors.Is(err, fs.ErrNotExist):
			hint := ""
			if strings.HasSuffix(p.path, "component") && path.Ext(from.Text) != ".yml" && path.Ext(from.Text) != ".yaml" {
				hint = referenceHint(from.Text)
			}
			c.fail(from.Pos, p, from, "pipeline.path", hint, "%s: there is no file %q beside this one (looked for %s)", c.name(p), clip(from.Text), name)
		default:
			c.fail(from.Pos, p, from, "pipeline.path", "", "%s: %s cannot be read: %v", c.name(p), name, err)
		}
		return Value{}, false
	}
	v, ok := parseYAML(name, b, func(p cairn.Problem) {
		if p.Severity == cairn.SeverityError {
			c.problems = append(c.problems, p)
		} else {
			l.report(p)
		}
	})
	if ok {
		l.parsed[name] = v
	}
	return v, ok
}

// keep remembers what a file came to.
func (l *loader) keep(name string, v Value) { l.checked[name] = v }

// componentFile checks the component that a node names by path.
func (c *checker) componentFile(v Value, f *field, p place) {
	if v.Kind != cairn.TemplateString || v.Time || strings.HasPrefix(v.Text, "azureml:") || strings.HasPrefix(v.Text, "file:") || hasBinding(v.Text) {
		c.wrong(v, p, "the path of a component's file")
		return
	}
	name := join(p.dir, v.Text)
	l := c.l
	out, ok := l.read(name, v, c, p)
	if !ok {
		return
	}
	if out.Kind != cairn.TemplateMap {
		c.wrong(out, place{"", dirOf(name)}, "a map")
		return
	}
	kind := componentKind(f.T, out)
	s := l.schemas.kind(kind)
	if s == nil {
		c.problems = append(c.problems, unknownKind(out, "component"))
		return
	}
	if want := fileRefKind(f.T); want != "" && want != kind {
		c.fail(v.Pos, p, v, "pipeline.component", "", "%s: %s is a component of type %s; it has to be of type %s", c.name(p), name,
			strings.TrimPrefix(kind, "component/"), strings.TrimPrefix(want, "component/"))
		return
	}
	if _, done := l.checked[name+"#"+s.Name]; done {
		return
	}
	// Branches of a union look at the same file one after the other.
	if known, done := l.failed[name+"#"+s.Name]; done {
		c.problems = append(c.problems, known...)
		return
	}
	if slices.Contains(l.open, name) {
		c.fail(v.Pos, p, v, "pipeline.cycle", "", "%s: %s holds itself", c.name(p), name)
		return
	}
	l.open = append(l.open, name)
	problems := c.try(func() {
		out = c.shape(anonymous(out), s, "include", place{"", dirOf(name)})
	})
	l.open = l.open[:len(l.open)-1]
	c.problems = append(c.problems, problems...)
	if cairn.HasErrors(problems) {
		l.failed[name+"#"+s.Name] = problems
	} else {
		l.checked[name+"#"+s.Name] = out
		l.keep(name, out)
	}
}

// anonymous gives a component's file that has no name one: inside a pipeline it needs none.
func anonymous(v Value) Value {
	if _, ok := v.Field("name"); ok {
		return v
	}
	v.Pairs = append(slices.Clone(v.Pairs), Pair{Text{Value: "name", Pos: v.Pos, Set: true}, Value{Kind: cairn.TemplateString, Text: "azureml_anonymous", Raw: "azureml_anonymous", Pos: v.Pos}})
	return v
}

// fileRefKind is the kind that a reference to a component's file asks for; "" for any.
func fileRefKind(t string) string {
	switch t {
	case "ComponentFileRefField":
		return "component/command"
	case "PipelineComponentFileRefField":
		return "component/pipeline"
	case "ParallelComponentFileRefField", "ComponentYamlRefField":
		return "component/parallel"
	case "SparkComponentFileRefField":
		return "component/spark"
	case "ImportComponentFileRefField":
		return "component/import"
	}
	return ""
}

func componentKind(ref string, v Value) string {
	t, ok := v.Field("type")
	if !ok || t.Text == "" {
		return cmp.Or(fileRefKind(ref), "component/command")
	}
	kind := strings.ToLower(t.Text)
	if kind == "data_transfer" {
		task, _ := v.Field("task")
		return "component/data_transfer/" + strings.ToLower(task.Text)
	}
	return "component/" + kind
}

// document reads, changes as asked, checks and takes over one file.
func (l *loader) document(name string, o Options, depth int) *Document {
	c := &checker{l: l}
	root, ok := l.read(name, Value{Kind: cairn.TemplateString, Text: name, Pos: cairn.Position{File: name, Line: 1, Column: 1}}, c, place{"", dirOf(name)})
	l.report(c.problems...)
	if !ok {
		return nil
	}
	doc := &Document{Path: name, Sources: nil}
	if root.Kind != cairn.TemplateMap {
		l.report(cairn.Problem{Position: root.Pos, Severity: cairn.SeverityError, Code: "pipeline.type", Message: "the file holds a " + kindWord(root) + "; it has to be a map"})
		return nil
	}
	root = l.overlay(root, o)
	return l.documentOf(doc, root, o, depth)
}

// documentOf checks a value that stands for a whole file.
func (l *loader) documentOf(doc *Document, root Value, o Options, depth int) *Document {
	kind, sub := detect(root, o.Kind)
	doc.Kind = kind
	s := l.schemas.kind(sub)
	if s == nil {
		l.report(unknownKind(root, o.Kind))
		return nil
	}
	c := &checker{l: l}
	l.open = append(l.open, doc.Path)
	unknown := ""
	if strings.HasPrefix(string(kind), "component/") {
		unknown = "include" // as the original does, for all components
	}
	doc.Value = c.shape(root, s, unknown, place{"", dirOf(doc.Path)})
	l.open = l.open[:len(l.open)-1]
	l.report(c.problems...)
	for _, src := range l.sources {
		if src.Path == doc.Path {
			doc.Source = src.Bytes
		}
	}
	if !cairn.HasErrors(c.problems) {
		b := &builder{l: l, doc: doc, depth: depth}
		b.build()
	}
	doc.Sources = slices.Clone(l.sources)
	return doc
}
