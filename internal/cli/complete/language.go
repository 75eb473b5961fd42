package complete

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Runs are the numbers of the newest runs.
func Runs(ctx context.Context, cl *kit.Client, _ string) []string {
	runs, _ := cl.Runs(ctx, client.RunFilter{Limit: few})
	var out []string
	for _, r := range runs {
		out = append(out, word(strconv.FormatInt(int64(r.ID), 10), term.Word(r.Status, r.Conclusion)+" "+r.Title))
	}
	return out
}

// Artifacts completes RUN NAME: the runs first, then the artifacts of the one named.
func Artifacts(k *kit.Kit) Func {
	runs := First(k, Runs)
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return runs(c, args, typed)
		}
		names := func(ctx context.Context, cl *kit.Client, _ string) []string {
			id, err := strconv.ParseInt(strings.TrimPrefix(args[0], "run/"), 10, 64)
			if err != nil {
				return nil
			}
			arts, _ := cl.Artifacts(ctx, cairn.RunID(id))
			var out []string
			for _, a := range arts {
				out = append(out, word(a.Name, fmt.Sprintf("%d files, %s", a.Files, term.Size(a.Size))))
			}
			return out
		}
		return Words(k, 2, names)(c, args, typed)
	}
}

// Caches are the numbers of the caches of a repository, the last used first.
func Caches(ctx context.Context, cl *kit.Client, repository string) []string {
	es, _ := cl.Caches(ctx, cairn.CacheFilter{Repository: repository, Limit: few})
	var out []string
	for _, e := range es {
		out = append(out, word(strconv.FormatInt(e.ID, 10), e.Key))
	}
	return out
}

// Actions are the actions that are kept, with a version.
func Actions(ctx context.Context, cl *kit.Client, _ string) []string {
	as, _ := cl.Actions(ctx)
	var out []string
	for _, a := range as {
		for _, ref := range append(a.Refs, a.Commit) {
			out = append(out, word(a.Repository+"@"+ref, "from "+a.Source))
		}
	}
	return out
}

// Followed are the repositories that stay elsewhere.
func Followed(ctx context.Context, cl *kit.Client, _ string) []string {
	fs, _ := cl.Follows(ctx)
	var out []string
	for _, f := range fs {
		out = append(out, word(f.Repository, f.URL))
	}
	return out
}

// Pulls are the numbers of pull requests in a state: open, closed or all.
func Pulls(state string) Source {
	return func(ctx context.Context, cl *kit.Client, repository string) []string {
		ps, _ := cl.Pulls(ctx, repository, state, few)
		var out []string
		for _, p := range ps {
			out = append(out, word(strconv.FormatInt(p.Number, 10), p.Title))
		}
		return out
	}
}

// Users are the names of people.
func Users(ctx context.Context, cl *kit.Client, _ string) []string {
	us, _ := cl.Users(ctx)
	var out []string
	for _, u := range us {
		out = append(out, word(u.Name, string(u.Role)))
	}
	return out
}
