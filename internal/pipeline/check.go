package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// checker holds a tree of values against the shapes.
type checker struct {
	l *loader
	// problems of the branch that is tried.
	problems []cairn.Problem
	depth    int
}

// place is where a value stands: its path in the file, and the folder that relative
// paths start from.
type place struct {
	path string
	dir  string
}

func (p place) key(k string) place {
	if p.path == "" {
		return place{k, p.dir}
	}
	return place{p.path + "." + k, p.dir}
}

func (p place) index(i int) place { return place{p.path + "." + strconv.Itoa(i), p.dir} }

func (c *checker) fail(at cairn.Position, p place, v Value, code, hint, format string, args ...any) {
	if len(c.problems) >= maxProblem {
		return
	}
	c.problems = append(c.problems, cairn.Problem{
		Position: at, Severity: cairn.SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint,
		Path: p.path, Value: found(v),
	})
}

// found is a value for messages: bounded.
func found(v Value) any {
	switch v.Kind {
	case cairn.TemplateSeq:
		return fmt.Sprintf("a list of %d", len(v.Items))
	case cairn.TemplateMap:
		return fmt.Sprintf("a map of %d", len(v.Pairs))
	case cairn.TemplateString:
		return clip(v.Text)
	}
	return v.Plain()
}

// try runs fn with problems of its own.
func (c *checker) try(fn func()) []cairn.Problem {
	saved := c.problems
	c.problems = nil
	fn()
	got := c.problems
	c.problems = saved
	return got
}

func (c *checker) wrong(v Value, p place, want string) {
	c.fail(v.Pos, p, v, "pipeline.type", "", "%s: %s; it has to be %s", c.name(p), shown(v), want)
}

// name is the last part of a path, for messages.
func (c *checker) name(p place) string {
	if p.path == "" {
		return "the file"
	}
	return p.path
}

// shown says what was found in words.
func shown(v Value) string {
	switch v.Kind {
	case cairn.TemplateSeq, cairn.TemplateMap:
		return "here is a " + kindWord(v)
	case cairn.TemplateNull:
		return "nothing is given"
	case cairn.TemplateString:
		if v.Time {
			return fmt.Sprintf("%s is a date in YAML", clip(v.Raw))
		}
		return fmt.Sprintf("%q", clip(v.Text))
	}
	return fmt.Sprintf("%s is a %s", clip(v.Raw), kindWord(v))
}

// field checks one value and returns it as it is meant: names of an enumeration in
// their own spelling, read-only keys gone.
func (c *checker) field(v Value, f *field, p place) Value {
	if c.depth++; c.depth > maxDepth*3 {
		c.fail(v.Pos, p, v, "pipeline.depth", "", "%s: it is nested too deeply", c.name(p))
		c.depth--
		return v
	}
	defer func() { c.depth-- }()
	if v.Kind == cairn.TemplateNull && f.T != "union" {
		if !f.Null && f.T != "Raw" {
			c.wrong(v, p, c.want(f))
		}
		return v
	}
	switch f.T {
	case "union":
		return c.union(v, f, p)
	case "nested":
		return c.nested(v, f, p)
	case "dict":
		return c.dict(v, f, p)
	case "list":
		return c.list(v, f, p)
	case "enum":
		return c.enum(v, f, p)
	case "const":
		if len(f.Vals) > 0 && v.Text != fmt.Sprint(f.Vals[0]) {
			c.wrong(v, p, fmt.Sprintf("%q", f.Vals[0]))
		}
		return v
	case "Raw", "ro":
		return v
	}
	return c.scalar(v, f, p)
}

// dict checks a map with keys of the user's choice.
func (c *checker) dict(v Value, f *field, p place) Value {
	if v.Kind != cairn.TemplateMap {
		c.wrong(v, p, "a map")
		return v
	}
	for _, k := range v.OddKeys {
		c.fail(k.Pos, p.key(k.Raw), k, "pipeline.key", "put it in quotes", "%s: the key %s is a %s; it has to be text", c.name(p), clip(k.Raw), kindWord(k))
	}
	out := v
	out.Pairs = slices.Clone(v.Pairs)
	for i, pair := range out.Pairs {
		at := p.key(pair.Key.Value)
		if f.Keys != nil {
			c.scalar(Value{Kind: cairn.TemplateString, Text: pair.Key.Value, Raw: pair.Key.Value, Pos: pair.Key.Pos}, f.Keys, at)
		}
		if len(f.Of) > 0 {
			out.Pairs[i].Value = c.field(pair.Value, f.Of[0], at)
		}
	}
	return out
}

