package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// keyVersion begins every key: what is hashed changes with it.
const keyVersion = "task/1"

// maxKeyValue bounds what a part keeps of a text; what is hashed is the whole of it.
const maxKeyValue = 300

// TaskKey names what a task would do: the same key makes the same outputs. Data counts by
// what it holds, never by its name, its place or its time.
func TaskKey(t *cairn.Task, values []cairn.TaskValue, trial json.RawMessage) (cairn.Digest, []cairn.KeyPart) {
	var parts []cairn.KeyPart
	var whole []string
	add := func(name, value string) {
		whole = append(whole, name+"\x00"+value)
		if len(value) > maxKeyValue {
			value = strings.ToValidUTF8(value[:maxKeyValue], "") + "… " + cairn.SumBytes([]byte(value)).Short()
		}
		parts = append(parts, cairn.KeyPart{Name: name, Value: value})
	}
	add("kind", string(t.Kind))
	if t.Code != nil {
		add("code", string(t.Code.Digest))
	}
	for i := range t.Includes {
		add("includes."+t.Includes[i].Name, string(t.Includes[i].Digest))
	}
	if d := t.Environment.Digest; d != "" {
		add("environment", string(d))
	}
	if p := t.Environment.Python; p != "" {
		add("environment.python", p)
	}
	if t.Environment.Docker {
		add("environment.docker", "true")
	}
	if !t.Command.IsZero() {
		add("command", t.Command.Text)
	}
	for _, v := range sortedNamed(t.Variables) {
		add("variables."+v.Name, v.Value.Text)
	}
	for _, v := range slices.SortedFunc(slices.Values(values), func(a, b cairn.TaskValue) int { return strings.Compare(a.Name, b.Name) }) {
		add("inputs."+v.Name, inputKey(v))
	}
	for i := range t.Inputs {
		if m := t.Inputs[i].Mode; m != "" && !t.Inputs[i].Literal() {
			add("modes."+t.Inputs[i].Name, m)
		}
	}
	for _, o := range slices.SortedFunc(slices.Values(t.Outputs), func(a, b cairn.TaskOutput) int { return strings.Compare(a.Name, b.Name) }) {
		value := o.Type
		if r := o.Register; r != nil {
			value += " as " + string(r.Kind) + "/" + r.Name + ":" + r.Version
		}
		if o.Path != "" {
			value += " at " + o.Path
		}
		add("outputs."+o.Name, value)
	}
	if t.Spread != nil {
		b, _ := json.Marshal(t.Spread) // plain fields always encode
		add("settings.distribution", string(b))
	}
	if t.Batches != nil {
		b, _ := json.Marshal(t.Batches) // plain fields always encode
		add("settings.batches", string(b))
	}
	for _, s := range slices.SortedFunc(slices.Values(t.Settings), func(a, b cairn.Setting) int { return strings.Compare(a.Name, b.Name) }) {
		add("settings."+s.Name, s.Value)
	}
	if len(trial) > 0 {
		add("trial", string(trial))
	}
	return cairn.SumBytes([]byte(keyVersion + "\x00" + strings.Join(whole, "\x01"))), parts
}

func sortedNamed(vs []cairn.NamedValue) []cairn.NamedValue {
	return slices.SortedFunc(slices.Values(vs), func(a, b cairn.NamedValue) int { return strings.Compare(a.Name, b.Name) })
}

// inputKey is an input as it counts: a file's name is part of what a script sees.
func inputKey(v cairn.TaskValue) string {
	one := func(d *cairn.DataValue) string {
		s := d.Type + " " + string(d.Digest)
		if d.Type == "file" && d.Name != "" {
			s += " " + d.Name
		}
		return s
	}
	switch {
	case v.Data != nil:
		return one(v.Data)
	case v.List != nil:
		all := make([]string, len(v.List))
		for i := range v.List {
			all[i] = one(&v.List[i])
		}
		return strings.Join(all, ", ")
	}
	return v.Text
}
