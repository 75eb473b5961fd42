package job

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Downloaded is what cairn job download wrote.
type Downloaded struct {
	Name  string `json:"name"` // of the output, or "artifacts"
	Job   string `json:"job"`  // path of the step; "" for the job itself
	Path  string `json:"path"` // where it was written
	Files int64  `json:"files"`
	Size  int64  `json:"size"`
}

// artifactsOutput is the output that every task has: its ./outputs, ./logs and its log.
const artifactsOutput = "artifacts"

// downloading is one cairn job download.
type downloading struct {
	k         *kit.Kit
	cl        *kit.Client
	dir       string // as it was typed
	done      []Downloaded
	artifacts map[cairn.RunID][]cairn.Artifact
}

func newDownload(k *kit.Kit) *cobra.Command {
	var output, dir string
	var all bool
	cmd := &cobra.Command{
		Use:   "download NAME[/STEP]",
		Short: "Write outputs, logs and artifacts of a job into a folder",
		Long: `Write what a job left into a folder: its ./outputs, ./logs and logs as artifacts/…, of a
pipeline as artifacts/STEP/…, and outputs as named-outputs/NAME/…

Without flags the artifacts, with --output-name one output, with --all everything. A step that
took earlier outputs gives those. A sweep gives what its best trial left. Files of the same
name are replaced.`,
		Example: `cairn job download green_ant_4k2m9x1pqz
cairn job download green_ant_4k2m9x1pqz --output-name model --download-path ./here
cairn job download green_ant_4k2m9x1pqz/train --all`,
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
	}
	cmd.Flags().StringVar(&output, "output-name", "", "only this `output`; artifacts for the artifacts")
	cmd.Flags().StringVarP(&dir, "download-path", "p", ".", "the `folder`")
	cmd.Flags().BoolVar(&all, "all", false, "all outputs, and the artifacts")
	out := k.JSONFlags(cmd, Downloaded{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "output-name", "all"); err != nil {
			return err
		}
		cl, n, v, err := find(c.Context(), k, args[0])
		if err != nil {
			return err
		}
		d := &downloading{k: k, cl: cl, dir: dir, artifacts: map[cairn.RunID][]cairn.Artifact{}}
		if err := d.get(c.Context(), n, v, output, all); err != nil {
			return err
		}
		if out.On() {
			return out.Write(d.done)
		}
		for _, w := range d.done {
			if _, err := fmt.Fprintf(k.Term.Out, "%s: %s, %s -> %s\n", term.Clean(strings.TrimPrefix(w.Job+"/"+w.Name, "/")), term.Count(w.Files, "file"), term.Size(w.Size), w.Path); err != nil {
				return err
			}
		}
		if len(d.done) == 0 {
			fmt.Fprintf(k.Term.Err, "%s left nothing to download\n", args[0])
		}
		return nil
	}
	return cmd
}

