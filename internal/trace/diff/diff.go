// Package diff says what differs between two releases, in the words of people:
// commits, model and metrics, data, packages, settings. Comparing is pure; the
// facts are gathered by [Gatherer].
package diff

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Facts are what is known of one side.
type Facts struct {
	Side     cairn.ReleaseSide
	Models   []Model
	Data     []Version
	Packages map[string]map[string]string // "image", "training" → package → version
	Config   []Setting
	// Staged says that Config has the settings of a stage: they are compared where
	// both sides have them.
	Staged bool
	Notes  []string // what is not known
}

// Model is a model version with what was measured of it.
type Model struct {
	Version
	Metrics []cairn.Metric
	Params  []cairn.Param
}

// Version is a version by name and digest.
type Version struct {
	Ref    cairn.Ref
	Digest cairn.Digest
}

// Setting is one setting of an image or a stage.
type Setting struct{ Where, Name, Value string }

// Compare says what differs from a to b, but for code and the files of data: what
// git and trees say of them comes from outside (see Gatherer).
func Compare(a, b Facts) *cairn.ReleaseDiff {
	d := &cairn.ReleaseDiff{From: a.Side, To: b.Side, Same: a.Side.Release == b.Side.Release}
	d.Models = models(a.Models, b.Models)
	d.Data = versions(a.Data, b.Data)
	for _, where := range []string{InImage, InTraining} {
		d.Packages = append(d.Packages, packages(where, a.Packages[where], b.Packages[where])...)
	}
	d.Config = settings(a.Config, b.Config, a.Staged && b.Staged)
	d.Notes = notes(a, b)
	return d
}

// Where packages are.
const (
	InImage    = "image"
	InTraining = "training"
	// InStage is where settings of a stage are.
	InStage = "stage"
)

