package asset

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// held answers an error for an artifact whose bytes are not kept any more.
func held(a *cairn.Artifact) error {
	if a.Gone == "" {
		return nil
	}
	return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d is %s: its files are not kept any more", a.Name, a.Run, a.Gone).
		WithHint("cairn trace %s still tells where it came from", a.Ref())
}

// matching keeps the artifacts whose name matches a pattern; "" means all.
func matching(arts []cairn.Artifact, pattern string) ([]cairn.Artifact, error) {
	if pattern == "" {
		return arts, nil
	}
	if !doublestar.ValidatePattern(pattern) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a pattern", term.Clean(pattern)).WithHint("such as 'model-*'")
	}
	return slices.DeleteFunc(arts, func(a cairn.Artifact) bool { return !doublestar.MatchUnvalidated(pattern, a.Name) }), nil
}

// several finds the newest artifact of each name that a pattern means and that is
// still kept.
func several(ctx context.Context, k *kit.Kit, run, pattern string) (*kit.Client, []cairn.Artifact, error) {
	id, err := runArg(run)
	if err != nil {
		return nil, nil, err
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := artifactsOf(ctx, cl, id)
	if err != nil {
		return nil, nil, err
	}
	arts, err := matching(slices.Clone(all), pattern)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	var out []cairn.Artifact
	for _, a := range arts { // newest attempt first
		if !seen[a.Name] && a.Gone == "" {
			out = append(out, a)
		}
		seen[a.Name] = true
	}
	if len(out) == 0 {
		e := cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact that matches %q", id, term.Clean(pattern))
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		if len(names) > 0 {
			return nil, nil, e.WithHint("there are: %s", strings.Join(names, ", "))
		}
		return nil, nil, e
	}
	return cl, out, nil
}

func artifactDownload(k *kit.Kit) *cobra.Command {
	var to, pattern string
	var force, merge bool
	cmd := &cobra.Command{
		Use:   "download RUN [NAME]",
		Short: "Write an artifact's files into a folder",
		Long: `Write an artifact's files into a folder. The name need not be given where the run has one
artifact; of several attempts the newest is taken. With --pattern all that match are written,
each into a folder of its name, or with --merge into one.`,
		Example:           "cairn artifact download 42\ncairn artifact download 42 model --to ./model\ncairn artifact download 42 --pattern 'model-*' --merge --to ./all",
		Args:              kit.Args(1, 2, "RUN", "NAME"),
		ValidArgsFunction: complete.Artifacts(k),
	}
	cmd.Flags().StringVar(&to, "to", "", "the `folder` (default: one of the artifact's name)")
	cmd.Flags().StringVar(&pattern, "pattern", "", "all whose name matches this `pattern`, such as 'model-*'")
	cmd.Flags().BoolVar(&merge, "merge", false, "with --pattern: all into one folder")
	cmd.Flags().BoolVar(&force, "force", false, "write into a folder that is not empty; files of the same name are replaced")
	out := k.JSONFlags(cmd, cairn.Artifact{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		if pattern == "" && merge {
			return cairn.Errorf(cairn.CodeInvalid, "--merge goes with --pattern")
		}
		if pattern == "" {
			cl, a, err := find(ctx, k, args)
			if err != nil {
				return err
			}
			dir := to
			if dir == "" {
				dir = filepath.Base(filepath.FromSlash(a.Name))
			}
			if err := bring(ctx, k, cl, a, dir, force); err != nil {
				return err
			}
			if out.On() {
				return out.Write(a)
			}
			return write(k.Term.Out, fmt.Sprintf("%s -> %s\n", artifactLine(*a), dir))
		}
		if len(args) > 1 {
			return cairn.Errorf(cairn.CodeInvalid, "a name and --pattern are given").WithHint("leave one of them out")
		}
		cl, arts, err := several(ctx, k, args[0], pattern)
		if err != nil {
			return err
		}
		for i := range arts {
			a := &arts[i]
			dir := filepath.Join(to, filepath.Base(filepath.FromSlash(a.Name)))
			if merge {
				dir = filepath.Clean(to) // "" is this folder
			}
			if err := bring(ctx, k, cl, a, dir, force || merge && i > 0); err != nil {
				return err
			}
			if !out.On() {
				if err := write(k.Term.Out, fmt.Sprintf("%s -> %s\n", artifactLine(*a), dir)); err != nil {
					return err
				}
			}
		}
		if out.On() {
			return out.Write(arts)
		}
		return nil
	}
	return cmd
}

// bring writes an artifact into a folder.
func bring(ctx context.Context, k *kit.Kit, cl *kit.Client, a *cairn.Artifact, dir string, force bool) error {
	path := k.Path(dir)
	if err := free(path, dir, force); err != nil {
		return err
	}
	if err := cl.DownloadTree(ctx, a.Digest, path); err != nil {
		return err
	}
	if k.Env("CAIRN_TOKEN") != "" {
		// Typed inside a job: the use belongs to its history.
		if err := cl.UseArtifact(ctx, a.Ref()); err != nil && cairn.CodeOf(err) != cairn.CodeForbidden {
			return err
		}
	}
	return nil
}

func artifactDelete(k *kit.Kit) *cobra.Command {
	var pattern string
	cmd := &cobra.Command{
		Use:   "delete RUN [NAME]",
		Short: "Delete an artifact of a run",
		Long: `Delete an artifact of a run, of all attempts; with --pattern all that match. Its bytes are given
back within a few hours where nothing else needs them; a trace still knows its name.`,
		Example:           "cairn artifact delete 42 model\ncairn artifact delete 42 --pattern '*'",
		Args:              kit.Args(1, 2, "RUN", "NAME"),
		ValidArgsFunction: complete.Artifacts(k),
	}
	cmd.Flags().StringVar(&pattern, "pattern", "", "all whose name matches this `pattern`")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		if (len(args) > 1) == (pattern != "") {
			return cairn.Errorf(cairn.CodeInvalid, "it is not said which artifact").WithHint("give its name, or --pattern")
		}
		id, err := runArg(args[0])
		if err != nil {
			return err
		}
		var cl *kit.Client
		var names []string
		if pattern == "" {
			var a *cairn.Artifact
			if cl, a, err = find(ctx, k, args); err != nil {
				return err
			}
			names = []string{a.Name}
		} else {
			var arts []cairn.Artifact
			if cl, arts, err = several(ctx, k, args[0], pattern); err != nil {
				return err
			}
			for _, a := range arts {
				names = append(names, a.Name)
			}
		}
		all, err := artifactsOf(ctx, cl, id)
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.Gone != "" || !slices.Contains(names, a.Name) {
				continue
			}
			if err := cl.DeleteArtifact(ctx, a.ID); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "deleted %s (%s)\n", a.Ref(), term.Size(a.Size))
		}
		return nil
	}
	return cmd
}
