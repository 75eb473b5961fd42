// Package cache is cairn cache: what jobs keep for later runs.
package cache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn cache.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "cache",
		Short: "What jobs keep for later runs, with actions/cache",
		Long: `What jobs keep for later runs, with actions/cache. A cache belongs to the branch or tag whose
run made it; other branches find those of the default branch. It goes after a week without use,
or when its repository keeps more than 10 GiB: config.yaml may say otherwise.`,
		Example: "cairn cache list\ncairn cache delete --key pip-",
	}, newList(k), newShow(k), newDelete(k))
}

// filter are the flags that say which caches are meant.
type filter struct {
	cairn.CacheFilter
	everywhere bool
}

func (f *filter) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.Key, "key", "", "whose key begins with this `text`")
	fl.StringVar(&f.Scope, "ref", "", "of this `branch` or ref, such as main or refs/pull/7/merge")
	fl.StringVar(&f.Repository, "repo", "", "of this repository, `owner/name`")
}

// find reads the caches that are meant: of this repository, or of all where the
// command is typed outside of one.
func (f *filter) find(ctx context.Context, k *kit.Kit) (*kit.Client, []cairn.CacheEntry, error) {
	if f.Repository == "" && !f.everywhere {
		if wt, err := repo.Find(ctx, k); err == nil {
			f.Repository = wt.Name
		}
	}
	if f.Scope != "" && !strings.HasPrefix(f.Scope, "refs/") {
		f.Scope = "refs/heads/" + f.Scope
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, nil, err
	}
	es, err := cl.Caches(ctx, f.CacheFilter)
	return cl, es, err
}

func newList(k *kit.Kit) *cobra.Command {
	var f filter
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List caches, the last used first",
		Example: "cairn cache list\ncairn cache list --key pip- --ref main --json=id,key,size",
		Args:    kit.Args(0, 0),
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.everywhere, "all", false, "of all repositories")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 100, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.CacheEntry{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		_, es, err := f.find(c.Context(), k)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(es)
		}
		if len(es) == 0 {
			fmt.Fprintln(k.Term.Err, "no caches; a step with uses: actions/cache@v4 keeps one")
			return nil
		}
		tb := k.Term.NewTable("ID", "KEY", "REF", "SIZE", "REPOSITORY", "MADE", "USED")
		for _, e := range es {
			tb.Row(fmt.Sprint(e.ID), term.Clean(e.Key), term.Clean(strings.TrimPrefix(e.Scope, "refs/heads/")), term.Size(e.Size),
				term.Clean(e.Repository), term.Since(e.CreatedAt, k.Now()), term.Since(e.UsedAt, k.Now()))
		}
		return tb.Write()
	}
	return cmd
}

