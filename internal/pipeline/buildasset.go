package pipeline

import (
	"strconv"

	"github.com/cairn-ml/cairn"
	"go.yaml.in/yaml/v3"
)

// asset reads data, a model or an environment.
func (b *builder) asset(v Value, dir string) *Asset {
	a := &Asset{
		Kind: b.doc.Kind, Name: text(v, "name"), Version: text(v, "version"), Description: text(v, "description"), Tags: b.named(v, "tags", ""),
		Properties: b.named(v, "properties", ""), Type: text(v, "type").Value, Stage: text(v, "stage"), OS: text(v, "os_type").Value, Pos: v.Pos,
	}
	a.Flavors, _ = v.Field("flavors")
	switch a.Kind {
	case KindData:
		if a.Type == "" {
			a.Type = "uri_folder"
		}
	case KindModel:
		if a.Type == "" {
			a.Type = "custom_model"
		}
	case KindEnvironment:
		a.Environment = b.environmentOf(v, dir, "")
		a.Environment.Name = a.Name
		b.checkEnvironment(a.Environment, v)
		return a
	}
	if x, ok := v.Field("path"); ok && x.Given() {
		a.Path = b.reference(x, dir, string(a.Kind), "path")
	}
	return a
}

// rest notes down what the other kinds name: their files and assets.
func (b *builder) rest(v Value, dir string) {
	uses := map[string]string{"code": "code", "environment": "environment", "model": "model", "path": "data", "conda_file": "conda"}
	var walk func(v Value, at string)
	walk = func(v Value, at string) {
		for _, p := range v.Pairs {
			here := sub(at, p.Key.Value)
			if use, ok := uses[p.Key.Value]; ok && p.Value.Kind == cairn.TemplateString && p.Value.Text != "" && !hasBinding(p.Value.Text) {
				if _, foreign := ParseReference(p.Value.Text, use); foreign || b.isThere(join(dir, p.Value.Text)) {
					b.reference(p.Value, dir, use, here)
				}
				continue
			}
			walk(p.Value, here)
		}
		for i, item := range v.Items {
			walk(item, sub(at, strconv.Itoa(i)))
		}
	}
	walk(v, "")
}

func (b *builder) isThere(name string) bool {
	_, err := b.l.files.Stat(name)
	return err == nil
}

// toYAML writes a value that stands in a file as YAML of its own.
func toYAML(v Value) string {
	out, err := yaml.Marshal(yamlNode(v))
	if err != nil {
		return "" // plain nodes always encode
	}
	return string(out)
}

func yamlNode(v Value) *yaml.Node {
	switch v.Kind {
	case cairn.TemplateSeq:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, i := range v.Items {
			n.Content = append(n.Content, yamlNode(i))
		}
		return n
	case cairn.TemplateMap:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, p := range v.Pairs {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.Key.Value}, yamlNode(p.Value))
		}
		return n
	case cairn.TemplateString:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.Text}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.Raw}
}
