// Package image is cairn image: what the registry holds, and how it comes there.
package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn image.
func New(k *kit.Kit, tools Tools) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "image",
		Short: "Images: build, look, tag, push and pull",
		Long: `Images in Cairn's own registry, which docker, podman, skopeo and crane reach at the address
that cairn status shows.

An image is named NAME[:TAG], NAME@DIGEST, by its digest, or by the id that docker shows (12
digits are enough). A name is kept in full, ghcr.io/acme/api:main, whether or not it was pushed
there; one without a registry is Cairn's own.`,
		Example: `cairn image list
cairn image show ghcr.io/acme/api:main
cairn image tag ghcr.io/acme/api:main v1.2.3
cairn image push ghcr.io/acme/api:v1.2.3`,
	}, newBuild(k, tools), newList(k), newShow(k), newTag(k), newDelete(k), newPull(k, tools), newPush(k, tools), newSave(k, tools), newLoad(k, tools), newBase(k, tools))
}

// byHand says who made an image, for people.
func byHand(img *cairn.Image) string {
	if img.Job != 0 {
		return fmt.Sprintf("%s of run %d", cairn.JobRef(img.Job), img.Run)
	}
	return img.By
}

func commit(img *cairn.Image) string {
	sha := img.Commit[:min(len(img.Commit), 12)]
	if sha != "" && img.Dirty {
		sha += " (dirty)"
	}
	return sha
}

func newList(k *kit.Kit) *cobra.Command {
	var f cairn.ImageFilter
	var run int64
	cmd := &cobra.Command{
		Use:   "list [NAME]",
		Short: "List images, newest first, a line for each name",
		Example: `cairn image list
cairn image list ghcr.io/acme/api --limit 5
cairn image list --commit 3f2a9c1 --json=digest,tags`,
		Args:              kit.Args(0, 1, "NAME"),
		ValidArgsFunction: complete(k, true),
	}
	cmd.Flags().StringVar(&f.Commit, "commit", "", "made from this `SHA` or the beginning of one")
	cmd.Flags().Int64Var(&run, "run", 0, "made by this run, a `number`")
	cmd.Flags().BoolVar(&f.All, "all", false, "signatures and other referrers, and the parts of indexes, too")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 50, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			f.Name = args[0]
		}
		f.Run = cairn.RunID(run)
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		imgs, err := cl.Images(c.Context(), f)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(imgs)
		}
		if len(imgs) == 0 {
			fmt.Fprintln(k.Term.Err, "no images; cairn image build, pull and load make some")
			return nil
		}
		return writeList(k, imgs)
	}
	return cmd
}

func writeList(k *kit.Kit, imgs []cairn.Image) error {
	tb := k.Term.NewTable("NAME", "DIGEST", "ID", "SIZE", "PLATFORM", "COMMIT", "BY", "WHEN")
	for i := range imgs {
		img := &imgs[i]
		names := img.Tags
		if len(names) == 0 {
			names = []string{"-"}
		}
		for _, n := range names {
			tb.Row(term.Clean(n), img.Digest.Short(), img.Config.Short(), term.Size(img.Size), term.Clean(img.Platform), commit(img), term.Clean(byHand(img)), term.Since(img.CreatedAt, k.Now()))
		}
	}
	return tb.Write()
}

func newTag(k *kit.Kit) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "tag IMAGE NAME…",
		Short: "Point further names to an image, or take names away",
		Long: `Point further names to an image. A word alone is a tag in the image's own repository; a name
with a colon or a slash is meant in full. A tag such as v1.2.3 becomes a tag of the release, too,
when the image is deployed.`,
		Example: `cairn image tag ghcr.io/acme/api:main v1.2.3 stable
cairn image tag 3f2a9c1b7d04 api:test
cairn image tag --remove ghcr.io/acme/api:test`,
		Args:              kit.Args(1, -1, "IMAGE"),
		ValidArgsFunction: complete(k, false),
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take the names away instead; the images stay")
	out := k.JSONFlags(cmd, cairn.ImageTag{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if !remove && len(args) < 2 {
			return cairn.Errorf(cairn.CodeInvalid, "NAME is missing").WithHint("cairn image tag %s NAME", term.Clean(args[0]))
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if remove {
			for _, n := range args {
				if err := cl.UntagImage(c.Context(), n); err != nil {
					return err
				}
				fmt.Fprintf(k.Term.Err, "%s names no image any more\n", term.Clean(n))
			}
			return nil
		}
		tags, err := cl.TagImage(c.Context(), args[0], args[1:])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(tags)
		}
		for _, t := range tags {
			fmt.Fprintf(k.Term.Err, "%s -> %s\n", term.Clean(t.String()), t.Digest)
		}
		return nil
	}
	return cmd
}

func newDelete(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use:   "delete IMAGE…",
		Short: "Take a name away, and with its last one the image",
		Long: `Take a name away, and with its last one the image. Named by its digest or id, an image goes
with all its names. One that is live on a stage stays. What stands on a deleted image can still be
traced.`,
		Example:           "cairn image delete ghcr.io/acme/api:old\ncairn image delete 3f2a9c1b7d04",
		Args:              kit.Args(1, -1, "IMAGE"),
		ValidArgsFunction: complete(k, false),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			for _, a := range args {
				if err := cl.DeleteImage(c.Context(), a); err != nil {
					return err
				}
				fmt.Fprintf(k.Term.Err, "deleted %s\n", term.Clean(a))
			}
			return nil
		},
	}
}

// complete offers the names of images to the shell; it starts no owner and is quiet
// on failure.
func complete(k *kit.Kit, repositories bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || k.Peek == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cl, err := k.Peek(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(c.Context(), cl, repositories), cobra.ShellCompDirectiveNoFileComp
	}
}

func names(ctx context.Context, cl *kit.Client, repositories bool) []string {
	imgs, err := cl.Images(ctx, cairn.ImageFilter{Limit: 200})
	if err != nil {
		return nil
	}
	var out []string
	for _, img := range imgs {
		for _, t := range img.Tags {
			if repositories {
				t = t[:strings.LastIndexByte(t, ':')]
			}
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}
