package pipeline

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// named holds the names of components and nodes against their patterns.
func (c *checker) named(v Value, f *field, p place) {
	switch f.T {
	case "ComponentNameStr", "PythonFuncNameStr":
		if !componentName.MatchString(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.name", "for example "+asName(v.Text), "%s: %s is no name of a component: small letters, digits and _, and a letter first", c.name(p), shown(v))
		}
	case "NodeNameStr":
		if !nodeName.MatchString(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.name", "for example "+asName(v.Text), "%s: %s is no name of a node: small letters, digits and _, and no digit first", c.name(p), shown(v))
		}
	}
}

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

func (c *checker) arm(v Value, f *field, p place) {
	hint := ""
	if v.Kind == cairn.TemplateString {
		hint = referenceHint(v.Text)
	}
	c.fail(v.Pos, p, v, "pipeline.reference", hint, "%s: %s is no reference; it has to be %s", c.name(p), shown(v), c.want(f))
}

// referenceHint is for a name that was meant to be a reference.
func referenceHint(name string) string {
	if name == "" || strings.ContainsAny(name, " /\\") {
		return ""
	}
	return "write azureml:" + clip(name)
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
