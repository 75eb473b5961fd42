package pipeline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mutator makes files that are nearly right out of right ones. The same seed makes the
// same files.
type mutator struct {
	state uint64
	// pool are keys of all examples, for keys that stand where they do not belong.
	pool []string
}

func (m *mutator) next(n int) int {
	if n <= 0 {
		return 0
	}
	m.state = m.state*6364136223846793005 + 1442695040888963407
	x := m.state ^ m.state>>29
	x *= 0xbf58476d1ce4e5b9
	return int((x ^ x>>32) % uint64(n))
}

func pick[T any](m *mutator, of []T) T { return of[m.next(len(of))] }

// spot is a value with the way to change it: entry i of the map or list in.
type spot struct {
	in   *yaml.Node
	i    int
	key  string
	path string
}

func (s spot) value() *yaml.Node   { return s.in.Content[s.i] }
func (s spot) set(n *yaml.Node)    { s.in.Content[s.i] = n }
func (s spot) ofMap() bool         { return s.in.Kind == yaml.MappingNode }
func plain(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text, Style: yaml.DoubleQuotedStyle, Tag: "!!str"}
}

// spots are all values below a node, maps all maps.
func spots(n *yaml.Node, path string) (all []spot, maps []*yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		maps = append(maps, n)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			at := strings.TrimPrefix(path+"."+key, ".")
			all = append(all, spot{n, i + 1, key, at})
			a, m := spots(n.Content[i+1], at)
			all, maps = append(all, a...), append(maps, m...)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			at := fmt.Sprintf("%s.%d", path, i)
			all = append(all, spot{n, i, "", at})
			a, m := spots(c, at)
			all, maps = append(all, a...), append(maps, m...)
		}
	}
	return all, maps
}

func parsed(src string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(src), &doc); err != nil {
		panic(err) // an example of ours
	}
	return doc.Content[0]
}

func printed(n *yaml.Node) string {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		panic(err)
	}
	return b.String()
}

// mutate changes a file in one to three places; the second result are edits of --set.
func (m *mutator) mutate(src string) (string, []string) {
	if m.next(12) == 0 {
		return m.text(src), nil
	}
	root := parsed(src)
	if m.next(25) == 0 {
		return printed(root), m.edits(root)
	}
	for range 1 + max(0, m.next(6)-3) {
		m.change(root)
	}
	return printed(root), nil
}

// odd are values that are of another type than most places take.
var odd = []string{"", "null", "~", "true", "no", "on", "0", "1", "3", "-1", "1.5", "1e3", "010", "0x1f", "1_000", ".inf", ".nan", "12:30:45", "2024-01-01",
	"2024-07-10T10:00:00", "word", "Two words", "'1'", "'1.5'", "'true'", "'maybe'", "''", "{}", "[]", "[1]", "[word]", "{a: b}", "{type: command}", "{1: x}", "999999999999", "'None'"}

var names = []string{"ok-name", "ok_name", "Capital", "1digit", "-dash", "dash-", "with space", "a.b", "ümlaut", "", "a/b", "x", "'12'", "latest", "path", "HOME", "_under", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}

var bindings = []string{"${{parent.inputs.nothing}}", "${{parent.jobs.nobody.outputs.x}}", "${{parent.jobs.split.outputs.nothing}}", "${{parent.jobs.prepare.outputs.train}}", "${{parent.outputs.nothing}}",
	"${{parent.outputs.model}}", "${{inputs.readings}}", "${{inputs.nothing}}", "${{jobs.split.outputs.train}}", "${{parent.inputs.readings}}", "${{ parent.inputs.readings }}", "${{parent.inputs}}", "${{parent.jobs.split}}",
	"${{parent.jobs.split.train}}", "${{name}}", "${{default_datastore}}", "${{}}", "${{", "${{ }}", "$[[ ${{inputs.x}} ]]", "pre_${{parent.inputs.share}}_post", "${{search_space.rate}}", "${{outputs.model}}", "{{parent.inputs.readings}}"}

