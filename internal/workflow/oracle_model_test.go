package workflow

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// modelDiff compares what a file became with what the package's converter makes
// of it; "" when both are the same.
func modelDiff(w *Workflow, raw json.RawMessage) string {
	var want struct {
		Env, Concurrency any
		Jobs             []map[string]any
		Events           map[string]any
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		return string(raw[:min(len(raw), 300)]) + err.Error()
	}
	if d := same("env", want.Env, pairs(w.Env)); d != "" {
		return d
	}
	if w.Concurrency != nil {
		if d := same("concurrency", want.Concurrency, concurrency(w.Concurrency)); d != "" {
			return d
		}
	}
	if len(want.Jobs) != len(w.Jobs) {
		return fmt.Sprintf("%d jobs, want %d", len(w.Jobs), len(want.Jobs))
	}
	for i := range w.Jobs {
		have := jobModel(&w.Jobs[i])
		for _, name := range []string{"id", "name", "needs", "if", "env", "strategy", "concurrency", "environment", "runsOn", "container", "services", "outputs", "uses", "with", "secrets", "inherit", "steps"} {
			if needs, ok := want.Jobs[i][name].([]any); ok && name == "needs" {
				want.Jobs[i][name] = slices.CompactFunc(needs, func(a, b any) bool { return a == b }) // we name each once
			}
			if d := same(w.Jobs[i].ID+"."+name, want.Jobs[i][name], have[name]); d != "" {
				return d
			}
		}
	}
	for _, e := range w.On {
		filters, _ := want.Events[e.Name].(map[string]any)
		for name, list := range map[string][]Text{
			"types": e.Types, "branches": e.Branches, "branches-ignore": e.BranchesIgnore, "tags": e.Tags, "tags-ignore": e.TagsIgnore,
			"paths": e.Paths, "paths-ignore": e.PathsIgnore, "workflows": e.Workflows,
		} {
			var texts []any
			for _, t := range list {
				texts = append(texts, t.Value)
			}
			if d := same("on."+e.Name+"."+name, filters[name], texts); d != "" {
				return d
			}
		}
	}
	return ""
}

// same compares after both went through JSON; nothing, null and an empty list
// are the same. Blanks in expressions do not count: in a block the package
// keeps the indentation of the file.
func same(name string, want, got any) string {
	want, got = plainJSON(want), plainJSON(got)
	if reflect.DeepEqual(want, got) {
		return ""
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	return fmt.Sprintf("%s\n want %s\n got  %s", name, a, b)
}

func plainJSON(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return tidy(out)
}

func tidy(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = tidy(v[i])
		}
	case map[string]any:
		for k, x := range v {
			if x = tidy(x); x == nil {
				delete(v, k)
				continue
			}
			if text, ok := x.(string); ok && k == "expr" {
				x = strings.Join(strings.Fields(text), "")
			}
			v[k] = x
		}
	}
	return v
}

// template is a value of the file, typed; text makes every scalar a text.
func template(t cairn.Template, text bool) any {
	switch t.Kind {
	case cairn.TemplateNull:
		if text {
			return ""
		}
	case cairn.TemplateBool:
		if text {
			return fmt.Sprint(t.Bool)
		}
		return t.Bool
	case cairn.TemplateNumber:
		if text {
			return expr.FormatNumber(t.Num)
		}
		return t.Num
	case cairn.TemplateString:
		return t.Text
	case cairn.TemplateExpr:
		return expression_(t.Text)
	case cairn.TemplateSeq:
		items := make([]any, len(t.Items))
		for i := range items {
			items[i] = template(t.Items[i], text)
		}
		return items
	case cairn.TemplateMap:
		items := make([]any, len(t.Pairs))
		for i, p := range t.Pairs {
			items[i] = []any{template(p.Key, true), template(p.Value, text)}
		}
		return items
	}
	return nil
}

func expression_(text string) any {
	segments, err := expr.Split(text)
	if err != nil {
		return text
	}
	if len(segments) == 1 && segments[0].IsExpr {
		return map[string]any{"expr": strings.TrimSpace(segments[0].Text)}
	}
	return map[string]any{"expr": formatCall(segments)}
}

func pairs(values []cairn.NamedValue) any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = []any{v.Name, template(v.Value, true)}
	}
	return out
}

func concurrency(c *Concurrency) any {
	if c == nil {
		return nil
	}
	m := map[string]any{"group": template(c.Group, true), "cancel-in-progress": template(c.CancelInProgress, false)}
	if c.Queue != "" {
		m["queue"] = c.Queue
	}
	return m
}

func condition(text string) any {
	switch node, err := expr.Parse(text); {
	case text == "":
		text = "success()"
	case err == nil && !expr.UsesStatusFunction(node):
		text = "success() && (" + text + ")"
	}
	return map[string]any{"expr": text}
}

func jobModel(j *Job) map[string]any {
	m := map[string]any{
		"id": j.ID, "name": template(j.Name, true), "if": condition(j.If.Text), "env": pairs(j.Env), "concurrency": concurrency(j.Concurrency),
		"runsOn": template(j.RunsOn, true), "container": template(j.Container, true), "services": template(j.Services, true), "outputs": pairs(j.Outputs),
		"with": template(namedMap(j.With), false), "secrets": template(namedMap(j.Secrets), false),
	}
	if name, ok := m["name"].(string); ok && name == "" || m["name"] == nil {
		m["name"] = j.ID
	}
	var needs, steps []any
	for _, n := range j.Needs {
		needs = append(needs, n.Value)
	}
	for i := 0; i < len(j.Steps); i++ {
		if s := &j.Steps[i]; s.Control == "" {
			steps = append(steps, stepModel(s))
		}
	}
	m["needs"], m["steps"] = needs, steps
	if j.Uses.Value != "" {
		m["uses"] = j.Uses.Value
	}
	if j.InheritSecrets {
		m["inherit"] = true
	}
	if j.Strategy != nil {
		m["strategy"] = map[string]any{
			"matrix": template(j.Strategy.Matrix, false), "fail-fast": template(j.Strategy.FailFast, false), "max-parallel": template(j.Strategy.MaxParallel, false),
		}
	}
	if j.Environment != nil {
		m["environment"] = map[string]any{"name": template(j.Environment.Name, true), "url": template(j.Environment.URL, true)}
	}
	return m
}

func namedMap(values []cairn.NamedValue) cairn.Template {
	t := cairn.Template{Kind: cairn.TemplateMap}
	for _, v := range values {
		t.Pairs = append(t.Pairs, cairn.TemplateField{Key: cairn.Str(v.Name), Value: v.Value})
	}
	return t
}

func stepModel(s *Step) any {
	m := map[string]any{"id": s.ID, "name": template(s.Name, true), "if": condition(s.If), "env": pairs(s.Env), "coe": template(s.ContinueOnError, false), "background": s.Background}
	if s.Uses != "" {
		m["uses"] = s.Uses
	} else {
		m["run"] = template(s.Run, true)
	}
	return m
}