func (c *checker) list(v Value, f *field, p place) Value {
	if v.Kind != cairn.TemplateSeq {
		c.wrong(v, p, "a list")
		return v
	}
	out := v
	out.Items = slices.Clone(v.Items)
	for i := range out.Items {
		if len(f.Of) > 0 {
			out.Items[i] = c.field(out.Items[i], f.Of[0], p.index(i))
		}
	}
	return out
}

// enum finds the spelling that is meant.
func (c *checker) enum(v Value, f *field, p place) Value {
	names := make([]string, 0, len(f.Vals))
	for _, x := range f.Vals {
		names = append(names, fmt.Sprint(x))
	}
	if v.Kind == cairn.TemplateString && !v.Time {
		if got := inCase(v.Text, f.Case); slices.Contains(names, got) {
			v.Text = got
			return v
		}
	}
	hint := ""
	if near := cairn.Nearest(v.Text, names); near != "" && v.Kind == cairn.TemplateString {
		hint = "did you mean " + near + "?"
	}
	c.fail(v.Pos, p, v, "pipeline.value", hint, "%s: %s; it has to be %s", c.name(p), shown(v), oneOf(names))
	return v
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	if len(names) > 12 {
		return "one of " + strings.Join(names[:12], ", ") + ", …"
	}
	return "one of " + strings.Join(names, ", ")
}

// inCase brings a name into the case of an enumeration.
func inCase(s, how string) string {
	switch how {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "snake":
		return snake(s)
	case "camel", "pascal":
		parts := strings.Split(s, "_")
		for i, part := range parts {
			if part != "" && (i > 0 || how == "pascal") {
				parts[i] = strings.ToUpper(part[:1]) + part[1:]
			}
		}
		return strings.Join(parts, "")
	}
	return s
}

// snake is the original's camel_to_snake.
func snake(s string) string {
	var b strings.Builder
	r := []rune(s)
	upper := func(i int) bool { return i >= 0 && i < len(r) && r[i] >= 'A' && r[i] <= 'Z' }
	lower := func(i int) bool {
		return i >= 0 && i < len(r) && (r[i] >= 'a' && r[i] <= 'z' || r[i] >= '0' && r[i] <= '9')
	}
	for i := range r {
		if upper(i) && i > 0 && r[i-1] != '_' && (lower(i-1) || lower(i+1)) {
			b.WriteByte('_')
		}
		b.WriteRune(r[i])
	}
	return strings.ToLower(b.String())
}

// want says in words what a field takes.
func (c *checker) want(f *field) string {
	switch f.T {
	case "String", "DumpableStringField", "VersionField":
		return "text"
	case "Integer", "DumpableIntegerField":
		return "a whole number"
	case "Float", "Number", "DumpableFloatField":
		return "a number"
	case "Boolean":
		return "true or false"
	case "dict", "nested":
		return "a map"
	case "list":
		return "a list"
	case "enum":
		names := make([]string, 0, len(f.Vals))
		for _, x := range f.Vals {
			names = append(names, fmt.Sprint(x))
		}
		return oneOf(names)
	case "ArmStr":
		return "azureml:NAME"
	case "ArmVersionedStr":
		if f.DefaultLabel {
			return "azureml:NAME, azureml:NAME:VERSION or azureml:NAME@LABEL"
		}
		return "azureml:NAME:VERSION or azureml:NAME@LABEL"
	case "RegistryStr", "InternalRegistryStr":
		return "azureml://registries/REGISTRY/…"
	case "LocalPathField":
		return "a path that is there"
	case "SerializeValidatedUrl", "Url":
		return "an address (https://…)"
	case "GitStr":
		return "git+https://…"
	case "DataBindingStr", "NodeBindingStr":
		return "a binding such as ${{parent.inputs.NAME}}"
	case "OutputBindingStr":
		return "${{parent.outputs.NAME}}"
	case "DateTime", "DateTimeStr":
		return "a time such as 2026-03-01T08:00:00"
	case "union":
		var parts []string
		for _, o := range f.Of {
			if w := c.want(o); w != "" && !slices.Contains(parts, w) {
				parts = append(parts, w)
			}
		}
		return strings.Join(parts, ", or ")
	}
	if strings.HasSuffix(f.T, "FileRefField") || f.T == "ComponentYamlRefField" {
		return "the path of a file"
	}
	return "something else"
}

