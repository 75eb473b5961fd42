package image

import (
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// newBase makes cairn image base.
func newBase(k *kit.Kit, tools Tools) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "base",
		Short: "Base images: what others are built on",
		Long: `Base images: what others are built on. Any image of any registry can be one. Where no registry
can be reached, one is made from this machine's Python.`,
		Example: "cairn image base create --from-host-python --as python:3.11-slim\ncairn image base list",
	}, newBaseCreate(k, tools), newBaseList(k))
}

func newBaseCreate(k *kit.Kit, tools Tools) *cobra.Command {
	var r BaseRequest
	var host bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a base image from this machine's Python",
		Long: `Make a small base image from this machine: the Python interpreter, its standard library and the
shared libraries that it needs. A FROM line that names it finds it here.`,
		Example: `cairn image base create --from-host-python --as python:3.11-slim
cairn image base create --from-host-python --python /usr/bin/python3 --as base:dev`,
		Args: kit.Args(0, 0),
	}
	cmd.Flags().BoolVar(&host, "from-host-python", false, "from the Python of this machine")
	cmd.Flags().StringVar(&r.Python, "python", "", "the `path` of the interpreter, or a version (default: the one that is found)")
	cmd.Flags().StringVar(&r.As, "as", "", "name it `NAME[:TAG]`")
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if !host {
			return cairn.Errorf(cairn.CodeInvalid, "it is not said what to make the base image from").
				WithHint("cairn image base create --from-host-python; cairn image pull NAME fetches one from a registry")
		}
		if tools.BaseFromHost == nil {
			return errNoTools
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		img, err := tools.BaseFromHost(c.Context(), cl, r, k.Term.Err)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(img)
		}
		_, err = fmt.Fprintln(k.Term.Out, line(img))
		return err
	}
	return cmd
}

func newBaseList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the images that others are built on, or can be",
		Long:    "List the images that others are built on, and those that were fetched or made to be.",
		Example: "cairn image base list --json=digest,tags",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		imgs, err := cl.Images(c.Context(), cairn.ImageFilter{Limit: 1000})
		if err != nil {
			return err
		}
		bases := bases(imgs)
		if out.On() {
			return out.Write(bases)
		}
		if len(bases) == 0 {
			fmt.Fprintln(k.Term.Err, "no base images; cairn image base create and cairn image pull make some")
			return nil
		}
		tb := k.Term.NewTable("NAME", "DIGEST", "SIZE", "PLATFORM", "FROM", "WHEN")
		for i := range bases {
			img := &bases[i]
			names := img.Tags
			if len(names) == 0 {
				names = []string{"-"}
			}
			for _, n := range names {
				tb.Row(term.Clean(n), img.Digest.Short(), term.Size(img.Size), term.Clean(img.Platform), term.Clean(img.Builder), term.Since(img.CreatedAt, k.Now()))
			}
		}
		return tb.Write()
	}
	return cmd
}

// bases keeps the images that another names as its base, and those that came from
// outside or from this machine.
func bases(imgs []cairn.Image) []cairn.Image {
	used := map[cairn.Digest]bool{}
	for i := range imgs {
		used[imgs[i].Base] = true
	}
	out := []cairn.Image{}
	for _, img := range imgs {
		nothingElse := !slices.ContainsFunc(img.Layers, func(l cairn.ImageLayer) bool { return l.Role != cairn.LayerBase }) && len(img.Layers) > 0
		if used[img.Digest] || nothingElse || img.Builder == "pull" || img.Builder == "load" {
			out = append(out, img)
		}
	}
	return out
}