func notes(a, b Facts) []string {
	var out []string
	for _, side := range []Facts{a, b} {
		for _, n := range side.Notes {
			if n = side.Side.Asked + ": " + n; !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// models pairs models by name, then what is left in order.
func models(a, b []Model) []cairn.ModelDiff {
	var out []cairn.ModelDiff
	for _, p := range pair(a, b, func(m Model) string { n, _ := m.Ref.NameVersion(); return m.Ref.Kind() + "/" + n }) {
		d := cairn.ModelDiff{}
		var from, to Model
		if p.a != nil {
			from, d.From = *p.a, p.a.Ref
		}
		if p.b != nil {
			to, d.To = *p.b, p.b.Ref
		}
		d.Same = from.Digest != "" && from.Digest == to.Digest
		if p.a != nil && p.b != nil {
			d.Metrics = values(metrics(from.Metrics), metrics(to.Metrics))
			d.Params = values(params(from.Params), params(to.Params))
		}
		out = append(out, d)
	}
	return out
}

func metrics(ms []cairn.Metric) map[string]string {
	out := map[string]string{}
	for _, m := range ms {
		out[m.Key] = "NaN"
		if !m.NaN {
			out[m.Key] = strconv.FormatFloat(m.Value, 'g', 6, 64)
		}
	}
	return out
}

func params(ps []cairn.Param) map[string]string {
	out := map[string]string{}
	for _, p := range ps {
		out[p.Key] = clip(p.Value, 100)
	}
	return out
}

// values lists what differs, by name, with the difference of numbers.
func values(a, b map[string]string) []cairn.ValueChange {
	var out []cairn.ValueChange
	for _, name := range keys(a, b) {
		if a[name] == b[name] {
			continue
		}
		out = append(out, cairn.ValueChange{Name: name, From: a[name], To: b[name], Delta: delta(a[name], b[name])})
	}
	return out
}

func delta(a, b string) string {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	d := y - x
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return ""
	}
	s := strconv.FormatFloat(d, 'g', 4, 64)
	if d > 0 {
		s = "+" + s
	}
	return s
}

func keys[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func versions(a, b []Version) []cairn.DataDiff {
	var out []cairn.DataDiff
	for _, p := range pair(a, b, func(v Version) string { n, _ := v.Ref.NameVersion(); return n }) {
		d := cairn.DataDiff{}
		var from, to Version
		if p.a != nil {
			from, d.From = *p.a, p.a.Ref
		}
		if p.b != nil {
			to, d.To = *p.b, p.b.Ref
		}
		d.Name, _ = cmp.Or(d.To, d.From).NameVersion()
		d.Same = from.Digest != "" && from.Digest == to.Digest
		out = append(out, d)
	}
	return out
}

type pairing[T any] struct{ a, b *T }

// pair brings together what has the same name; what is left over is paired in
// order, because a thing that was renamed still stands where it stood.
func pair[T any](a, b []T, name func(T) string) []pairing[T] {
	var out []pairing[T]
	used := make([]bool, len(b))
	var left []int
	for i := range a {
		j := slices.IndexFunc(b, func(x T) bool { return name(x) == name(a[i]) })
		for j >= 0 && used[j] {
			k := slices.IndexFunc(b[j+1:], func(x T) bool { return name(x) == name(a[i]) })
			if k < 0 {
				j = -1
				break
			}
			j += k + 1
		}
		if j < 0 {
			left = append(left, i)
			continue
		}
		used[j] = true
		out = append(out, pairing[T]{&a[i], &b[j]})
	}
	for j := range b {
		if used[j] {
			continue
		}
		p := pairing[T]{b: &b[j]}
		if len(left) > 0 {
			p.a, left = &a[left[0]], left[1:]
		}
		out = append(out, p)
	}
	for _, i := range left {
		out = append(out, pairing[T]{a: &a[i]})
	}
	return out
}

func packages(where string, a, b map[string]string) []cairn.PackageChange {
	if a == nil || b == nil {
		return nil // what is not known does not differ; a note says so
	}
	var out []cairn.PackageChange
	for _, name := range keys(a, b) {
		if a[name] != b[name] {
			out = append(out, cairn.PackageChange{Where: where, Name: name, From: a[name], To: b[name]})
		}
	}
	return out
}

var secretName = regexp.MustCompile(`(?i)(key|token|secret|passw|credential)`)

// settings lists what differs. Of values that are probably secret it tells only
// that they do.
func settings(a, b []Setting, staged bool) []cairn.ConfigChange {
	key := func(s Setting) string { return s.Where + "\x00" + s.Name }
	from := map[string]string{}
	for _, s := range a {
		from[key(s)] = s.Value
	}
	to := map[string]bool{}
	var out []cairn.ConfigChange
	for _, s := range b {
		to[key(s)] = true
		if old, there := from[key(s)]; !there || old != s.Value {
			out = append(out, cairn.ConfigChange{Where: s.Where, Name: s.Name, From: old, To: s.Value})
		}
	}
	for _, s := range a {
		if !to[key(s)] {
			out = append(out, cairn.ConfigChange{Where: s.Where, Name: s.Name, From: s.Value})
		}
	}
	out = slices.DeleteFunc(out, func(c cairn.ConfigChange) bool { return c.Where == InStage && !staged })
	for i, c := range out {
		kind, name, _ := strings.Cut(c.Name, " ")
		if kind != "env" && kind != "variable" || !secretName.MatchString(name) {
			continue
		}
		for _, v := range []*string{&out[i].From, &out[i].To} {
			if *v != "" {
				*v = "(hidden)"
			}
		}
	}
	slices.SortStableFunc(out, func(x, y cairn.ConfigChange) int {
		return cmp.Or(strings.Compare(x.Where, y.Where), strings.Compare(x.Name, y.Name))
	})
	return out
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// StageSettings are the settings of a stage as they are compared. Values of
// variables are shown: a stage's file is no place for secrets, which are kept
// elsewhere.
func StageSettings(c *cairn.StageConfig) []Setting {
	var out []Setting
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, Setting{InStage, name, clip(value, 200)})
		}
	}
	for _, v := range c.Variables {
		add("variable "+v.Name, v.Value)
	}
	add("command", strings.Join(c.Command, " "))
	add("port", strconv.Itoa(c.Port))
	add("health", c.Health)
	add("memory", strconv.FormatInt(c.Memory, 10))
	add("cpu", strconv.FormatFloat(c.CPU, 'g', -1, 64))
	add("start", strconv.FormatInt(int64(c.Start), 10))
	add("drain", strconv.FormatInt(int64(c.Drain), 10))
	if s := c.Smoke; s != nil {
		add("smoke", fmt.Sprintf("%s %s, status %d, contains %q, json %s", s.Method, s.Path, s.Status, s.Contains, s.JSON))
	}
	add("log", c.Log.Mode)
	return out
}