// scalar checks one scalar.
func (c *checker) scalar(v Value, f *field, p place) Value {
	text := v.Kind == cairn.TemplateString && !v.Time
	switch f.T {
	case "String", "DumpableStringField", "ComponentNameStr", "NodeNameStr", "PythonFuncNameStr":
		if !text {
			hint := ""
			if v.Kind == cairn.TemplateNumber || v.Kind == cairn.TemplateBool || v.Time {
				hint = "put it in quotes"
			}
			c.fail(v.Pos, p, v, "pipeline.type", hint, "%s: %s; it has to be text", c.name(p), shown(v))
			return v
		}
		c.named(v, f, p)
	case "VersionField", "NumberVersionField":
		if !text && v.Kind != cairn.TemplateNumber && v.Kind != cairn.TemplateBool {
			c.wrong(v, p, "text or a number")
		}
	case "Integer", "DumpableIntegerField":
		if !wholeNumber(v, f.Strict) {
			c.wrong(v, p, "a whole number")
			return v
		}
	case "Float", "Number", "DumpableFloatField":
		if !anyNumber(v, f) {
			c.wrong(v, p, "a number")
			return v
		}
	case "Boolean":
		b, ok := boolean(v)
		if !ok {
			c.wrong(v, p, "true or false")
			return v
		}
		v.Bool = b
	case "ArmStr":
		if !text || !strings.HasPrefix(v.Text, "azureml:") {
			c.arm(v, f, p)
		}
	case "ArmVersionedStr":
		c.versioned(v, f, p)
	case "RegistryStr":
		if !text || !strings.HasPrefix(v.Text, "azureml://registries/") {
			c.wrong(v, p, c.want(f))
		}
	case "InternalRegistryStr":
		if !text || !strings.HasPrefix(v.Text, "azureml://feeds/") && !strings.HasPrefix(v.Text, "azureml://registries/") {
			c.wrong(v, p, c.want(f))
		}
	case "LocalPathField":
		c.localPath(v, f, p)
	case "SerializeValidatedUrl", "Url":
		if !text || !isURL(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "GitStr":
		if !text || !strings.HasPrefix(v.Text, "git+") {
			c.wrong(v, p, c.want(f))
		}
	case "DataBindingStr":
		if !text || !hasBinding(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "NodeBindingStr":
		if !text || !isBinding(v.Text) {
			c.wrong(v, p, "a binding such as ${{parent.jobs.NAME}}")
		}
	case "OutputBindingStr":
		if !text || !outputBinding.MatchString(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "DateTime", "DateTimeStr":
		if v.Kind != cairn.TemplateString || f.T == "DateTimeStr" && v.Time || f.T == "DateTime" && v.Time || !isoTime(v.Text) {
			if f.T == "DateTime" && v.Time && len(v.Raw) > len("2006-01-02") {
				return v // the YAML reader made a time of it already
			}
			c.wrong(v, p, c.want(f))
		}
	case "CreateJobFileRefField", "ImportDataFileRefField":
		c.file(v, p)
	default:
		if strings.HasSuffix(f.T, "FileRefField") || f.T == "ComponentYamlRefField" {
			c.componentFile(v, f, p)
			return v
		}
		c.fail(v.Pos, p, v, "pipeline.schema", "", "%s: a defect of Cairn: its schema names %q, which it does not know", c.name(p), f.T)
	}
	return c.bounds(v, f, p)
}

// bounds holds a value against patterns and ranges.
func (c *checker) bounds(v Value, f *field, p place) Value {
	if slices.Contains(f.Checks, "validate_arm_str") && !armID.MatchString(v.Text) {
		c.fail(v.Pos, p, v, "pipeline.reference", "", "%s: %s is no long id, /subscriptions/…/resourceGroups/…/providers/…", c.name(p), shown(v))
	}
	if f.Pattern != "" {
		if re := c.l.schemas.re(f.Pattern); re != nil && !re.MatchString(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.value", "", "%s: %s does not have the form %s", c.name(p), shown(v), f.Pattern)
		}
	}
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, v.Text) {
		hint := ""
		if near := cairn.Nearest(v.Text, f.OneOf); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.fail(v.Pos, p, v, "pipeline.value", hint, "%s: %s; it has to be %s", c.name(p), shown(v), oneOf(f.OneOf))
	}
	if len(f.Range) >= 2 {
		n := v.Num
		if v.Kind == cairn.TemplateString {
			n, _ = strconv.ParseFloat(v.Text, 64) // checked before
		}
		lo, hasLo := f.Range[0].(float64)
		hi, hasHi := f.Range[1].(float64)
		if hasLo && n < lo || hasHi && n > hi {
			c.fail(v.Pos, p, v, "pipeline.range", "", "%s: %s is out of range: %s", c.name(p), v.Raw, rangeText(lo, hasLo, hi, hasHi))
		}
	}
	if len(f.Length) >= 2 {
		n := float64(len(v.Items))
		if v.Kind == cairn.TemplateString {
			n = float64(len([]rune(v.Text)))
		}
		lo, hasLo := f.Length[0].(float64)
		hi, hasHi := f.Length[1].(float64)
		if hasLo && n < lo || hasHi && n > hi {
			c.fail(v.Pos, p, v, "pipeline.length", "", "%s: it has %v characters or items; allowed: %s", c.name(p), n, rangeText(lo, hasLo, hi, hasHi))
		}
	}
	return v
}

func rangeText(lo float64, hasLo bool, hi float64, hasHi bool) string {
	switch {
	case hasLo && hasHi:
		return fmt.Sprintf("%v to %v", lo, hi)
	case hasLo:
		return fmt.Sprintf("%v or more", lo)
	}
	return fmt.Sprintf("%v or less", hi)
}

// named holds the names of components and nodes against their patterns.
func (c *checker) named(v Value, f *field, p place) {
	switch f.T {
	case "ComponentNameStr", "PythonFuncNameStr":
		if !componentName.MatchString(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.name", "for example "+asName(v.Text), "%s: %s is no name of a component: small letters, digits and _, and a letter first", c.name(p), shown(v))
		}
	case "NodeNameStr":
		if !nodeName.MatchString(v.Text) || pythonWord(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.name", "for example "+asName(v.Text), "%s: %s is no name of a node: small letters, digits and _, and no digit first", c.name(p), shown(v))
		}
	}
}

// pythonWord is about names that Python keeps for itself: isidentifier lets them pass.
func pythonWord(string) bool { return false }

// asName makes a name out of a text, for hints.
func asName(s string) string {
	out := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, clip(s)), "_")
	if out == "" || out[0] >= '0' && out[0] <= '9' {
		out = "step_" + out
	}
	return out
}