var references = []string{"azureml:thing", "azureml:thing:1", "azureml:thing@latest", "azureml:thing@default", "azureml:", "azureml:thing:", "azureml::1", "thing:1", "thing", "azureml:a/b:1",
	"azureml://registries/harbour/environments/tools/versions/1", "azureml://registries/harbour/components/tools/labels/latest", "azureml://registries/harbour", "azureml://feeds/harbour/components/x/versions/1",
	"azureml://datastores/store/paths/a/b", "azureml://datastores/store", "azureml://jobs/j/outputs/o/paths/p", "azureml://nothing", "runs:/1/model", "https://example.com/x", "http://example", "wasbs://c@a.blob.core.example.net/x",
	"abfss://c@a.dfs.core.example.net/x", "git+https://git.example.com/x", "./nothing", "../files/src", "../files/src/train.py", "../files/environments/tide.yml", "file:../files/data/readings.csv", "../files/data/table", "/nowhere/at/all", ".", "..",
	"azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/environments/e/versions/1",
	"azureml:/subscriptions/s/resourcegroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c", "/subscriptions/s/resourceGroups/g", "local", "serverless", "azureml:local"}

var types = []string{"command", "pipeline", "sweep", "parallel", "spark", "automl", "import", "data_transfer", "if_else", "do_while", "parallel_for", "uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model",
	"string", "integer", "number", "boolean", "uri_folders", "Command", "choice", "uniform", "bandit", "pytorch", "mpi", "amlcompute", "kubernetes", "managed", "model", "cron", "recurrence", "user_identity", "azure_blob"}

// readOnly are keys that an export has and a file does not need.
var readOnly = []string{"id: azureml:/x/y", "status: Completed", "creation_context: {created_by: me, created_at: '2024-01-01T00:00:00'}", "provisioning_state: Succeeded", "resourceGroup: quay", "$schema: http://x/y.json", "schema: x",
	"services: {}", "latest_version: '1'", "is_default: false", "log_files: {}", "scoring_uri: http://x", "provisioning_errors: []", "hash_sha256: x", "name: again", "version: 4", "tags: {a: 1}", "tags: {a: x}", "description: text", "display_name: text"}

func fragment(text string) (key, value *yaml.Node) {
	n := parsed(text)
	return n.Content[0], n.Content[1]
}

func value(text string) *yaml.Node {
	if text == "" || strings.HasPrefix(text, "${{") || strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "$[[") {
		return quoted(text)
	}
	switch text[0] {
	case '{', '[', '\'':
		return parsed(text)
	}
	return plain(text)
}

