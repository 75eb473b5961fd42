package asset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewArtifact makes cairn artifact.
func NewArtifact(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "artifact",
		Short: "What runs left behind: uploaded artifacts",
		Example: `cairn artifact list 42
cairn artifact download 42 model --to ./model`,
	}, artifactCreate(k), artifactList(k), artifactShow(k), artifactDownload(k), artifactDelete(k))
}

func artifactCreate(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME PATH",
		Short: "Keep a file or a folder as an artifact of the job that this is typed in",
		Long: `Keep a file or a folder as an artifact of the job that this is typed in. Outside of a job
there is no run to keep it for: cairn data create registers data without one.`,
		Example: "cairn artifact create report ./report.html",
		Args:    kit.Args(2, 2, "NAME", "PATH"),
	}
	out := k.JSONFlags(cmd, cairn.Artifact{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		path := k.Path(args[1])
		fi, err := os.Stat(path)
		if err != nil {
			return cairn.Errorf(cairn.CodeNotFound, "there is no %s", args[1])
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		dir, names := path, []string(nil)
		if !fi.IsDir() {
			dir, names = filepath.Dir(path), []string{filepath.Base(path)}
		}
		stop := progress(c.Context(), k, path, fi)
		defer stop()
		root, size, files, err := cl.UploadTree(c.Context(), dir, names)
		if err != nil {
			return err
		}
		a, err := cl.CreateArtifact(c.Context(), cairn.Artifact{Name: args[0], Digest: root, Size: size, Files: files})
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(a)
		}
		return write(k.Term.Out, artifactLine(a)+"\n")
	}
	return cmd
}

func artifactLine(a cairn.Artifact) string {
	return fmt.Sprintf("%s %s %s %s", cairn.ArtifactRef(a.Run, a.Attempt, a.Name), a.Digest, term.Count(a.Files, "file"), term.Size(a.Size))
}

func runArg(arg string) (cairn.RunID, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(arg, "run/"), 10, 64)
	if err != nil || n < 1 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "%q is not a run's number", term.Clean(arg)).WithHint("cairn run list shows them")
	}
	return cairn.RunID(n), nil
}

func artifactList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list RUN",
		Short:             "List the artifacts of a run",
		Example:           "cairn artifact list 42\ncairn artifact list 42 --pattern 'model-*' --json=name,digest",
		Args:              kit.Args(1, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	pattern := cmd.Flags().String("pattern", "", "whose name matches this `pattern`, such as 'model-*'")
	out := k.JSONFlags(cmd, cairn.Artifact{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		id, err := runArg(args[0])
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		arts, err := artifactsOf(c.Context(), cl, id)
		if err != nil {
			return err
		}
		if arts, err = matching(arts, *pattern); err != nil {
			return err
		}
		if out.On() {
			return out.Write(arts)
		}
		if len(arts) == 0 {
			fmt.Fprintf(k.Term.Err, "run %d has no artifacts\n", id)
			return nil
		}
		tb := k.Term.NewTable("NAME", "ATTEMPT", "DIGEST", "FILES", "SIZE", "WHEN", "KEPT UNTIL")
		for _, a := range arts {
			until := ""
			if !a.ExpiresAt.IsZero() {
				until = a.ExpiresAt.UTC().Format("2006-01-02")
			}
			if a.Gone != "" {
				until = a.Gone
			}
			tb.Row(term.Clean(a.Name), fmt.Sprint(a.Attempt), a.Digest.Short(), fmt.Sprint(a.Files), term.Size(a.Size),
				term.Since(a.CreatedAt, k.Now()), until)
		}
		return tb.Write()
	}
	return cmd
}

// find returns the newest artifact of that name, or the only one.
func find(ctx context.Context, k *kit.Kit, args []string) (*kit.Client, *cairn.Artifact, error) {
	id, err := runArg(args[0])
	if err != nil {
		return nil, nil, err
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, nil, err
	}
	arts, err := artifactsOf(ctx, cl, id)
	if err != nil {
		return nil, nil, err
	}
	var best *cairn.Artifact
	seen := map[string]bool{}
	var names []string
	for i := range arts {
		a := &arts[i]
		if !seen[a.Name] {
			seen[a.Name] = true
			names = append(names, a.Name)
		}
		if (len(args) < 2 || a.Name == args[1]) && (best == nil || a.Attempt > best.Attempt) {
			best = a
		}
	}
	switch {
	case len(arts) == 0:
		return nil, nil, cairn.Errorf(cairn.CodeNotFound, "run %d has no artifacts", id)
	case len(args) < 2 && len(names) > 1:
		return nil, nil, cairn.Errorf(cairn.CodeInvalid, "run %d has %d artifacts: say which", id, len(names)).WithHint("one of: %s", strings.Join(names, ", "))
	case best == nil:
		e := cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact %q", id, term.Clean(args[1]))
		if n := cairn.Nearest(args[1], names); n != "" {
			return nil, nil, e.WithHint("did you mean %q?", n)
		}
		return nil, nil, e.WithHint("there are: %s", strings.Join(names, ", "))
	}
	return cl, best, held(best)
}

// artifactsOf lists what a run left; of a run that is not there it says so.
func artifactsOf(ctx context.Context, cl *kit.Client, id cairn.RunID) ([]cairn.Artifact, error) {
	arts, err := cl.Artifacts(ctx, id)
	if err == nil && len(arts) == 0 {
		_, err = cl.Run(ctx, id)
	}
	return arts, err
}

func artifactShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show RUN [NAME]",
		Short:             "List the files of an artifact",
		Example:           "cairn artifact show 42 model\ncairn artifact show 42 model --json=path,size",
		Args:              kit.Args(1, 2, "RUN", "NAME"),
		ValidArgsFunction: complete.Artifacts(k),
	}
	out := k.JSONFlags(cmd, client.TreeFile{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, a, err := find(c.Context(), k, args)
		if err != nil {
			return err
		}
		files, err := cl.TreeFiles(c.Context(), a.Digest)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(files)
		}
		fmt.Fprintln(k.Term.Err, artifactLine(*a))
		tb := k.Term.NewTable("FILE", "SIZE", "DIGEST")
		for _, f := range files {
			tb.Row(term.Clean(f.Path), term.Size(f.Size), f.Digest.Short())
		}
		return tb.Write()
	}
	return cmd
}
