package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show IMAGE",
		Short:             "Show an image: names, layers, what is packed into it, where it comes from",
		Example:           "cairn image show ghcr.io/acme/api:main\ncairn image show 3f2a9c1b7d04 --jq .digest",
		Args:              kit.Args(1, 1, "IMAGE"),
		ValidArgsFunction: complete(k, false),
	}
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		img, err := cl.Image(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(img)
		}
		_, err = io.WriteString(k.Term.Out, detail(k, img, author(c.Context(), cl, img)))
		return err
	}
	return cmd
}

// author is who wrote the commit of an image, "" where that is not known.
func author(ctx context.Context, cl *kit.Client, img *cairn.Image) string {
	if img.Commit == "" {
		return ""
	}
	t, err := cl.Trace(ctx, string(cairn.CommitRef(img.Commit)), false)
	if err != nil || len(t.Roots) == 0 {
		return ""
	}
	return t.Roots[0].Fact("author")
}

// detail is an image as people read it.
func detail(k *kit.Kit, img *cairn.Image, author string) string {
	s := k.Term.OutStyle()
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString(s.Bold(string(img.Ref())) + "\n")
	if img.Config != "" {
		line("id", "%s", img.Config)
	}
	for i, t := range img.Tags {
		if i == 0 {
			line("names", "%s", term.Clean(t))
		} else {
			line("", "%s", term.Clean(t))
		}
	}
	if img.Platform != "" {
		line("platform", "%s", term.Clean(img.Platform))
	}
	if img.ArtifactType != "" {
		line("type", "%s", term.Clean(img.ArtifactType))
	}
	line("size", "%s", term.Size(img.Size))
	if img.Commit != "" {
		from := commit(img)
		if author != "" {
			from += " by " + author
		}
		if img.Repository != "" {
			from += ", " + img.Repository
		}
		line("commit", "%s", term.Clean(from))
	}
	line("made", "%s by %s (%s)", term.Since(img.CreatedAt, k.Now()), term.Clean(byHand(img)), term.Clean(img.Builder))
	if img.BaseName != "" || img.Base != "" {
		line("base", "%s", strings.TrimSpace(term.Clean(img.BaseName)+" "+img.Base.Short()))
	}
	for i, d := range img.Manifests {
		if i == 0 {
			line("index of", "%s", d)
		} else {
			line("", "%s", d)
		}
	}
	if len(img.Layers) > 0 {
		b.WriteString(s.Bold("layers") + "\n")
	}
	for _, l := range img.Layers {
		fmt.Fprintf(&b, "  %s %9s  %s\n", l.Digest.Short(), term.Size(l.Size), strings.TrimSpace(fmt.Sprintf("%-12s %s", l.Role, term.Clean(l.Note))))
	}
	packed(&b, s, img)
	return b.String()
}

// shownFiles bounds the files that are listed of one version.
const shownFiles = 5

// packed lists the versions that were found in an image.
func packed(b *strings.Builder, s term.Style, img *cairn.Image) {
	var order []cairn.Ref
	at := map[cairn.Ref][]cairn.Packed{}
	for _, p := range img.Packed {
		if len(at[p.Ref]) == 0 {
			order = append(order, p.Ref)
		}
		at[p.Ref] = append(at[p.Ref], p)
	}
	if len(order) > 0 {
		b.WriteString(s.Bold("packed") + "\n")
	}
	for _, r := range order {
		text := term.Clean(string(r))
		var others []string
		for _, p := range at[r] {
			for _, o := range p.Others {
				if t := term.Clean(string(o)); !slices.Contains(others, t) {
					others = append(others, t)
				}
			}
		}
		if len(others) > 0 {
			text += "  " + s.Yellow("ambiguous: also "+strings.Join(others, ", "))
		}
		fmt.Fprintf(b, "  %s\n", text)
		for i, p := range at[r] {
			if i == shownFiles {
				fmt.Fprintf(b, "    and %s more\n", term.Count(int64(len(at[r])-i), "file"))
				break
			}
			fmt.Fprintf(b, "    %s  %s\n", term.Clean(p.Path), term.Size(p.Size))
		}
	}
}
