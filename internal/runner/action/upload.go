package action

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// upload is actions/upload-artifact. Version 1 takes one file or folder; versions up
// to 3 add to an artifact of the same name; from 4 on a name is taken once; from 7 on
// a single file may stay as it is.
type upload struct{ major int }

// replacer is a server that can put an artifact in the place of another of the
// same name; the older one stays known by its digest.
type replacer interface {
	ReplaceArtifact(ctx context.Context, a cairn.Artifact) (cairn.Artifact, error)
}

// uploadAsk is what a step asks for.
type uploadAsk struct {
	name              string
	overwrite, hidden bool
	raw               bool // one file, as it is
	days              int
}

// Run does the step.
func (a *upload) Run(ctx context.Context, c *runner.StepContext) error {
	ask, err := a.inputs(c)
	if err != nil {
		return err
	}
	found, err := a.find(c, ask)
	if err != nil {
		return err
	}
	if len(found.Files) == 0 {
		return noFiles(c, fmt.Sprintf("No files were found with the provided path: %s. No artifacts will be uploaded.", strings.Join(lines(c.Input("path")), ", ")), "warn")
	}
	rels, err := relativeTo(found.Root, found.Files)
	if err != nil {
		return err
	}
	for _, r := range rels {
		if err := checkName("path", r, `":<>|*?`+"\r\n"); err != nil {
			return err
		}
	}
	c.Logf("With the provided path, there will be %s uploaded", fileCount(len(rels)))
	if ask.raw {
		if len(rels) > 1 {
			return cairn.Errorf(cairn.CodeInvalid, "When 'archive' is set to false, only a single file can be uploaded. Found %d files to upload.", len(rels))
		}
		found.Root, ask.name = filepath.Dir(found.Files[0]), filepath.Base(found.Files[0])
		rels = []string{ask.name}
		if err := checkName("name", ask.name, badInNames); err != nil {
			return err
		}
	}
	return a.keep(ctx, c, ask, found.Root, rels)
}

const badInNames = `":<>|*?` + "\r\n\\/"

func fileCount(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

func (a *upload) inputs(c *runner.StepContext) (ask uploadAsk, err error) {
	if ask.name = c.Input("name"); ask.name == "" {
		if a.major == 1 {
			return ask, missingInput("name")
		}
		ask.name = "artifact"
	}
	if err := checkName("name", ask.name, badInNames); err != nil {
		return ask, err
	}
	if c.Input("path") == "" {
		return ask, missingInput("path")
	}
	// Versions 1 and 2 knew no difference.
	if ask.hidden, err = boolInput(c, "include-hidden-files", a.major < 3); err != nil {
		return ask, err
	}
	if ask.overwrite, err = boolInput(c, "overwrite", false); err != nil {
		return ask, err
	}
	if level, err := intInput(c, "compression-level", 6); err != nil || level > 9 {
		return ask, cairn.Errorf(cairn.CodeInvalid, "Invalid compression-level. Valid values are 0-9")
	}
	if a.major >= 7 {
		archive, err := boolInput(c, "archive", true)
		if err != nil {
			return ask, err
		}
		ask.raw = !archive
	}
	ask.days, err = retention(c)
	return ask, err
}

// find lists what is to be uploaded.
func (a *upload) find(c *runner.StepContext, ask uploadAsk) (search, error) {
	if err := checkShared(c, c.Input("path")); err != nil {
		return search{}, err
	}
	if a.major > 1 {
		return findFiles(c.Input("path"), c.Dirs.Workspace, c.Dirs.Home, ask.hidden)
	}
	path := c.Input("path")
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dirs.Workspace, path)
	}
	if _, err := os.Stat(path); err != nil {
		return search{}, cairn.Errorf(cairn.CodeNotFound, "Path does not exist %s", path)
	}
	return findFiles(escapeGlob(path), c.Dirs.Workspace, c.Dirs.Home, true)
}

// keep stores the files and records the artifact.
func (a *upload) keep(ctx context.Context, c *runner.StepContext, ask uploadAsk, root string, rels []string) error {
	earlier, err := earlierArtifact(ctx, c, ask.name)
	if err != nil {
		return err
	}
	if earlier != nil && !ask.overwrite && a.major >= 4 {
		return cairn.Errorf(cairn.CodeConflict, "an artifact named %q was made in this run already (%s): an artifact with this name already exists on the workflow run", ask.name, earlier.Digest.Short()).
			WithHint("give each job its own name (for a matrix: name: %s-${{ matrix.… }}), or overwrite: true", ask.name)
	}
	tree, size, n, err := a.send(ctx, c, root, rels, earlier)
	if err != nil {
		return err
	}
	art := cairn.Artifact{Run: c.Spec.Run, Attempt: c.Spec.Attempt, Job: c.Spec.Job, Name: ask.name, Digest: tree, Size: size, Files: n, CreatedAt: c.Now().UTC()}
	if ask.days > 0 {
		art.ExpiresAt = c.Now().UTC().Add(time.Duration(ask.days) * 24 * time.Hour)
	}
	if ask.raw {
		art.MediaType = mediaType(ask.name)
	}
	if art, err = record(ctx, c, art, earlier); err != nil {
		return err
	}
	c.SetOutput("artifact-id", fmt.Sprint(art.ID))
	digest := art.Digest
	if art.Archive != "" {
		digest = art.Archive
	}
	c.SetOutput("artifact-digest", digest.Hex())
	c.SetOutput("artifact-url", artifactURL(c, art))
	until := ""
	if !art.ExpiresAt.IsZero() {
		until = ", kept until " + art.ExpiresAt.Format(time.DateOnly)
	}
	c.Logf("Artifact %s (ID %d): %s, %d bytes, %s%s", ask.name, art.ID, fileCount(int(n)), size, tree, until)
	return nil
}

