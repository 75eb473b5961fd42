package stages

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// File is .cairn/stages.yml, read.
type File struct {
	Path string
	// Digest is that of its bytes.
	Digest  cairn.Digest
	Service string // "": the repository's name
	stages  []*stage
}

// stage is one stage while it is read and after.
type stage struct {
	name   *yaml.Node
	config cairn.StageConfig
	sample sample
	after  *yaml.Node
	// required is where that rule stands: it is checked against the reviewers.
	required *yaml.Node
}

// Default is the configuration of a stage that no file speaks of.
func Default(name string) cairn.StageConfig {
	return cairn.StageConfig{
		Schema: 1, Name: name,
		Start: ms(60 * time.Second), Drain: ms(30 * time.Second), Warm: ms(day),
		Log: cairn.PredictionLog{Mode: "sync", MaxBody: 1 << 20, KeepFor: ms(30 * day), KeepSize: 1 << 30},
		// Production refuses uncommitted changes; nothing else is asked.
		Rules: cairn.StageRules{AllowDirty: !strings.EqualFold(name, "production")},
	}
}

func ms(d time.Duration) cairn.Milliseconds { return cairn.Milliseconds(d / time.Millisecond) }

// Parse reads a file. The result is never nil; with a problem of severity error
// it must not be used.
func Parse(path string, src []byte) (*File, []cairn.Problem) {
	f := &File{Path: path, Digest: cairn.SumBytes(src)}
	r, root := open(path, src)
	if root != nil {
		readMap(r, root, root, "the file", fileKeys(), f)
		f.checkAfter(r)
		f.checkRequired(r)
		for _, s := range f.stages {
			s.config.Service = f.Service
		}
	}
	return f, r.done()
}

// Names lists the stages in the order of the file.
func (f *File) Names() []string {
	var out []string
	for _, s := range f.stages {
		out = append(out, s.config.Name)
	}
	return out
}

// Stage returns one stage, found without case, with defaults filled in. Its
// smoke request has no file in it before Fill.
func (f *File) Stage(name string) (cairn.StageConfig, bool) {
	if s := f.find(name); s != nil {
		return s.copy(), true
	}
	return cairn.StageConfig{}, false
}

func (f *File) find(name string) *stage {
	for _, s := range f.stages {
		if strings.EqualFold(s.config.Name, name) {
			return s
		}
	}
	return nil
}

// copy gives the configuration away without what later calls of Fill change.
func (s *stage) copy() cairn.StageConfig {
	c := s.config
	if c.Smoke != nil {
		smoke := *c.Smoke
		c.Smoke = &smoke
	}
	return c
}

func readStages(r *reader, f *File, n *yaml.Node) {
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		r.fail("missing-key", n, "name one: staging: {}", "stages is empty")
		return
	}
	r.each(n, "stages", 50, func(k, v *yaml.Node) {
		name := k.Value
		if hint := nameHint(name); hint != "" {
			r.fail("stage-name", k, hint, "%s cannot be the name of a stage", quote(name))
			return
		}
		if old := f.find(name); old != nil {
			r.fail("duplicate-key", k, "names of stages are compared without case", "the stage %s is there already, as %s", quote(name), quote(old.config.Name))
			return
		}
		s := &stage{name: k, config: Default(name)}
		f.stages = append(f.stages, s)
		if isNull(v) {
			return // all defaults
		}
		readMap(r, v, k, "stage "+name, stageKeys(), s)
	})
}

// nameHint says what the name of a stage must be like, where it is not; "" where
// it is.
func nameHint(name string) string {
	switch {
	case strings.TrimSpace(name) != name || name == "" || len(name) > 100 ||
		strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "it is the name of the workflow's environment: 1 to 100 characters without spaces around them"
	case strings.ContainsAny(name, "'\"`,;\\/:${}"):
		return "environments have no quotes, commas, semicolons, colons, slashes or expressions in their names"
	}
	return ""
}

// checkRequired refuses rules that ask for more reviewers than there are.
func (f *File) checkRequired(r *reader) {
	for _, s := range f.stages {
		if have := len(s.config.Rules.Reviewers); s.required != nil && s.config.Rules.Required > have {
			r.fail("required", s.required, "name more reviewers, or ask for fewer", "stage %s: %d reviewers must approve, but there are %d",
				s.config.Name, s.config.Rules.Required, have)
		}
	}
}

// checkAfter checks that each `after` names another stage, and that none waits
// for itself in the end.
func (f *File) checkAfter(r *reader) {
	var ok []*stage
	for _, s := range f.stages {
		if s.after == nil {
			continue
		}
		name := s.after.Value
		before := f.find(name)
		switch {
		case before == nil:
			hint := "there are " + strings.Join(f.Names(), ", ")
			if near := cairn.Nearest(name, f.Names()); near != "" && near != s.config.Name {
				hint = "did you mean " + near + "?"
			}
			r.fail("after", s.after, hint, "after: there is no stage %s in this file", quote(name))
		case before == s:
			r.fail("after", s.after, "name the stage that comes before", "after: stage %s comes after itself", s.config.Name)
		default:
			s.config.Rules.After = before.config.Name
			ok = append(ok, s)
		}
	}
	for _, s := range ok {
		var way []string
		for at := s; at != nil && at.config.Rules.After != ""; at = f.find(at.config.Rules.After) {
			if slices.Contains(way, at.config.Name) {
				if at == s { // told at each stage of the circle, not at those that lead into it
					r.fail("after", s.after, "", "after: these stages wait for each other: %s", strings.Join(append(way, s.config.Name), " → "))
				}
				break
			}
			way = append(way, at.config.Name)
		}
	}
}
