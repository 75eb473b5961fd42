package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// stageFile is .cairn/stages.yml as a revision has it; nil: there is none.
type stageFile struct {
	*stages.File
	revision string
}

func (f *stageFile) digest() cairn.Digest {
	if f == nil {
		return ""
	}
	return f.Digest
}

func (f *stageFile) service() string {
	if f == nil {
		return ""
	}
	return f.Service
}

// file reads .cairn/stages.yml of a commit or tree ("": of the default branch).
func (s *Service) file(ctx context.Context, repository, revision string) (*stageFile, error) {
	b, err := s.o.Code.ReadFile(ctx, repository, revision, stages.Path)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f, problems := stages.Parse(stages.Path, b)
	if cairn.HasErrors(problems) {
		return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: stages.Path + " of " + at(revision) + " cannot be used", Problems: problems}
	}
	return &stageFile{f, revision}, nil
}

// at names a revision for people.
func at(revision string) string {
	if revision == "" {
		return "the default branch"
	}
	return revision[:min(len(revision), 12)]
}

// revisionOf is where the code of an image lies: its commit; where that was
// changed, the tree that ran.
func (s *Service) revisionOf(ctx context.Context, run cairn.RunID, commit string, dirty bool) (string, error) {
	if !dirty || run == 0 {
		return commit, nil
	}
	r, err := s.o.Store.Run(ctx, run)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return commit, nil
	}
	return r.TreeGit, err
}

// config is what a revision says of a stage, with the sample of its smoke request
// and the rules that hold for it.
func (s *Service) config(ctx context.Context, repository, name string, f *stageFile) (cairn.StageConfig, error) {
	known, err := s.known(ctx, repository)
	if err != nil {
		return cairn.StageConfig{}, err
	}
	var c cairn.StageConfig
	ok := false
	if f != nil {
		c, ok = f.Stage(name)
	}
	if !ok {
		if err := unknownStage(repository, name, known, f); err != nil {
			return c, err
		}
		c = stages.Default(canonical(name, known))
		c.Service = f.service()
		return c, s.rules(ctx, repository, &c)
	}
	problems, err := f.Fill(func(path string) ([]byte, error) {
		return s.o.Code.ReadFile(ctx, repository, f.revision, path)
	}, name)
	if err != nil {
		return c, err
	}
	if cairn.HasErrors(problems) {
		return c, &cairn.Error{Code: cairn.CodeInvalid, Message: stages.Path + " of " + at(f.revision) + " cannot be used", Problems: problems}
	}
	c, _ = f.Stage(name)
	return c, s.rules(ctx, repository, &c)
}

// known are the stages that a repository has: its environments, and those that
// something was put on.
func (s *Service) known(ctx context.Context, repository string) ([]string, error) {
	var out []string
	add := func(name string) {
		if !slices.ContainsFunc(out, func(k string) bool { return strings.EqualFold(k, name) }) {
			out = append(out, name)
		}
	}
	envs, err := s.o.Store.Environments(ctx, repository)
	if err != nil {
		return nil, err
	}
	for _, e := range envs {
		add(e.Name)
	}
	rows, err := s.o.Store.Stages(ctx, repository)
	for _, st := range rows {
		add(st.Name)
	}
	return out, err
}

// canonical is how a name was first written.
func canonical(name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return name
}

// unknownStage refuses a stage that nobody spoke of before. Where no file says
// which there are, only a name that looks like a slip is refused.
func unknownStage(repository, name string, known []string, f *stageFile) error {
	if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
		return nil
	}
	usual := []string{"staging", "production"}
	if f != nil {
		known = append(known, f.Names()...)
		e := cairn.Errorf(cairn.CodeNotFound, "%s has no stage %q", repository, name)
		if near := cairn.Nearest(name, known); near != "" {
			return e.WithHint("did you mean %s?", near)
		}
		return e.WithHint("%s of %s has: %s", stages.Path, at(f.revision), strings.Join(f.Names(), ", "))
	}
	if slices.ContainsFunc(usual, func(u string) bool { return strings.EqualFold(u, name) }) {
		return nil
	}
	if near := cairn.Nearest(name, append(known, usual...)); near != "" {
		return cairn.Errorf(cairn.CodeNotFound, "%s has no stage %q", repository, name).
			WithHint("did you mean %s? If not, make it first: cairn environment set %s", near, name)
	}
	return nil
}

// checkStageName refuses what cannot be the name of an environment.
func checkStageName(name string) error {
	if name == "" || len(name) > 100 || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) || strings.ContainsAny(name, "'\"`,;\\/:") {
		return cairn.Errorf(cairn.CodeInvalid, "%q cannot be the name of a stage", clip(name, 100)).
			WithHint("1 to 100 characters without quotes, commas, semicolons, colons and slashes; for example staging")
	}
	return nil
}
