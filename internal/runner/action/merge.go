package action

import (
	"context"
	"os"
	"path/filepath"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// merge is actions/upload-artifact/merge: several artifacts become one.
type merge struct{}

// deleter is a server that deletes artifacts of the job's run.
type deleter interface {
	DeleteArtifact(ctx context.Context, id int64) error
}

// Run does the step.
func (*merge) Run(ctx context.Context, c *runner.StepContext) error {
	u := &upload{major: 4}
	ask := uploadAsk{name: c.Input("name")}
	if ask.name == "" {
		ask.name = "merged-artifacts"
	}
	if err := checkName("name", ask.name, badInNames); err != nil {
		return err
	}
	pattern := c.Input("pattern")
	if pattern == "" {
		pattern = "*"
	}
	separate, err := boolInput(c, "separate-directories", false)
	if err != nil {
		return err
	}
	remove, err := boolInput(c, "delete-merged", false)
	if err != nil {
		return err
	}
	if ask.hidden, err = boolInput(c, "include-hidden-files", false); err != nil {
		return err
	}
	if ask.days, err = retention(c); err != nil {
		return err
	}
	all, err := c.Server.Artifacts(ctx, c.Spec.Run)
	if err != nil {
		return err
	}
	var take []cairn.Artifact
	for _, x := range newest(all) {
		if doublestar.MatchUnvalidated(pattern, x.Name) {
			take = append(take, x)
		}
	}
	if len(take) == 0 {
		return noFiles(c, "No artifacts were found with the provided pattern: "+pattern+".", "error")
	}
	dir, err := os.MkdirTemp(scratch(c), "merge-artifact")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for the artifacts: %w", err)
	}
	defer os.RemoveAll(dir)
	c.Logf("Preparing to download the following artifacts:")
	for _, x := range take {
		c.Logf("- %s (ID: %d, Size: %d)", x.Name, x.ID, x.Size)
		to := dir
		if separate {
			to = filepath.Join(dir, x.Name)
		}
		if err := bring(ctx, c, x, to); err != nil {
			return err
		}
	}
	found, err := findFiles(escapeGlob(dir), c.Dirs.Workspace, c.Dirs.Home, ask.hidden)
	if err != nil {
		return err
	}
	if len(found.Files) == 0 {
		return noFiles(c, "No files were found in the artifacts to merge.", "error")
	}
	rels, err := relativeTo(dir, found.Files)
	if err != nil {
		return err
	}
	if err := u.keep(ctx, c, ask, dir, rels); err != nil {
		return err
	}
	c.Logf("The %d artifact(s) have been successfully merged!", len(take))
	if !remove {
		return nil
	}
	d, ok := c.Server.(deleter)
	if !ok {
		return cairn.Errorf(cairn.CodeUnsupported, "this server deletes no artifacts")
	}
	for _, x := range take {
		if err := d.DeleteArtifact(ctx, x.ID); err != nil {
			return err
		}
	}
	c.Logf("The %d artifact(s) have been deleted", len(take))
	return nil
}

// bring writes an artifact into a folder and records that the job took it.
func bring(ctx context.Context, c *runner.StepContext, x cairn.Artifact, dir string) error {
	if x.Gone != "" || !x.ExpiresAt.IsZero() && c.Now().After(x.ExpiresAt) {
		return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d has expired on %s", x.Name, x.Run, x.ExpiresAt.Format("2006-01-02"))
	}
	if err := c.Server.DownloadTree(ctx, x.Digest, dir); err != nil {
		return err
	}
	return c.Server.UseArtifact(ctx, x.Ref())
}