// change makes one change in a tree.
func (m *mutator) change(root *yaml.Node) {
	all, maps := spots(root, "")
	if len(all) == 0 {
		return
	}
	s, in := pick(m, all), pick(m, maps)
	inMap := func() bool {
		for range 20 {
			if s.ofMap() {
				return true
			}
			s = pick(m, all)
		}
		return false
	}
	like := func(ok func(spot) bool) bool {
		var fit []spot
		for _, x := range all {
			if ok(x) {
				fit = append(fit, x)
			}
		}
		if len(fit) == 0 {
			return false
		}
		s = pick(m, fit)
		return true
	}
	put := func(n *yaml.Node, key, val *yaml.Node) { n.Content = append(n.Content, key, val) }
	switch m.next(22) {
	case 0, 1: // a key goes
		if inMap() {
			s.in.Content = slices.Delete(s.in.Content, s.i-1, s.i+1)
		} else {
			s.in.Content = slices.Delete(s.in.Content, s.i, s.i+1)
		}
	case 2, 3: // a key is misspelt
		if inMap() {
			k := *s.in.Content[s.i-1]
			k.Value = m.misspell(k.Value)
			s.in.Content[s.i-1] = &k
		}
	case 4, 5, 6: // a value of another type
		s.set(value(pick(m, odd)))
	case 7: // the case of a word
		if like(func(x spot) bool {
			v := x.value()
			return v.Kind == yaml.ScalarNode && v.Value != "" && !strings.ContainsAny(v.Value, " /:.")
		}) {
			s.set(plain(m.recase(s.value().Value)))
		}
	case 8: // numbers out of range, as text, with a fraction
		if like(func(x spot) bool { t := x.value().ShortTag(); return t == "!!int" || t == "!!float" }) {
			v := s.value().Value
			s.set(pick(m, []*yaml.Node{plain("-1"), plain("0"), plain("100000000"), plain(v + ".5"), quoted(v), quoted(" " + v + " "), plain(v + ".0"), plain("-" + v), quoted(v + "x"), plain("1001"), plain("1e3"), plain("1.0e+3")}))
		}
	case 9: // names and versions
		if like(func(x spot) bool {
			return x.key == "name" || x.key == "version" || x.key == "display_name" || x.key == "endpoint_name" || x.key == "experiment_name"
		}) {
			s.set(value(pick(m, append(slices.Clone(names), "1", "0.10", "1.10", "2024-01-01", "true", "null", "[1]"))))
		}
	case 10: // keys of inputs, outputs and nodes
		if like(func(x spot) bool {
			p := strings.Split(x.path, ".")
			return len(p) > 1 && slices.Contains([]string{"inputs", "outputs", "jobs", "search_space", "services"}, p[len(p)-2])
		}) && s.ofMap() {
			s.in.Content[s.i-1] = value(pick(m, append(slices.Clone(names), "a..b", "on", "1", "1.5", "null", "Job", "job-1")))
		}
	case 11, 12: // bindings
		if like(func(x spot) bool {
			return x.value().Kind == yaml.ScalarNode && (strings.Contains(x.value().Value, "${{") || strings.HasPrefix(x.path, "inputs") || strings.Contains(x.path, ".inputs.") || strings.Contains(x.path, "outputs"))
		}) {
			b := pick(m, bindings)
			if v := s.value().Value; strings.Contains(v, " ") && m.next(2) == 0 {
				b = v + " " + b
			}
			s.set(quoted(b))
		}
	case 13, 14: // references
		keys := []string{"path", "environment", "code", "component", "model", "compute", "trial", "job", "create_job", "conda_file", "default_compute", "default_datastore", "connection", "resource_id", "target", "datastore", "scoring_script", "entry_script", "image", "build", "data", "training_data"}
		if like(func(x spot) bool {
			return slices.Contains(keys, x.key) || strings.HasPrefix(x.value().Value, "azureml:")
		}) {
			s.set(value(pick(m, references)))
		}
	case 15: // a key moves to another map
		if inMap() && in != s.in {
			k, v := s.in.Content[s.i-1], s.value()
			s.in.Content = slices.Delete(s.in.Content, s.i-1, s.i+1)
			put(in, k, v)
		}
	case 16: // keys that are not known here
		if m.next(2) == 0 {
			put(in, plain(pick(m, m.pool)), value(pick(m, odd)))
		} else {
			put(in, plain("surprise"), plain("1"))
		}
	case 17: // keys of an export
		at := in
		if m.next(2) == 0 {
			at = root
		}
		k, v := fragment(pick(m, readOnly))
		put(at, k, v)
	case 18: // two values change places; a list where one thing stands, and the other way round
		if o := pick(m, all); m.next(2) == 0 && !within(s.value(), o.value()) && !within(o.value(), s.value()) {
			a, b := s.value(), o.value()
			s.set(b)
			o.set(a)
		} else if v := s.value(); v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
			s.set(v.Content[0])
		} else {
			s.set(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{v}})
		}
	case 19: // anchors and merge keys
		if like(func(x spot) bool { return x.value().Kind == yaml.MappingNode }) && !within(s.value(), in) && in.Anchor == "" && s.value().Anchor == "" {
			s.value().Anchor = "shared"
			alias := &yaml.Node{Kind: yaml.AliasNode, Value: "shared", Alias: s.value()}
			if m.next(2) == 0 {
				put(in, &yaml.Node{Kind: yaml.ScalarNode, Value: "<<", Tag: "!!merge"}, alias)
			} else if len(in.Content) > 1 {
				in.Content[1+2*m.next(len(in.Content)/2)] = alias
			}
		}
	case 20: // type
		if like(func(x spot) bool { return x.key == "type" || x.key == "mode" || x.key == "task" }) {
			s.set(value(pick(m, append(slices.Clone(types), "ro_mount", "rw_mount", "mount", "download", "upload", "direct", "eval_mount", "ReadOnlyMount", "null", "1"))))
		}
	case 21: // commands and texts
		if like(func(x spot) bool {
			return x.key == "command" || x.key == "args" || x.key == "program_arguments" || x.key == "expression" || x.key == "start_time" || x.key == "time_zone" || x.key == "condition" || x.key == "items" || x.key == "body" || x.key == "true_block" || x.key == "false_block"
		}) {
			s.set(value(pick(m, []string{"echo ${{inputs.nothing}}", "echo ${{outputs.nothing}}", "echo $[[${{inputs.readings}}]]", "echo ${{parent.inputs.readings}}", "* * * *", "61 * * * *", "2024-13-01T00:00:00", "2024-01-01", "'2024-01-01T00:00:00Z'",
				"Nowhere Standard Time", "Europe/Berlin", "${{parent.jobs.high}}", "${{parent.jobs.low}}", "${{parent.jobs.branch}}", "'[${{parent.jobs.high}}]'", "'[{\"level\": 1}]'", "'{\"a\": {\"level\": 1}}'", "'not json'", "[{level: 1}, {other: 2}]", "true", "false", "flood", "next"})))
		}
	}
}

