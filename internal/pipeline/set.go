package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// overlay applies what flags give and what --set changes, before anything is checked.
func (l *loader) overlay(root Value, o Options) Value {
	for _, nv := range o.Values {
		v := Value{Kind: cairn.TemplateString, Text: nv.Value, Raw: nv.Value, Pos: cairn.Position{File: root.Pos.File}}
		root = put(root, []string{nv.Name}, v)
	}
	for _, set := range o.Set {
		name, text, ok := strings.Cut(set, "=")
		fail := func(hint, format string, args ...any) {
			l.report(cairn.Problem{Position: cairn.Position{File: root.Pos.File}, Severity: cairn.SeverityError, Code: "pipeline.set",
				Message: fmt.Sprintf("--set %s: ", clip(set)) + fmt.Sprintf(format, args...), Hint: hint, Path: name})
		}
		keys := strings.Split(name, ".")
		if !ok || name == "" || slices.Contains(keys, "") {
			fail("for example --set inputs.epochs=5", "it is not of the form key.key=value")
			continue
		}
		if len(keys) > maxDepth {
			fail("", "it names more than %d levels", maxDepth)
			continue
		}
		at, walked, bad := root, "", false
		for _, k := range keys[:len(keys)-1] {
			next, there := child(at, k)
			walked = strings.TrimPrefix(walked+"."+k, ".")
			if !there || next.Kind == cairn.TemplateNull {
				break
			}
			if next.Kind != cairn.TemplateMap && next.Kind != cairn.TemplateSeq {
				hint := ""
				if next.Kind == cairn.TemplateString && (strings.HasPrefix(next.Text, "azureml:") || strings.HasPrefix(next.Text, "file:") || strings.HasSuffix(next.Text, "ml")) {
					hint = "what it names is a file or an asset of its own: change it there"
				}
				fail(hint, "%s is %s, and has nothing below it", walked, shown(next))
				bad = true
				break
			}
			at = next
		}
		if bad {
			continue
		}
		v := plainScalar(Value{Kind: cairn.TemplateString, Text: text, Raw: text, Pos: cairn.Position{File: root.Pos.File}})
		if strings.HasPrefix(strings.TrimSpace(text), "{") || strings.HasPrefix(strings.TrimSpace(text), "[") {
			if parsed, ok := parseYAML(root.Pos.File, []byte(text), func(cairn.Problem) {}); ok {
				v = atFile(parsed, root.Pos.File)
			}
		}
		root = put(root, keys, v)
	}
	return root
}

func atFile(v Value, file string) Value { return at(v, cairn.Position{File: file}) }

func child(v Value, key string) (Value, bool) {
	if v.Kind == cairn.TemplateSeq {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v.Items) {
			return v.Items[i], true
		}
		return Value{}, false
	}
	return v.Field(key)
}

// put sets a key below a value, making what lacks on the way. The value itself stays.
func put(v Value, keys []string, x Value) Value {
	if len(keys) == 0 {
		return x
	}
	if v.Kind == cairn.TemplateSeq {
		if i, err := strconv.Atoi(keys[0]); err == nil && i >= 0 && i < len(v.Items) {
			v.Items = slices.Clone(v.Items)
			v.Items[i] = put(v.Items[i], keys[1:], x)
			return v
		}
	}
	if v.Kind != cairn.TemplateMap {
		v = Value{Kind: cairn.TemplateMap, Pos: x.Pos}
	}
	v.Pairs = slices.Clone(v.Pairs)
	for i, p := range v.Pairs {
		if p.Key.Value == keys[0] {
			v.Pairs[i].Value = put(p.Value, keys[1:], x)
			return v
		}
	}
	v.Pairs = append(v.Pairs, Pair{Text{Value: keys[0], Pos: x.Pos, Set: true}, put(Value{}, keys[1:], x)})
	return v
}
