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

func uploadInputs() []string {
	return []string{"name", "path", "if-no-files-found", "retention-days", "compression-level", "overwrite", "include-hidden-files", "archive"}
}

const defaultRetentionDays = 90

// upload is actions/upload-artifact.
type upload struct{ major int }

// replacer is a server that can put an artifact in the place of another of the
// same name; the older one stays known by its digest.
type replacer interface {
	ReplaceArtifact(ctx context.Context, a cairn.Artifact) (cairn.Artifact, error)
}

// Run does the step.
func (a *upload) Run(ctx context.Context, c *runner.StepContext) error {
	name := c.Input("name")
	if name == "" {
		name = "artifact"
	}
	if err := checkName("name", name, `":<>|*?`+"\r\n\\/"); err != nil {
		return err
	}
	if c.Input("path") == "" {
		return cairn.Errorf(cairn.CodeInvalid, "Input required and not supplied: path")
	}
	hidden, err := boolInput(c, "include-hidden-files", false)
	if err != nil {
		return err
	}
	overwrite, err := boolInput(c, "overwrite", false)
	if err != nil {
		return err
	}
	if archive, err := boolInput(c, "archive", true); err != nil {
		return err
	} else if !archive {
		c.Logf("archive: false changes nothing here: files are kept as files")
	}
	days, err := retention(c)
	if err != nil {
		return err
	}
	found, err := findFiles(c.Input("path"), c.Dirs.Workspace, c.Dirs.Home, hidden)
	if err != nil {
		return err
	}
	if len(found.Files) == 0 {
		return noFiles(c)
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
	plural := ""
	if len(rels) != 1 {
		plural = "s"
	}
	c.Logf("With the provided path, there will be %d file%s uploaded", len(rels), plural)

	earlier, err := a.earlier(ctx, c, name)
	if err != nil {
		return err
	}
	if earlier != nil && !overwrite && a.major >= 4 {
		return cairn.Errorf(cairn.CodeConflict, "an artifact named %q was made in this run already (%s)", name, earlier.Digest.Short()).
			WithHint("give each job its own name (for a matrix: name: %s-${{ matrix.… }}), or overwrite: true", name)
	}
	root, size, files, err := a.send(ctx, c, found.Root, rels, earlier)
	if err != nil {
		return err
	}
	art := cairn.Artifact{Run: c.Spec.Run, Attempt: c.Spec.Attempt, Job: c.Spec.Job, Name: name, Digest: root, Size: size, Files: files,
		CreatedAt: c.Now().UTC(), ExpiresAt: c.Now().UTC().Add(time.Duration(days) * 24 * time.Hour)}
	if earlier == nil || earlier.Digest == root {
		art, err = c.Server.CreateArtifact(ctx, art)
	} else if r, ok := c.Server.(replacer); ok {
		art, err = r.ReplaceArtifact(ctx, art)
	} else {
		err = cairn.Errorf(cairn.CodeUnsupported, "artifact %q exists with other content and this server cannot replace it", name)
	}
	if err != nil {
		return err
	}
	ref := cairn.ArtifactRef(art.Run, art.Attempt, art.Name)
	c.SetOutput("artifact-id", fmt.Sprintf("%d", artifactID(ref)))
	c.SetOutput("artifact-digest", art.Digest.Hex())
	c.SetOutput("artifact-url", string(ref))
	c.Logf("Artifact %s: %d file%s, %d bytes, %s, kept %d days", name, files, plural, size, root, days)
	return nil
}

// earlier finds an artifact of this name in this attempt of the run.
func (a *upload) earlier(ctx context.Context, c *runner.StepContext, name string) (*cairn.Artifact, error) {
	all, err := c.Server.Artifacts(ctx, c.Spec.Run)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.Name == name && x.Attempt == c.Spec.Attempt {
			return &x, nil
		}
	}
	return nil, nil
}

// send uploads the files. Version 3 adds to an artifact of the same name; links
// become the files that they point to.
func (a *upload) send(ctx context.Context, c *runner.StepContext, root string, rels []string, earlier *cairn.Artifact) (cairn.Digest, int64, int64, error) {
	merge := earlier != nil && a.major < 4
	links := false
	for _, r := range rels {
		links = links || throughLink(root, r)
	}
	if !merge && !links {
		return c.Server.UploadTree(ctx, root, rels)
	}
	dir, err := os.MkdirTemp(c.Dirs.Temp, "artifact-")
	if err != nil {
		return "", 0, 0, cairn.Errorf(cairn.CodeFailed, "no folder for the artifact: %w", err)
	}
	defer os.RemoveAll(dir)
	if merge {
		if err := c.Server.DownloadTree(ctx, earlier.Digest, dir); err != nil {
			return "", 0, 0, err
		}
	}
	if err := stage(root, rels, dir); err != nil {
		return "", 0, 0, err
	}
	return c.Server.UploadTree(ctx, dir, nil)
}

func retention(c *runner.StepContext) (int, error) {
	days, err := intInput(c, "retention-days", 0)
	if err != nil {
		return 0, err
	}
	if days == 0 {
		return defaultRetentionDays, nil
	}
	if days > 36500 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "retention-days is %d", days).WithHint("at most 36500")
	}
	return days, nil
}

func noFiles(c *runner.StepContext) error {
	msg := fmt.Sprintf("No files were found with the provided path: %s. No artifacts will be uploaded.", strings.Join(lines(c.Input("path")), ", "))
	switch v := c.Input("if-no-files-found"); v {
	case "", "warn":
		c.Warn("%s", msg)
	case "ignore":
		c.Logf("%s", msg)
	case "error":
		return cairn.Errorf(cairn.CodeFailed, "%s", msg).WithHint("paths are relative to %s; hidden files need include-hidden-files: true", c.Dirs.Workspace)
	default:
		return cairn.Errorf(cairn.CodeInvalid, "input 'if-no-files-found' is %q", v).WithHint("allowed are warn, error and ignore")
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

// artifactID is a number for those who want one: artifacts here are named by
// run, attempt and name.
func artifactID(ref cairn.Ref) int64 {
	var n int64
	for _, b := range []byte(cairn.SumBytes([]byte(ref)).Hex()[:12]) {
		n = n<<4 | int64(strings.IndexByte("0123456789abcdef", b))
	}
	return n
}
