// Package complete lists what the words of a command may be, for the shell's
// completion: from the server if one runs; none is started for it.
package complete

import (
	"context"
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Func is what cobra asks.
type Func = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// Source lists candidates, "WORD\tdescription" each; repository is the one that the
// command is typed in, "" outside of one.
type Source func(ctx context.Context, cl *kit.Client, repository string) []string

// First completes the first argument of a command, or the value of a flag.
func First(k *kit.Kit, sources ...Source) Func { return Words(k, 1, sources...) }

// Words completes the first n arguments.
func Words(k *kit.Kit, n int, sources ...Source) Func {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const how = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if len(args) >= n || k.Peek == nil {
			return nil, how
		}
		cl, err := k.Peek(c.Context())
		if err != nil {
			return nil, how
		}
		repository := ""
		if wt, err := repo.Find(c.Context(), k); err == nil {
			repository = wt.Name
		}
		var out []string
		for _, s := range sources {
			for _, w := range s(c.Context(), cl, repository) {
				if !slices.Contains(out, w) {
					out = append(out, w)
				}
			}
		}
		return out, how
	}
}

// Flag completes the value of a flag of a command.
func Flag(k *kit.Kit, cmd *cobra.Command, flag string, sources ...Source) {
	fn := Words(k, 1, sources...)
	// The only error is that of a flag which is not there: a mistake of this program,
	// which the test of all help texts would show.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return fn(c, nil, word)
	})
}

func word(w, about string) string { return term.Clean(w) + "\t" + term.Clean(about) }

// few is how many of what there may be thousands of are offered.
const few = 30

// Stages are the names of stages, with what is live on them.
func Stages(ctx context.Context, cl *kit.Client, repository string) []string {
	infos, _ := cl.Stages(ctx, repository)
	var out []string
	for _, s := range infos {
		about := s.Stage.Repository
		if s.Release != nil {
			about += fmt.Sprintf(", r%d is live", s.Release.Seq)
		}
		out = append(out, word(s.Stage.Name, about))
	}
	return out
}

// Environments are the stages that may be deployed to for the first time, too.
func Environments(ctx context.Context, cl *kit.Client, repository string) []string {
	out := Stages(ctx, cl, repository)
	envs, _ := cl.Environments(ctx, repository)
	for _, e := range envs {
		if !slices.ContainsFunc(out, func(w string) bool { return len(w) > len(e.Name) && w[:len(e.Name)+1] == e.Name+"\t" }) {
			out = append(out, word(e.Name, e.Repository))
		}
	}
	return out
}

// Releases are the numbers and tags of releases.
func Releases(ctx context.Context, cl *kit.Client, repository string) []string {
	rs, _ := cl.Releases(ctx, cairn.ReleaseFilter{Repository: repository, Limit: few})
	var out []string
	for _, r := range rs {
		about := r.Service
		if r.Commit != "" {
			about += ", commit " + r.Commit[:min(7, len(r.Commit))]
		}
		out = append(out, word(fmt.Sprintf("r%d", r.Seq), about))
		for _, t := range r.Tags {
			out = append(out, word(t, fmt.Sprintf("r%d of %s", r.Seq, r.Service)))
		}
	}
	return out
}

// Images are the names of images with their tags.
func Images(ctx context.Context, cl *kit.Client, _ string) []string {
	imgs, _ := cl.Images(ctx, cairn.ImageFilter{Limit: 200})
	var out []string
	for _, img := range imgs {
		for _, t := range img.Tags {
			out = append(out, word(t, img.Digest.Short()))
		}
	}
	return out
}

// Waiting is what a decision is asked for.
func Waiting(ctx context.Context, cl *kit.Client, _ string) []string {
	ps, _ := cl.PendingApprovals(ctx)
	var out []string
	for _, p := range ps {
		out = append(out, word(string(p.What), p.Environment+" of "+p.Repository+" "+p.Title))
	}
	return out
}

// Deployments are the last ones.
func Deployments(ctx context.Context, cl *kit.Client, repository string) []string {
	ds, _ := cl.Deployments(ctx, cairn.DeploymentFilter{Repository: repository, Limit: few})
	var out []string
	for _, d := range ds {
		out = append(out, word(string(d.Ref()), d.Stage+", "+string(d.Status)))
	}
	return out
}

// Predictions are the last answers.
func Predictions(ctx context.Context, cl *kit.Client, repository string) []string {
	ps, _ := cl.Predictions(ctx, cairn.PredictionFilter{Repository: repository, Limit: few})
	var out []string
	for _, p := range ps {
		out = append(out, word(string(p.ID), fmt.Sprintf("%s, %s %s, %d", p.Stage, p.Method, p.Path, p.Status)))
	}
	return out
}
