// Package deploy puts releases on stages and decides on what waits for it: cairn
// deploy, approve, reject, rollback and stop.
package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn deploy.
func New(k *kit.Kit) *cobra.Command {
	var stage, name, release, comment string
	var wait time.Duration
	var detach bool
	cmd := &cobra.Command{
		Use:   "deploy [IMAGE]",
		Short: "Put an image or a release on a stage",
		Long: `Put an image, or a release of one, on a stage: it comes up beside what is live there, is asked
whether it is healthy, answers the smoke request, and then takes over. What fails on the way
changes nothing: what was live stays.

IMAGE is any reference: a name with a tag, a digest, a Docker image id. Without one it is the
image that the stage names in .cairn/stages.yml, else the newest that runs of the repository
made; in a job, the one that its run made. Rules of the stage hold: where somebody must approve,
the command waits. In a job whose environment is the stage they have been met already.
There the step gets the outputs url, release and deployment.`,
		Example: `cairn deploy ghcr.io/acme/api:main --to staging
cairn deploy --to production --release v1.2.3
cairn deploy --to production --detach`,
		Args:              kit.Args(0, 1, "IMAGE"),
		ValidArgsFunction: complete.First(k, complete.Images),
	}
	f := cmd.Flags()
	f.StringVar(&stage, "to", "", "the `stage`: an environment of the repository")
	f.StringVar(&name, "repo", "", "a stage of this repository, `owner/name` (default: the one that made the image)")
	f.StringVar(&release, "release", "", "a `release` that is there: r3, v1.2.3 or its id")
	f.DurationVar(&wait, "wait", 0, "how `long`, such as 10m, to wait at most, for an approval too (default: no limit)")
	f.BoolVarP(&detach, "detach", "d", false, "print the deployment and leave")
	f.StringVar(&comment, "comment", "", "a `sentence` that is kept with it")
	complete.Flag(k, cmd, "to", complete.Environments)
	complete.Flag(k, cmd, "release", complete.Releases)
	out := k.JSONFlags(cmd, cairn.Deployment{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if stage == "" {
			return cairn.Errorf(cairn.CodeInvalid, "the stage is missing").WithHint("name one: cairn deploy --to staging")
		}
		if err := kit.Exclusive(c, "detach", "wait"); err != nil {
			return err
		}
		if wait < 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--wait is %s; it is how long to wait", wait)
		}
		r := client.DeployRequest{Repository: name, Stage: stage, Release: release, Comment: comment}
		if len(args) > 0 {
			if r.Image = args[0]; release != "" {
				return cairn.Errorf(cairn.CodeInvalid, "an image and --release are given").WithHint("leave one of them out")
			}
		}
		if name == "" {
			r.Folder = folder(c.Context(), k)
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		d, err := cl.Deploy(c.Context(), r)
		if err != nil {
			return err
		}
		w := &watcher{k: k, cl: cl, d: d, quiet: out.On(), began: k.Now()}
		w.head(c.Context())
		if detach {
			return w.leave(out)
		}
		return w.watch(c.Context(), wait, out)
	}
	return cmd
}

// folder is the repository that the command is typed in, "" outside of one.
func folder(ctx context.Context, k *kit.Kit) string {
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return ""
	}
	return wt.Name
}

// repository is the one that a flag, the job or the folder means.
func repository(ctx context.Context, k *kit.Kit, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name := k.Env("GITHUB_REPOSITORY"); name != "" && k.Env("CAIRN_TOKEN") != "" {
		return name, nil
	}
	if name := folder(ctx, k); name != "" {
		return name, nil
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "this folder is in no git repository").WithHint("name one with --repo owner/name")
}

// named writes a release as people know it; its id where that cannot be found out.
func named(ctx context.Context, cl *kit.Client, d *cairn.Deployment) string {
	r, err := cl.Release(ctx, d.Repository, d.Release)
	if err != nil {
		return d.Release
	}
	return Release(r)
}

// Release writes a release as people know it: "r3 (v1.2.3) of api".
func Release(r *cairn.Release) string {
	s := fmt.Sprintf("r%d", r.Seq)
	if len(r.Tags) > 0 {
		s += " (" + term.Clean(r.Tags[len(r.Tags)-1]) + ")"
	}
	return s + " of " + term.Clean(r.Service)
}