// one finds the single cache that an argument names: its number or its key.
func one(ctx context.Context, k *kit.Kit, f *filter, arg string) (*kit.Client, *cairn.CacheEntry, error) {
	f.Key, f.Exact = arg, true
	if id, err := strconv.ParseInt(arg, 10, 64); err == nil && id > 0 {
		f.CacheFilter = cairn.CacheFilter{ID: id}
		f.everywhere = true
	}
	cl, es, err := f.find(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	switch len(es) {
	case 0:
		return nil, nil, notFound(ctx, cl, f, arg)
	case 1:
		return cl, &es[0], nil
	}
	var ids []string
	for _, e := range es {
		ids = append(ids, fmt.Sprintf("%d (%s, %s)", e.ID, e.Scope, e.Version[:min(8, len(e.Version))]))
	}
	return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%d caches have the key %q: say which", len(es), term.Clean(arg)).
		WithHint("by number: %s", strings.Join(ids, ", "))
}

func notFound(ctx context.Context, cl *kit.Client, f *filter, arg string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no cache %q", term.Clean(arg))
	es, err := cl.Caches(ctx, cairn.CacheFilter{Repository: f.Repository})
	if err != nil {
		return e
	}
	var keys []string
	for _, x := range es {
		keys = append(keys, x.Key)
	}
	if near := cairn.Nearest(arg, keys); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("cairn cache list shows them")
}

func newShow(k *kit.Kit) *cobra.Command {
	var f filter
	cmd := &cobra.Command{
		Use:               "show ID|KEY",
		Short:             "Say where a cache comes from and when it was used",
		Example:           "cairn cache show 12\ncairn cache show pip-3.11-1f2e --ref main",
		Args:              kit.Args(1, 1, "ID|KEY"),
		ValidArgsFunction: complete.First(k, complete.Caches),
	}
	cmd.Flags().StringVar(&f.Scope, "ref", "", "of this `branch` or ref")
	cmd.Flags().StringVar(&f.Repository, "repo", "", "of this repository, `owner/name`")
	out := k.JSONFlags(cmd, cairn.CacheEntry{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		_, e, err := one(c.Context(), k, &f, args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(e)
		}
		for _, row := range [][2]string{
			{"cache", fmt.Sprint(e.ID)}, {"key", term.Clean(e.Key)}, {"ref", term.Clean(e.Scope)}, {"repository", term.Clean(e.Repository)},
			{"version", e.Version}, {"size", term.Size(e.Size)}, {"digest", string(e.Digest)},
			{"made by", fmt.Sprintf("%s of run %d, %s", cairn.JobRef(e.Job), e.Run, e.CreatedAt.UTC().Format(time.RFC3339))},
			{"last used", e.UsedAt.UTC().Format(time.RFC3339)},
		} {
			if _, err := fmt.Fprintf(k.Term.Out, "%-10s  %s\n", row[0], row[1]); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func newDelete(k *kit.Kit) *cobra.Command {
	var f filter
	var all bool
	cmd := &cobra.Command{
		Use:   "delete [ID|KEY]",
		Short: "Remove a cache, those of a key or ref, or all",
		Long: `Remove a cache by its number or key; with --key those whose key begins so, with --ref those of
a branch, with --all every one of the repository. Their bytes are given back within a few hours.`,
		Example:           "cairn cache delete 12\ncairn cache delete --key pip- --ref main\ncairn cache delete --all",
		Args:              kit.Args(0, 1, "ID|KEY"),
		ValidArgsFunction: complete.First(k, complete.Caches),
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every cache of the repository")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		if len(args) == 1 {
			if all || f.Key != "" {
				return cairn.Errorf(cairn.CodeInvalid, "a cache is named, and --key or --all besides").WithHint("leave one of them out")
			}
			cl, e, err := one(ctx, k, &f, args[0])
			if err != nil {
				return err
			}
			return remove(ctx, k, cl, []cairn.CacheEntry{*e})
		}
		if !all && f.Key == "" && f.Scope == "" {
			return cairn.Errorf(cairn.CodeInvalid, "it is not said which cache").WithHint("cairn cache delete ID, or with --key, --ref or --all")
		}
		f.Limit = 1000
		for {
			cl, es, err := f.find(ctx, k)
			if err != nil {
				return err
			}
			if f.Repository == "" {
				return cairn.Errorf(cairn.CodeInvalid, "this folder is in no git repository").WithHint("name one with --repo owner/name")
			}
			if err := remove(ctx, k, cl, es); err != nil || len(es) < f.Limit {
				return err
			}
		}
	}
	return cmd
}

func remove(ctx context.Context, k *kit.Kit, cl *kit.Client, es []cairn.CacheEntry) error {
	for _, e := range es {
		if err := cl.DeleteCache(ctx, e.ID); err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return err
		}
		fmt.Fprintf(k.Term.Err, "removed cache %d %s (%s, %s)\n", e.ID, term.Clean(e.Key), term.Clean(e.Scope), term.Size(e.Size))
	}
	if len(es) == 0 {
		fmt.Fprintln(k.Term.Err, "no cache is meant")
	}
	return nil
}
