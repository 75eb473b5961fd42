package action

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// download is actions/download-artifact. Version 1 wants a name, which is also the
// folder; versions 2 and 3 take one by name, or all into folders of their names; from
// 4 on there are patterns, ids and other runs; from 8 on a zip may stay one.
type download struct{ major int }

// runReader is a server that tells of runs.
type runReader interface {
	Run(ctx context.Context, id cairn.RunID) (*cairn.Run, error)
}

// Run does the step.
func (a *download) Run(ctx context.Context, c *runner.StepContext) error {
	dir, err := a.target(c)
	if err != nil {
		return err
	}
	run, err := a.run(ctx, c)
	if err != nil {
		return err
	}
	all, err := c.Server.Artifacts(ctx, run)
	if err != nil {
		return err
	}
	take, flat, err := a.choose(c, run, newest(all))
	if err != nil {
		return err
	}
	packed, err := a.eighth(c)
	if err != nil {
		return err
	}
	for _, x := range take {
		to := dir
		if !flat {
			to = filepath.Join(dir, x.Name)
		}
		at, done, err := writable(c, to)
		if err != nil {
			return err
		}
		if packed {
			err = bringPacked(ctx, c, x, at)
		} else {
			err = bring(ctx, c, x, at)
		}
		done()
		if err != nil {
			return err
		}
		c.Logf("Artifact %s of run %d: %s, %d bytes, %s, into %s", x.Name, x.Run, fileCount(int(x.Files)), x.Size, x.Digest, to)
	}
	if len(take) > 1 {
		c.Logf("Total of %d artifact(s) downloaded", len(take))
	}
	c.SetOutput("download-path", dir)
	return nil
}

// target is the folder that the step names.
func (a *download) target(c *runner.StepContext) (string, error) {
	p := c.Input("path")
	if a.major == 1 {
		if c.Input("name") == "" {
			return "", missingInput("name")
		}
		if p == "" {
			p = c.Input("name")
		}
	}
	switch {
	case p == "~" || strings.HasPrefix(p, "~/"):
		return filepath.Join(c.Dirs.Home, p[1:]), nil
	case filepath.IsAbs(p):
		return filepath.Clean(p), nil
	}
	return filepath.Join(c.Dirs.Workspace, p), nil
}

// run is whose artifacts are taken: another one's where the step names it. The job's
// own token will do; the original wants one in github-token for that.
func (a *download) run(ctx context.Context, c *runner.StepContext) (cairn.RunID, error) {
	run := c.Spec.Run
	if v := c.Input("run-id"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			return 0, cairn.Errorf(cairn.CodeInvalid, "input 'run-id' is %q", v).WithHint("a run's number, as cairn run list shows it")
		}
		run = cairn.RunID(n)
	}
	repo := c.Input("repository")
	if repo == "" {
		repo = c.Spec.Code.Repository
	} else if owner, name, ok := strings.Cut(repo, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return 0, cairn.Errorf(cairn.CodeInvalid, "Invalid repository: '%s'. Must be in format owner/repo", repo)
	}
	if run == c.Spec.Run {
		if !strings.EqualFold(repo, c.Spec.Code.Repository) {
			return 0, cairn.Errorf(cairn.CodeInvalid, "repository is %s, and run %d is this one, of %s", repo, run, c.Spec.Code.Repository).
				WithHint("name the run of the other repository with run-id")
		}
		return run, nil
	}
	r, ok := c.Server.(runReader)
	if !ok {
		return run, nil
	}
	other, err := r.Run(ctx, run)
	if err != nil {
		return 0, err
	}
	if !strings.EqualFold(other.Repository, repo) {
		return 0, cairn.Errorf(cairn.CodeNotFound, "run %d is not of %s but of %s", run, repo, other.Repository).
			WithHint("repository: %s", other.Repository)
	}
	return run, nil
}

// choose picks the artifacts; flat says that they go into the folder itself.
func (a *download) choose(c *runner.StepContext, run cairn.RunID, all []cairn.Artifact) (take []cairn.Artifact, flat bool, err error) {
	merge, err := boolInput(c, "merge-multiple", false)
	if err != nil {
		return nil, false, err
	}
	name, pattern, ids := c.Input("name"), c.Input("pattern"), c.Input("artifact-ids")
	switch {
	case name != "" && ids != "":
		return nil, false, cairn.Errorf(cairn.CodeInvalid, "Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.")
	case name != "":
		i := slices.IndexFunc(all, func(x cairn.Artifact) bool { return x.Name == name })
		if i < 0 {
			return nil, false, missingArtifact(run, name, all)
		}
		return all[i : i+1], true, nil
	case ids != "":
		take, err := byID(ids, all)
		return take, merge || a.major >= 5 && len(take) == 1, err
	}
	for _, x := range all {
		if x.Gone == "" && (pattern == "" || doublestar.MatchUnvalidated(pattern, x.Name)) {
			take = append(take, x)
		}
	}
	switch {
	case len(take) > 0:
	case a.major < 4:
		return nil, false, cairn.Errorf(cairn.CodeNotFound, "Unable to find any artifacts for the associated workflow")
	case pattern == "":
		c.Warn("run %d has no artifact", run)
	default:
		c.Warn("run %d has no artifact that matches '%s'; there are: %s", run, pattern, names(all))
	}
	return take, merge, nil
}

// newest keeps the artifact of the newest attempt of each name, sorted by name.
func newest(all []cairn.Artifact) []cairn.Artifact {
	all = slices.DeleteFunc(slices.Clone(all), func(x cairn.Artifact) bool { return x.Gone == cairn.ArtifactDeleted })
	slices.SortStableFunc(all, func(a, b cairn.Artifact) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return b.Attempt - a.Attempt
	})
	return slices.CompactFunc(all, func(a, b cairn.Artifact) bool { return a.Name == b.Name })
}

func byID(ids string, all []cairn.Artifact) ([]cairn.Artifact, error) {
	var out []cairn.Artifact
	for _, id := range strings.FieldsFunc(ids, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "Invalid artifact ID: '%s'. Must be a number.", id)
		}
		i := slices.IndexFunc(all, func(x cairn.Artifact) bool { return x.ID == n })
		if i < 0 {
			return nil, cairn.Errorf(cairn.CodeNotFound, "no artifact of this run has the id %q", id)
		}
		out = append(out, all[i])
	}
	if len(out) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "No valid artifact IDs provided in 'artifact-ids' input")
	}
	return out, nil
}

func names(all []cairn.Artifact) string {
	if len(all) == 0 {
		return "none"
	}
	var out []string
	for _, x := range all {
		out = append(out, x.Name)
	}
	return strings.Join(out, ", ")
}

func missingArtifact(run cairn.RunID, name string, all []cairn.Artifact) error {
	e := cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact named %q", run, name)
	var known []string
	for _, x := range all {
		known = append(known, x.Name)
	}
	if near := cairn.Nearest(name, known); near != "" {
		return e.WithHint("did you mean %q? There are: %s", near, names(all))
	}
	return e.WithHint("there are: %s", names(all))
}