// wholeNumber is what marshmallow's Integer takes.
func wholeNumber(v Value, strict bool) bool {
	switch v.Kind {
	case cairn.TemplateNumber:
		return v.Int || !strict && !math.IsNaN(v.Num) && !math.IsInf(v.Num, 0)
	case cairn.TemplateString:
		if strict || v.Time {
			return false
		}
		_, ok := pyInt(v.Text)
		return ok
	}
	return false
}

// pyInt reads an integer as Python's int() does.
func pyInt(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.ReplaceAll(s, "_", ""), "+"), 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// anyNumber is what marshmallow's Float and Number take.
func anyNumber(v Value, f *field) bool {
	switch v.Kind {
	case cairn.TemplateNumber:
		if f.T == "DumpableFloatField" && f.Strict && v.Int {
			return false
		}
		return f.T == "Number" || !math.IsNaN(v.Num) && !math.IsInf(v.Num, 0)
	case cairn.TemplateString:
		if f.Strict || v.Time {
			return false
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.ReplaceAll(v.Text, "_", "")), 64)
		return err == nil && (f.T == "Number" || !math.IsNaN(n) && !math.IsInf(n, 0))
	}
	return false
}

// boolean is what marshmallow's Boolean takes.
func boolean(v Value) (value, ok bool) {
	switch v.Kind {
	case cairn.TemplateBool:
		return v.Bool, true
	case cairn.TemplateNumber:
		return v.Num == 1, v.Num == 0 || v.Num == 1
	case cairn.TemplateString:
		switch v.Text {
		case "t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1":
			return true, !v.Time
		case "f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0":
			return false, !v.Time
		}
	}
	return false, false
}

