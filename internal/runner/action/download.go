package action

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func downloadInputs() []string {
	return []string{"name", "artifact-ids", "path", "pattern", "merge-multiple", "github-token", "repository", "run-id", "digest-mismatch", "skip-decompress"}
}

// download is actions/download-artifact.
type download struct{ major int }

// Run does the step.
func (a *download) Run(ctx context.Context, c *runner.StepContext) error {
	dir := c.Dirs.Workspace
	switch p := c.Input("path"); {
	case p == "~" || strings.HasPrefix(p, "~/"):
		dir = filepath.Join(c.Dirs.Home, p[1:])
	case filepath.IsAbs(p):
		dir = filepath.Clean(p)
	default:
		dir = filepath.Join(dir, p)
	}
	merge, err := boolInput(c, "merge-multiple", false)
	if err != nil {
		return err
	}
	run := c.Spec.Run
	if v := c.Input("run-id"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			return cairn.Errorf(cairn.CodeInvalid, "input 'run-id' is %q", v).WithHint("a run's number, as cairn run list shows it")
		}
		run = cairn.RunID(n)
	}
	if r := c.Input("repository"); r != "" && !strings.EqualFold(r, c.Spec.Code.Repository) {
		return cairn.Errorf(cairn.CodeUnsupported, "repository %q is not this one (%s)", r, c.Spec.Code.Repository).
			WithHint("artifacts of other repositories cannot be taken for now")
	}
	all, err := c.Server.Artifacts(ctx, run)
	if err != nil {
		return err
	}
	all = newest(all)
	name, pattern, ids := c.Input("name"), c.Input("pattern"), c.Input("artifact-ids")
	if name != "" && ids != "" {
		return cairn.Errorf(cairn.CodeInvalid, "inputs 'name' and 'artifact-ids' cannot be used together")
	}
	var take []cairn.Artifact
	flat := merge
	switch {
	case name != "":
		i := slices.IndexFunc(all, func(x cairn.Artifact) bool { return x.Name == name })
		if i < 0 {
			return missingArtifact(run, name, all)
		}
		take, flat = all[i:i+1], true
	case ids != "":
		if take, err = byID(ids, all); err != nil {
			return err
		}
		flat = flat || a.major >= 5 && len(take) == 1
	default:
		for _, x := range all {
			if pattern == "" || doublestar.MatchUnvalidated(pattern, x.Name) {
				take = append(take, x)
			}
		}
		if len(take) == 0 {
			c.Warn("run %d has no artifact%s", run, map[bool]string{true: "", false: fmt.Sprintf(" that matches '%s'; there are: %s", pattern, names(all))}[pattern == ""])
		}
	}
	for _, x := range take {
		if now := c.Now(); !x.ExpiresAt.IsZero() && now.After(x.ExpiresAt) {
			return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d has expired on %s", x.Name, run, x.ExpiresAt.Format("2006-01-02"))
		}
		to := dir
		if !flat {
			to = filepath.Join(dir, x.Name)
		}
		if err := c.Server.DownloadTree(ctx, x.Digest, to); err != nil {
			return err
		}
		if err := c.Server.UseArtifact(ctx, cairn.ArtifactRef(x.Run, x.Attempt, x.Name)); err != nil {
			return err
		}
		c.Logf("Artifact %s of run %d: %d files, %d bytes, %s, into %s", x.Name, x.Run, x.Files, x.Size, x.Digest, to)
	}
	c.SetOutput("download-path", dir)
	return nil
}

// newest keeps the artifact of the newest attempt of each name, sorted by name.
func newest(all []cairn.Artifact) []cairn.Artifact {
	all = slices.Clone(all)
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
		i := slices.IndexFunc(all, func(x cairn.Artifact) bool {
			return strconv.FormatInt(artifactID(cairn.ArtifactRef(x.Run, x.Attempt, x.Name)), 10) == id
		})
		if i < 0 {
			return nil, cairn.Errorf(cairn.CodeNotFound, "no artifact of this run has the id %q", id)
		}
		out = append(out, all[i])
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