func within(n, root *yaml.Node) bool {
	return n == root || slices.ContainsFunc(root.Content, func(c *yaml.Node) bool { return within(n, c) })
}

func (m *mutator) misspell(s string) string {
	if len(s) < 2 {
		return s + "x"
	}
	i := 1 + m.next(len(s)-1)
	switch m.next(6) {
	case 0:
		return s[:i] + s[i-1:]
	case 1:
		return s[:i-1] + s[i:]
	case 2:
		return strings.ToUpper(s[:1]) + s[1:]
	case 3:
		return strings.ReplaceAll(s, "_", "-")
	case 4:
		return s + "s"
	}
	return s[:i-1] + string(s[i]) + string(s[i-1]) + s[i+1:]
}

func (m *mutator) recase(s string) string {
	switch m.next(5) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToUpper(s[:1]) + s[1:]
	case 2:
		return strings.ReplaceAll(s, "_", "")
	case 3:
		parts := strings.Split(s, "_")
		for i := range parts {
			if parts[i] != "" {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
		}
		return strings.Join(parts, "")
	}
	return strings.ReplaceAll(s, "_", "-")
}

// text changes a file's text without looking at its tree.
func (m *mutator) text(src string) string {
	lines := strings.Split(strings.TrimSuffix(src, "\n"), "\n")
	i := m.next(len(lines))
	join := func(ls ...string) string { return strings.Join(ls, "\n") + "\n" }
	switch m.next(12) {
	case 0: // the file ends early
		return src[:m.next(len(src))]
	case 1: // tabs
		lines[i] = "\t" + lines[i]
	case 2: // a line twice: a key is given twice
		lines = slices.Insert(lines, i, lines[i])
	case 3:
		return join(lines...) + "---\n" + join(lines...)
	case 4:
		return strings.ReplaceAll(src, "\n", "\r\n")
	case 5:
		return "\ufeff" + src
	case 6:
		lines[i] += " # a remark: with {braces"
	case 7: // a line goes
		lines = slices.Delete(lines, i, i+1)
	case 8: // further in
		lines[i] = " " + lines[i]
	case 9: // quotes that do not end
		lines[i] += "\""
	case 10: // a key in place of a text: "yes: 1"
		lines = append(lines, pick(m, []string{"yes: 1", "1: 2", "? [a]\n: b", "null: 1", "2024-01-01: x", "\"type\": command", "- item", "!tag x: 1", "a: !!str 1", "a: !!python/object x", "%YAML 1.2"}))
	case 11:
		return pick(m, []string{"", "null\n", "[]\n", "{}\n", "text\n", "1\n", "# nothing\n", "- a\n", "type: command\n", "type: nothing\n", "name: x\n"})
	}
	return join(lines...)
}

// edits are one or two changes of --set.
func (m *mutator) edits(root *yaml.Node) []string {
	all, _ := spots(root, "")
	var out []string
	for range 1 + m.next(2) {
		s := pick(m, all)
		for strings.ContainsAny(s.path, "= $") {
			s = pick(m, all)
		}
		switch m.next(4) {
		case 0:
			out = append(out, s.path+"="+pick(m, []string{"5", "true", "word", "azureml:thing:1", "1.5", "null"}))
		case 1:
			out = append(out, "tags.new=1", "tags.newer=word")
		case 2:
			out = append(out, s.path+".deeper=word")
		case 3:
			out = append(out, "description=other", "surprise=1")
		}
	}
	return out
}