func (c *checker) arm(v Value, f *field, p place) {
	hint := ""
	if v.Kind == cairn.TemplateString && v.Text != "" && !strings.ContainsAny(v.Text, " /\\") {
		hint = "write azureml:" + clip(v.Text)
	}
	c.fail(v.Pos, p, v, "pipeline.reference", hint, "%s: %s is no reference; it has to be %s", c.name(p), shown(v), c.want(f))
}

// versioned checks azureml:NAME:VERSION and its kin, as the original takes them apart.
func (c *checker) versioned(v Value, f *field, p place) {
	rest, ok := strings.CutPrefix(v.Text, "azureml:")
	if v.Kind != cairn.TemplateString || v.Time || !ok {
		c.arm(v, f, p)
		return
	}
	if armVersioned.MatchString(rest) || registryVersioned.MatchString(v.Text) || registryVersioned.MatchString(rest) {
		return
	}
	if rest == "" || strings.Contains(rest, "/") && rest[0] != '/' {
		c.fail(v.Pos, p, v, "pipeline.reference", "", "%s: %s is no reference; it has to be %s, or the long id that begins with azureml:/subscriptions/", c.name(p), shown(v), c.want(f))
		return
	}
	if strings.Contains(rest, "@") {
		return
	}
	name, version, has := strings.Cut(rest, ":")
	if has && version == "" || !has && !f.DefaultLabel || name == "" && !has {
		c.fail(v.Pos, p, v, "pipeline.reference", "write "+clip(strings.TrimSuffix(v.Text, ":"))+":1 or "+clip(strings.TrimSuffix(v.Text, ":"))+"@latest", "%s: %s says neither a version nor a label", c.name(p), shown(v))
	}
}

// localPath looks whether a path is there.
func (c *checker) localPath(v Value, f *field, p place) {
	if v.Kind != cairn.TemplateString || v.Time {
		c.wrong(v, p, c.want(f))
		return
	}
	dir, err := c.l.files.Stat(join(p.dir, v.Text))
	yes := func(b *bool) bool { return b == nil || *b }
	switch {
	case err != nil:
		hint := ""
		if !errors.Is(err, fs.ErrNotExist) {
			hint = err.Error()
		}
		c.fail(v.Pos, p, v, "pipeline.path", hint, "%s: there is no file or folder %q beside the file (looked for %s)", c.name(p), clip(v.Text), join(p.dir, v.Text))
	case dir && !yes(f.Dir):
		c.fail(v.Pos, p, v, "pipeline.path", "", "%s: %q is a folder; it has to be a file", c.name(p), clip(v.Text))
	case !dir && !yes(f.File):
		c.fail(v.Pos, p, v, "pipeline.path", "", "%s: %q is a file; it has to be a folder", c.name(p), clip(v.Text))
	}
}

// file looks whether a file is there.
func (c *checker) file(v Value, p place) {
	if v.Kind != cairn.TemplateString || v.Time || strings.HasPrefix(v.Text, "azureml:") {
		c.wrong(v, p, "the path of a file")
		return
	}
	name := strings.TrimPrefix(v.Text, "file:")
	if dir, err := c.l.files.Stat(join(p.dir, name)); err != nil || dir {
		c.fail(v.Pos, p, v, "pipeline.path", "", "%s: there is no file %q beside this one (looked for %s)", c.name(p), clip(name), join(p.dir, name))
	}
}

// join resolves a path of a file against the folder of that file.
func join(dir, name string) string {
	name = strings.ReplaceAll(name, "\\", "/")
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}
