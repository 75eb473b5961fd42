// Package release is cairn release: what can be put on stages, and what is known
// of it.
package release

import (
	"context"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "release",
		Short: "Releases: an image with its model, its configuration and its commit",
		Example: `cairn release list
cairn release show r3
cairn release diff staging production
cairn release tag r3 v1.2.3
cairn release publish v1.2.3 --notes 'Better features'`,
	}, newList(k), newShow(k), newDiff(k), newTag(k), newPublish(k))
}

// folder is the repository that a flag, the job or the folder means; "" for all.
func folder(ctx context.Context, k *kit.Kit, flag string) string {
	if flag != "" {
		return flag
	}
	if name := k.Env("GITHUB_REPOSITORY"); name != "" && k.Env("CAIRN_TOKEN") != "" {
		return name
	}
	if wt, err := repo.Find(ctx, k); err == nil {
		return wt.Name
	}
	return ""
}

func newList(k *kit.Kit) *cobra.Command {
	var name, commit string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List releases, the newest first",
		Example: "cairn release list\ncairn release list --commit 4f2a91c\ncairn release list --all --json=id,tags,commit",
		Args:    kit.Args(0, 0),
	}
	f := cmd.Flags()
	f.StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.BoolVar(&all, "all", false, "of all repositories")
	f.StringVar(&commit, "commit", "", "of this `commit`, or a beginning of it")
	f.IntVarP(&limit, "limit", "n", 30, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.Release{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := kit.Exclusive(c, "repo", "all"); err != nil {
			return err
		}
		if limit < 1 || limit > 1000 {
			return cairn.Errorf(cairn.CodeInvalid, "--limit is %d; it may be 1 to 1000", limit)
		}
		filter := cairn.ReleaseFilter{Commit: commit, Limit: limit}
		if !all {
			filter.Repository = folder(c.Context(), k, name)
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		rs, err := cl.Releases(c.Context(), filter)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(rs)
		}
		if len(rs) == 0 {
			fmt.Fprintln(k.Term.Err, "no releases yet; one is made when an image is deployed: cairn deploy IMAGE --to STAGE")
			return nil
		}
		live, err := liveOn(c.Context(), cl, filter.Repository)
		if err != nil {
			return err
		}
		return list(k, rs, live)
	}
	return cmd
}

// liveOn maps releases to the stages that they are live on.
func liveOn(ctx context.Context, cl *kit.Client, repository string) (map[string][]string, error) {
	stages, err := cl.Stages(ctx, repository)
	out := map[string][]string{}
	for _, s := range stages {
		if s.Live != nil {
			out[s.Live.Release] = append(out[s.Live.Release], s.Stage.Name)
		}
	}
	return out, err
}

func list(k *kit.Kit, rs []cairn.Release, live map[string][]string) error {
	tb := k.Term.NewTable("RELEASE", "ID", "SERVICE", "TAGS", "MODEL", "COMMIT", "LIVE ON", "CREATED")
	for i := range rs {
		r := &rs[i]
		tb.Row(fmt.Sprintf("r%d", r.Seq), r.ID, term.Clean(r.Service), term.Clean(strings.Join(r.Tags, " ")), term.Clean(model(r)),
			commitOf(r), term.Clean(strings.Join(live[r.ID], " ")), term.Since(r.CreatedAt, k.Now()))
	}
	return tb.Write()
}

// model is the version that it packs.
func model(r *cairn.Release) string {
	if len(r.Packed) == 0 {
		return "-"
	}
	return string(r.Packed[0])
}

func commitOf(r *cairn.Release) string {
	if r.Commit == "" {
		return "-"
	}
	s := r.Commit[:min(len(r.Commit), 7)]
	if r.Dirty {
		s += " dirty"
	}
	return s
}

func newShow(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "show RELEASE",
		Short:   "Show one release and where it is or was",
		Example: "cairn release show r3\ncairn release show v1.2.3 --json=image,packed",
		Args:    kit.Args(1, 1, "RELEASE"),

		ValidArgsFunction: complete.First(k, complete.Releases),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	out := k.JSONFlags(cmd, cairn.Release{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.Release(c.Context(), folder(c.Context(), k, name), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(r)
		}
		ds, err := cl.Deployments(c.Context(), cairn.DeploymentFilter{Release: r.ID, Limit: 20})
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(k.Term.Out, show(k, r, ds))
		return err
	}
	return cmd
}

func show(k *kit.Kit, r *cairn.Release, ds []cairn.Deployment) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s  %s\n", name, term.Clean(value))
		}
	}
	line("release", fmt.Sprintf("r%d of %s", r.Seq, r.Service))
	line("id", r.ID)
	line("tags", strings.Join(r.Tags, " "))
	line("repository", r.Repository)
	line("image", string(r.Image))
	line("", r.Name)
	for i, p := range r.Packed {
		label := ""
		if i == 0 {
			label = "holds"
		}
		line(label, string(p))
	}
	if r.Commit != "" {
		line("commit", r.Commit+map[bool]string{true: " with uncommitted changes"}[r.Dirty])
	}
	if r.Run != 0 {
		line("made by", fmt.Sprintf("run/%d, job/%d", r.Run, r.Job))
	}
	line("created", r.CreatedAt.UTC().Format("2006-01-02 15:04:05Z")+" by "+r.By)
	for i, d := range ds {
		label := ""
		if i == 0 {
			label = "stages"
		}
		since := d.CreatedAt
		if !d.LiveAt.IsZero() {
			since = d.LiveAt
		}
		text := fmt.Sprintf("%s: %s, deployment %d, %s", d.Stage, d.Status, d.ID, term.Since(since, k.Now()))
		if d.Status == cairn.DeployLive {
			text += ", " + d.URL
		}
		line(label, text)
	}
	return b.String()
}

func newTag(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "tag RELEASE TAG",
		Short: "Give a release a further name, for good",
		Long: `Give a release a further name, such as v1.2.3. A tag never moves to another release. Tags of
images that are versions become tags of their releases by themselves.`,
		Example: "cairn release tag r3 v1.2.3",
		Args:    kit.Args(2, 2, "RELEASE", "TAG"),

		ValidArgsFunction: complete.First(k, complete.Releases),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	out := k.JSONFlags(cmd, cairn.Release{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.TagRelease(c.Context(), folder(c.Context(), k, name), args[0], args[1])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(r)
		}
		fmt.Fprintf(k.Term.Err, "r%d of %s (%s) is %s\n", r.Seq, term.Clean(r.Service), r.ID, term.Clean(args[1]))
		return nil
	}
	return cmd
}