// record writes the artifact, in the place of the earlier one where there is one.
func record(ctx context.Context, c *runner.StepContext, art cairn.Artifact, earlier *cairn.Artifact) (cairn.Artifact, error) {
	if earlier == nil || earlier.Digest == art.Digest {
		return c.Server.CreateArtifact(ctx, art)
	}
	r, ok := c.Server.(replacer)
	if !ok {
		return art, cairn.Errorf(cairn.CodeUnsupported, "artifact %q exists with other content and this server cannot replace it", art.Name)
	}
	return r.ReplaceArtifact(ctx, art)
}

// artifactURL is where people see it: the page of its run.
func artifactURL(c *runner.StepContext, a cairn.Artifact) string {
	return fmt.Sprintf("%s/runs/%d#artifact-%d", c.Spec.BaseEnv["CAIRN_URL"], a.Run, a.ID)
}

// earlierArtifact finds an artifact of this name in this attempt of the run.
func earlierArtifact(ctx context.Context, c *runner.StepContext, name string) (*cairn.Artifact, error) {
	all, err := c.Server.Artifacts(ctx, c.Spec.Run)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.Name == name && x.Attempt == c.Spec.Attempt && x.Gone == "" {
			return &x, nil
		}
	}
	return nil, nil
}

// send uploads the files. Up to version 3 they are added to an artifact of the same
// name; links become the files that they point to.
func (a *upload) send(ctx context.Context, c *runner.StepContext, root string, rels []string, earlier *cairn.Artifact) (cairn.Digest, int64, int64, error) {
	merge := earlier != nil && a.major < 4
	links := false
	for _, r := range rels {
		links = links || throughLink(root, r)
	}
	if !merge && !links && !c.InContainer {
		return c.Server.UploadTree(ctx, root, rels)
	}
	dir, err := os.MkdirTemp(scratch(c), "artifact-")
	if err != nil {
		return "", 0, 0, cairn.Errorf(cairn.CodeFailed, "no folder for the artifact: %w", err)
	}
	defer os.RemoveAll(dir)
	if merge {
		if err := c.Server.DownloadTree(ctx, earlier.Digest, dir); err != nil {
			return "", 0, 0, err
		}
	}
	if err := stage(c, root, rels, dir); err != nil {
		return "", 0, 0, err
	}
	return c.Server.UploadTree(ctx, dir, nil)
}

// retention is how many days the step asks for; 0 where it leaves that to the
// repository. More than that allows is cut, with a warning.
func retention(c *runner.StepContext) (int, error) {
	days, err := intInput(c, "retention-days", 0)
	if err != nil {
		return 0, cairn.Errorf(cairn.CodeInvalid, "Invalid retention-days: %q", c.Input("retention-days")).WithHint("a whole number of days; 0 means as the repository says")
	}
	if most, err := intOf(c.Env["GITHUB_RETENTION_DAYS"]); err == nil && most > 0 && days > most {
		c.Warn("Retention days cannot be greater than the maximum allowed retention set within the repository. Using %d instead.", most)
		days = most
	}
	if days > 36500 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "retention-days is %d", days).WithHint("at most 36500")
	}
	return days, nil
}

// noFiles says that there is nothing to upload, as the step wants it.
func noFiles(c *runner.StepContext, msg, def string) error {
	v := c.Input("if-no-files-found")
	if v == "" {
		v = def
	}
	switch v {
	case "warn":
		c.Warn("%s", msg)
	case "ignore":
		c.Logf("%s", msg)
	case "error":
		return cairn.Errorf(cairn.CodeFailed, "%s", msg).WithHint("paths are relative to %s; hidden files need include-hidden-files: true", c.Dirs.Workspace)
	default:
		return cairn.Errorf(cairn.CodeInvalid, "Unrecognized if-no-files-found input. Provided: %s", v).WithHint("allowed are warn, error and ignore")
	}
	return nil
}

// checkName refuses characters that not every file system can hold.
func checkName(what, name, banned string) error {
	if i := strings.IndexAny(name, banned); i >= 0 {
		return cairn.Errorf(cairn.CodeInvalid, "The artifact %s is not valid: %s contains %q", what, filepath.ToSlash(name), name[i]).
			WithHint(`not allowed are " : < > | * ? and line ends, in names also \ and /`)
	}
	return nil
}
