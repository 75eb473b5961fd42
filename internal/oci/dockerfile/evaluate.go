package dockerfile

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// DefaultPath is the PATH of an image that sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// evaluation is one walk through a Dockerfile.
type evaluation struct {
	f      *File
	o      Options
	stages []instructions.Stage
	global *environ
	done   map[int]*Stage
	used   map[string]bool // build arguments that some ARG took
	bases  map[string]*Base
	plan   *Plan
	spent  int // bytes that variables became
}

func (e *evaluation) environ() *environ {
	env := newEnviron()
	env.spent = &e.spent
	return env
}

// Evaluate works out the target stage and those that it needs; others are not
// looked at.
func (f *File) Evaluate(ctx context.Context, o Options) (*Plan, error) {
	stages, meta, err := f.tree()
	if err != nil {
		return nil, err
	}
	if o.Platform, err = ParsePlatform(o.Platform); err != nil {
		return nil, err
	}
	if o.BuildPlatform == "" {
		o.BuildPlatform = o.Platform
	}
	e := &evaluation{f: f, o: o, stages: stages, done: map[int]*Stage{}, used: map[string]bool{}, bases: map[string]*Base{}, plan: &Plan{}}
	target, err := e.target()
	if err != nil {
		return nil, err
	}
	if err := e.globals(meta, target); err != nil {
		return nil, err
	}
	if e.plan.Target, err = e.stage(ctx, target); err != nil {
		return nil, err
	}
	e.unused()
	return e.plan, nil
}

// target finds the stage that is asked for.
func (e *evaluation) target() (int, error) {
	if e.o.Target == "" {
		return len(e.stages) - 1, nil
	}
	for i := len(e.stages) - 1; i >= 0; i-- {
		if n := e.stages[i].Name; n != "" && strings.EqualFold(n, e.o.Target) {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(e.o.Target); err == nil && n >= 0 && n < len(e.stages) {
		return n, nil
	}
	err := cairn.Errorf(cairn.CodeInvalid, "%s has no stage %q", e.f.name, clip(e.o.Target))
	names := e.names(len(e.stages))
	if near := cairn.Nearest(e.o.Target, names); near != "" {
		return 0, err.WithHint("did you mean %s?", near)
	}
	if len(names) == 0 {
		return 0, err.WithHint("no stage has a name; FROM image AS name gives one")
	}
	return 0, err.WithHint("stages are %s", strings.Join(names, ", "))
}

// names are those of the stages before one.
func (e *evaluation) names(before int) []string {
	var out []string
	for _, s := range e.stages[:before] {
		if s.Name != "" {
			out = append(out, s.Name)
		}
	}
	return out
}

// globals are the arguments that FROM lines see.
func (e *evaluation) globals(meta []instructions.ArgCommand, target int) error {
	e.global = e.environ()
	name := e.stages[target].Name
	if e.o.Target != "" {
		name = e.o.Target
	}
	if name == "" {
		name = "default"
	}
	bos, barch, bvariant := splitPlatform(e.o.BuildPlatform)
	tos, tarch, tvariant := splitPlatform(e.o.Platform)
	for _, kv := range [][2]string{
		{"BUILDPLATFORM", e.o.BuildPlatform}, {"BUILDOS", bos}, {"BUILDOSVERSION", ""}, {"BUILDARCH", barch}, {"BUILDVARIANT", bvariant},
		{"TARGETPLATFORM", e.o.Platform}, {"TARGETOS", tos}, {"TARGETOSVERSION", ""}, {"TARGETARCH", tarch}, {"TARGETVARIANT", tvariant},
		{"TARGETSTAGE", name},
	} {
		v := kv[1]
		if given, ok := e.o.Args[kv[0]]; ok {
			v, e.used[kv[0]] = given, true
		}
		e.global.set(kv[0], v)
	}
	for _, cmd := range meta {
		for _, kv := range cmd.Args {
			if v, ok := e.o.Args[kv.Key]; ok {
				e.used[kv.Key] = true
				e.global.set(kv.Key, v)
				continue
			}
			if kv.Value == nil {
				continue
			}
			v, err := e.global.expand(e.f.escapeRune(), *kv.Value)
			if err != nil {
				return e.at(err, firstLine(cmd.Location()), kv.Key)
			}
			e.global.set(kv.Key, v)
		}
	}
	return nil
}

// stage evaluates one stage, once; stages before it are evaluated as they are
// needed. Numbers only go down, so this ends.
func (e *evaluation) stage(ctx context.Context, index int) (*Stage, error) {
	if s, ok := e.done[index]; ok {
		return s, nil
	}
	st := &e.stages[index]
	s := &Stage{Index: index, Name: st.Name, Line: firstLine(st.Location), Platform: e.o.Platform, args: map[string]bool{}}
	if err := e.from(ctx, s, st); err != nil {
		return nil, err
	}
	triggers, err := e.triggers(s)
	if err != nil {
		return nil, err
	}
	for _, cmd := range append(triggers, st.Commands...) {
		if err := e.instruction(ctx, s, cmd); err != nil {
			return nil, err
		}
	}
	e.done[index] = s
	e.plan.Stages = append(e.plan.Stages, s)
	return s, nil
}

// from sets up what a stage stands on.
func (e *evaluation) from(ctx context.Context, s *Stage, st *instructions.Stage) error {
	name, err := e.global.expand(e.f.escapeRune(), st.BaseName)
	if err != nil {
		return e.at(err, s.Line, st.BaseName)
	}
	if name == "" {
		return e.f.errorf(s.Line, st.BaseName, "%s is empty here", st.BaseName).
			WithHint("an ARG that FROM uses stands before the first FROM and has a value: ARG BASE=python:3.11-slim")
	}
	s.BaseName = name
	if st.Platform != "" {
		p, err := e.global.expand(e.f.escapeRune(), st.Platform)
		if err == nil {
			s.Platform, err = ParsePlatform(p)
		}
		if err != nil {
			return e.at(err, s.Line, st.Platform)
		}
	}
	for j := s.Index - 1; j >= 0; j-- {
		if e.stages[j].Name == "" || !strings.EqualFold(e.stages[j].Name, name) {
			continue
		}
		if s.From, err = e.stage(ctx, j); err != nil {
			return err
		}
		s.Image, s.env, s.Platform = cloneImage(s.From.Image), s.From.env.clone(), s.From.Platform
		s.Image.Config.OnBuild = nil
		s.Meta = slices.Clone(s.From.Meta)
		for a := range s.From.args {
			s.args[a] = true
		}
		return nil
	}
	s.env = e.environ()
	if name == Scratch {
		s.Image = emptyImage(s.Platform)
	} else {
		if s.Base, err = e.base(ctx, name, s.Platform); err != nil {
			return e.baseError(err, s.Line, name, s.Index)
		}
		s.Image = cloneImage(s.Base.Config)
		s.Image.Created = nil
	}
	for _, kv := range s.Image.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		s.env.set(k, v)
	}
	if _, ok := s.env.get("PATH"); !ok {
		s.env.set("PATH", DefaultPath)
		s.Image.Config.Env = append(s.Image.Config.Env, "PATH="+DefaultPath)
	}
	return nil
}

func (e *evaluation) base(ctx context.Context, name, platform string) (*Base, error) {
	key := platform + " " + name
	if b, ok := e.bases[key]; ok {
		return b, nil
	}
	if e.o.Base == nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the image %s cannot be had: there is nowhere to look", clip(name))
	}
	b, err := e.o.Base(ctx, name, platform)
	if err != nil {
		return nil, err
	}
	e.bases[key] = b
	return b, nil
}