func (d *downloading) get(ctx context.Context, n *client.JobName, v *client.JobView, output string, all bool) error {
	jobs := leaves(jobsOf(v, n))
	outputs := map[string]string{}
	if n.Path == "" && v.Run.Submitted != nil {
		outputs = v.Run.Submitted.Outputs
	}
	if len(jobs) == 1 && (n.Path != "" || len(outputs) == 0) {
		outputs = jobs[0].Outputs
	}
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		if name != artifactsOutput {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	named := slices.Contains(names, output)
	if output != "" && !named && output != artifactsOutput && output != "default" {
		e := cairn.Errorf(cairn.CodeNotFound, "%s has no output %q", n.Name, term.Clean(output))
		if v.Run.Status != cairn.StatusCompleted {
			return e.WithHint("it is not done yet: cairn job stream %s", n.Name)
		}
		if len(names) == 0 {
			return e.WithHint("it has none; artifacts are there without --output-name")
		}
		return e.WithHint("there are: %s, artifacts", strings.Join(names, ", "))
	}
	for _, name := range names {
		if all || name == output {
			if err := d.output(ctx, name, outputs[name]); err != nil {
				return err
			}
		}
	}
	if output != "" && named {
		return nil
	}
	for i := range jobs {
		j := &jobs[i]
		below := ""
		if len(jobs) > 1 {
			below = j.Path
		}
		if err := d.left(ctx, j, below); err != nil {
			return err
		}
	}
	return nil
}

// leaves are the jobs whose artifacts are wanted: of a sweep the best trial alone.
func leaves(jobs []cairn.Job) []cairn.Job {
	best := map[string]bool{}
	for _, j := range jobs {
		if j.Task != nil && j.Task.Best {
			best[j.Node] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(jobs), func(j cairn.Job) bool {
		return j.Call || best[j.Node] && !j.Task.Best
	})
}

// output writes a named output: data as it is, a literal as a file of its name.
func (d *downloading) output(ctx context.Context, name, text string) error {
	to := path.Join("named-outputs", name)
	if list, ok := cairn.DecodeDataList(text); ok {
		for i, one := range list {
			if err := d.value(ctx, name, path.Join(to, fmt.Sprint(i)), one); err != nil {
				return err
			}
		}
		return nil
	}
	return d.value(ctx, name, to, text)
}

func (d *downloading) value(ctx context.Context, name, to, text string) error {
	v, ok := cairn.DecodeData(text)
	w := Downloaded{Name: name, Path: filepath.Join(d.dir, filepath.FromSlash(to)), Files: v.Files, Size: v.Size}
	if !filepath.IsLocal(filepath.FromSlash(to)) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no name of an output", term.Clean(name))
	}
	full := d.k.Path(w.Path)
	var err error
	switch {
	case !ok:
		w.Files, w.Size = 1, int64(len(text))
		err = d.write(full, path.Base(name), strings.NewReader(text))
	case v.Type == "folder":
		err = d.cl.DownloadTree(ctx, v.Digest, full)
	default:
		w.Files = 1
		base := path.Base(v.Name)
		if v.Name == "" {
			base = path.Base(name)
		}
		err = d.blob(ctx, v.Digest, full, base)
	}
	if err != nil {
		return err
	}
	d.done = append(d.done, w)
	return nil
}

// left writes what a job kept of its ./outputs, ./logs and its log. One that took
// earlier outputs has what that job kept.
func (d *downloading) left(ctx context.Context, j *cairn.Job, below string) error {
	if v, ok := cairn.DecodeData(j.Outputs[artifactsOutput]); ok && v.Type == "folder" {
		return d.folder(ctx, v.Digest, v.Files, v.Size, below)
	}
	// One that failed has no outputs; what it left is kept all the same.
	run, id := j.Run, j.ID
	if j.Task != nil && j.Task.From > 0 {
		run, id = j.Task.FromRun, j.Task.From
	}
	arts, read := d.artifacts[run]
	if !read {
		var err error
		if arts, err = d.cl.Artifacts(ctx, run); err != nil {
			return err
		}
		d.artifacts[run] = arts
	}
	for _, a := range arts {
		if a.Job != id || !strings.HasSuffix(a.Name, ".artifacts") || a.Gone != "" {
			continue
		}
		if err := d.folder(ctx, a.Digest, a.Files, a.Size, below); err != nil {
			return err
		}
	}
	return nil
}

// folder writes artifacts, those of a step into a folder of its path.
func (d *downloading) folder(ctx context.Context, digest cairn.Digest, files, size int64, below string) error {
	if below != "" && !filepath.IsLocal(filepath.FromSlash(below)) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no path of a step", term.Clean(below))
	}
	w := Downloaded{Name: artifactsOutput, Job: below, Path: filepath.Join(d.dir, "artifacts", filepath.FromSlash(below)), Files: files, Size: size}
	if err := d.cl.DownloadTree(ctx, digest, d.k.Path(w.Path)); err != nil {
		return err
	}
	d.done = append(d.done, w)
	return nil
}

func (d *downloading) blob(ctx context.Context, digest cairn.Digest, dir, name string) error {
	r, _, err := d.cl.GetBlob(ctx, digest)
	if err != nil {
		return err
	}
	defer r.Close()
	return d.write(dir, name, &checked{r: r, sum: sha256.New(), want: digest})
}

// checked reads bytes and ends with an error where they are not those of the digest.
type checked struct {
	r    io.Reader
	sum  hash.Hash
	want cairn.Digest
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := cairn.DigestOf(c.sum.Sum(nil)); got != c.want {
			return n, cairn.Errorf(cairn.CodeInternal, "%s arrived as %s", c.want, got).WithHint("cairn fsck checks what is stored")
		}
	}
	return n, err
}

// write makes a file whole, or not at all.
func (d *downloading) write(dir, name string, body io.Reader) error {
	if !filepath.IsLocal(name) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no name of a file", term.Clean(name))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
	}
	f, err := os.CreateTemp(dir, ".download-*")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: %w", dir, err)
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, body)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write into %s: %w", dir, err)
	}
	return nil
}
