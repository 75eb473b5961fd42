package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/stages"
)

// stagesFile reads .cairn/stages.yml of a tree or commit of a hosted repository;
// nil where there is none.
func (s *Server) stagesFile(ctx context.Context, repository, tree string) (*stages.File, []cairn.Problem, error) {
	src, err := s.host.ReadFile(ctx, repository, tree, stages.Path)
	switch cairn.CodeOf(err) {
	case "":
	case cairn.CodeNotFound:
		return nil, nil, nil
	case cairn.CodeTooLarge:
		return nil, []cairn.Problem{{Position: cairn.Position{File: stages.Path}, Severity: cairn.SeverityError,
			Code: "stages.too-large", Message: cairn.AsError(err).Message}}, nil
	default:
		return nil, nil, readable(err, repository)
	}
	f, problems := stages.Parse(stages.Path, src)
	return f, problems, nil
}

// filled reads the file with what its smoke requests send.
func (s *Server) filled(ctx context.Context, repository, tree string) (*stages.File, []cairn.Problem, error) {
	f, problems, err := s.stagesFile(ctx, repository, tree)
	if err != nil || f == nil || cairn.HasErrors(problems) {
		return f, problems, err
	}
	more, err := f.Fill(func(p string) ([]byte, error) { return s.host.ReadFile(ctx, repository, tree, p) })
	if err != nil {
		return nil, nil, readable(err, repository)
	}
	return f, append(problems, more...), nil
}

// stageRules makes the rules of the file those of the environments of that name,
// before a run of the code starts. Only clean code of the default branch changes
// rules that are there; any code may bring an environment that is not. A broken
// file refuses the run. The answer are sentences about what changed.
func (s *Server) stageRules(ctx context.Context, c *code) ([]string, error) {
	f, problems, err := s.filled(ctx, c.repo.Name, c.snap.TreeGit)
	if err != nil {
		return nil, err
	}
	if cairn.HasErrors(problems) {
		return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: stages.Path + " is not valid", Problems: problems}
	}
	if f == nil {
		return nil, nil
	}
	before, err := s.store.Environments(ctx, c.repo.Name)
	if err != nil {
		return nil, err
	}
	lead := c.snap.Ref == "refs/heads/"+c.repo.DefaultBranch && !c.snap.Dirty
	var notes []string
	for _, name := range f.Names() {
		config, _ := f.Stage(name)
		e := environmentOf(c.repo.Name, &config)
		e.File = f.Digest
		old := slices.IndexFunc(before, func(b cairn.Environment) bool { return strings.EqualFold(b.Name, name) })
		changed, err := s.store.PutFileEnvironment(ctx, e, lead, cairn.Change{By: auth.Actor(ctx).Name})
		if err != nil {
			return nil, err
		}
		switch {
		case changed && old >= 0 && !before[old].SameRules(&e):
			notes = append(notes, fmt.Sprintf("the rules of environment %s are now those of %s", name, stages.Path))
		case changed, old < 0, before[old].SameRules(&e):
		case before[old].From == cairn.EnvironmentFromHand:
			notes = append(notes, fmt.Sprintf("environment %s keeps the rules that were set by hand, not those of %s", name, stages.Path))
		case c.snap.Dirty:
			notes = append(notes, fmt.Sprintf("environment %s keeps its rules: %s counts once it is committed to %s", name, stages.Path, c.repo.DefaultBranch))
		default:
			notes = append(notes, fmt.Sprintf("environment %s keeps its rules: those of %s count on %s", name, stages.Path, c.repo.DefaultBranch))
		}
	}
	missing, err := s.missingReviewers(ctx, c.repo.Name)
	return append(notes, missing...), err
}

// missingReviewers names environments that could not be approved: too few of their
// reviewers are users.
func (s *Server) missingReviewers(ctx context.Context, repository string) ([]string, error) {
	es, err := s.store.Environments(ctx, repository)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, e := range es {
		there := 0
		var missing []string
		for _, name := range e.Reviewers {
			_, err := s.store.Principal(ctx, name)
			switch {
			case err == nil:
				there++
			case cairn.CodeOf(err) != cairn.CodeNotFound:
				return nil, err
			default:
				missing = append(missing, name)
			}
		}
		if there < cairn.Needed(e.Reviewers, e.Required) {
			who := "nobody"
			if there > 0 {
				who = "too few"
			}
			notes = append(notes, fmt.Sprintf("%s can approve environment %s yet: there is no user %s (cairn user create %s)",
				who, e.Name, strings.Join(missing, " or "), missing[0]))
		}
	}
	return notes, nil
}

// stageProblems are what is wrong with the file, for a look before a run.
func (s *Server) stageProblems(ctx context.Context, c *code) ([]cairn.Problem, error) {
	_, problems, err := s.filled(ctx, c.repo.Name, c.snap.TreeGit)
	return problems, err
}

func environmentOf(repository string, c *cairn.StageConfig) cairn.Environment {
	return cairn.Environment{
		Repository: repository, Name: c.Name, Reviewers: c.Rules.Reviewers, Required: c.Rules.Required, Wait: c.Rules.Wait.Duration(),
		Branches: c.Rules.Branches, Tags: c.Rules.Tags, AllowDirty: c.Rules.AllowDirty, NoSelfReview: c.Rules.NoSelfReview,
		Gate: c.Rules.Gate,
		From: cairn.EnvironmentFromFile, CreatedAt: time.Now().UTC(),
	}
}