// baseError adds the place, and the stage that may have been meant.
func (e *evaluation) baseError(err error, line int, name string, before int) error {
	ce := cairn.AsError(err).At(e.f.at(line, name))
	if !strings.ContainsAny(name, ":/@") {
		if near := cairn.Nearest(name, e.names(before)); near != "" {
			hint := "did you mean the stage " + near + "?"
			if ce.Hint != "" {
				hint += " " + ce.Hint
			}
			return ce.WithHint("%s", hint)
		}
	}
	return ce
}

// triggers are the ONBUILD instructions of what the stage stands on.
func (e *evaluation) triggers(s *Stage) ([]instructions.Command, error) {
	lines := s.Image.Config.OnBuild
	if s.From != nil {
		lines = s.From.onBuild
	}
	s.Image.Config.OnBuild = nil
	var out []instructions.Command
	for _, l := range lines {
		bad := func(why string) error {
			return e.f.errorf(s.Line, s.BaseName, "%s has an ONBUILD line that cannot be used: %q: %s", clip(s.BaseName), clip(l), why).
				WithHint("use a base without it")
		}
		if len(l) > MaxSize {
			return nil, bad("it is too long")
		}
		res, err := parser.Parse(bytes.NewReader([]byte(l)))
		if err != nil {
			return nil, bad(clip(err.Error()))
		}
		if len(res.AST.Children) != 1 {
			return nil, bad("it is not one instruction")
		}
		n := res.AST.Children[0]
		n.StartLine, n.EndLine = s.Line, s.Line
		cmd, err := instructions.ParseCommand(n)
		if err != nil {
			return nil, bad(clip(err.Error()))
		}
		out = append(out, cmd)
	}
	return out, nil
}

// unused warns of build arguments that no ARG took.
func (e *evaluation) unused() {
	var names []string
	for k := range e.o.Args {
		if !e.used[k] && !proxyArg(k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	if len(names) > 0 {
		e.plan.Warnings = append(e.plan.Warnings, fmt.Sprintf("no ARG of the stages that were built takes these build arguments: %s", strings.Join(names, ", ")))
	}
}

// proxyArg reports whether docker knows the argument without an ARG line.
func proxyArg(k string) bool {
	switch strings.ToUpper(k) {
	case "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH":
		return true
	}
	return strings.HasPrefix(k, "BUILDKIT_")
}

// at gives an error the place of word in the instruction at line.
func (e *evaluation) at(err error, line int, word string) error {
	return cairn.AsError(err).At(e.f.at(line, word))
}

func firstLine(rs []parser.Range) int {
	if len(rs) == 0 {
		return 0
	}
	return rs[0].Start.Line
}
