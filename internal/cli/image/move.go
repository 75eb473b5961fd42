package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

var errNoTools = cairn.Errorf(cairn.CodeUnsupported, "this binary was built without the tools of images")

func line(img *cairn.Image) string {
	text := string(img.Digest)
	if len(img.Tags) > 0 {
		text = strings.Join(img.Tags, " ") + " " + text
	}
	return term.Clean(text + " " + term.Size(img.Size))
}

func newPull(k *kit.Kit, tools Tools) *cobra.Command {
	var platform string
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Fetch an image from the registry that its name says",
		Long: `Fetch an image from the registry that its name says, with the credentials of docker login.
It is kept under the same name: a FROM line that names it finds it here. What is here already is
not fetched again.`,
		Example: "cairn image pull python:3.11-slim\ncairn image pull ghcr.io/acme/api:main --platform linux/arm64",
		Args:    kit.Args(1, 1, "NAME"),
	}
	cmd.Flags().StringVar(&platform, "platform", "", "the `OS/ARCH` of an index, or all of it with \"all\" (default: this machine's)")
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if tools.Pull == nil {
			return errNoTools
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		img, err := tools.Pull(c.Context(), cl, args[0], platform, k.Term.Err)
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

func newPush(k *kit.Kit, tools Tools) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push IMAGE [NAME…]",
		Short: "Send an image to registries outside",
		Long: `Send an image to registries outside, to all names at once, with the credentials of docker
login. Without a name it goes where its own names say. What a registry has already is not sent.`,
		Example:           "cairn image push ghcr.io/acme/api:main\ncairn image push api:main ghcr.io/acme/api:main docker.io/acme/api:main",
		Args:              kit.Args(1, -1, "IMAGE"),
		ValidArgsFunction: complete(k, false),
	}
	out := k.JSONFlags(cmd, cairn.PushResult{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if tools.Push == nil {
			return errNoTools
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		img, err := cl.Image(c.Context(), args[0])
		if err != nil {
			return err
		}
		to := args[1:]
		if len(to) == 0 {
			if to = outside(args[0], img.Tags); len(to) == 0 {
				return cairn.Errorf(cairn.CodeInvalid, "%s has no name that says which registry to push to", term.Clean(args[0])).
					WithHint("name one: cairn image push %s ghcr.io/OWNER/NAME:TAG", term.Clean(args[0]))
			}
		}
		res, err := tools.Push(c.Context(), cl, img, to, k.Term.Err)
		if out.On() && len(res) > 0 {
			err = errors.Join(err, out.Write(res))
		}
		return err
	}
	return cmd
}

// outside are the names of an image that say a registry: the one that was asked for,
// else (asked for by digest or id) all of them.
func outside(asked string, tags []string) []string {
	var all []string
	for _, t := range tags {
		host, _, ok := strings.Cut(t, "/")
		if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
			continue // Cairn's own
		}
		if t == asked || strings.HasSuffix(t, "/"+asked) || strings.HasSuffix(t, "/"+asked+":latest") {
			return []string{t}
		}
		all = append(all, t)
	}
	if slices.Contains(tags, asked) || slices.Contains(tags, asked+":latest") {
		return nil
	}
	return all
}

func newSave(k *kit.Kit, tools Tools) *cobra.Command {
	return &cobra.Command{
		Use:   "save IMAGE FILE",
		Short: "Write an image into a file for docker load, skopeo or cairn image load",
		Long: `Write an image into a file: an OCI layout in a tar, which docker load reads, too. The same
image gives the same file. "-" writes to standard output: cairn image save IMAGE - | docker load.`,
		Example:           "cairn image save ghcr.io/acme/api:main api.tar",
		Args:              kit.Args(2, 2, "IMAGE", "FILE"),
		ValidArgsFunction: complete(k, false),
		RunE: func(c *cobra.Command, args []string) error {
			if tools.Save == nil {
				return errNoTools
			}
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			img, err := cl.Image(c.Context(), args[0])
			if err != nil {
				return err
			}
			if args[1] == "-" {
				return tools.Save(c.Context(), cl, img, img.Tags, k.Term.Out)
			}
			path := k.Path(args[1])
			f, err := os.CreateTemp(filepath.Dir(path), ".cairn-image-*")
			if err != nil {
				return cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", args[1], err)
			}
			err = tools.Save(c.Context(), cl, img, img.Tags, f)
			if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
				err = os.Rename(f.Name(), path)
			}
			if err != nil {
				os.Remove(f.Name())
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s -> %s\n", line(img), args[1])
			return nil
		},
	}
}

func newLoad(k *kit.Kit, tools Tools) *cobra.Command {
	var as []string
	cmd := &cobra.Command{
		Use:   "load FILE",
		Short: "Take in the images of a file that docker save, skopeo or cairn image save wrote",
		Long: `Take in the images of a file: what docker save writes, or an OCI layout in a tar, packed with
gzip or zstd or not. They keep the names that the file gives them, unless --as gives others.`,
		Example: "cairn image load api.tar\ncairn image load base.tar --as python:3.11-slim",
		Args:    kit.Args(1, 1, "FILE"),
	}
	cmd.Flags().StringArrayVar(&as, "as", nil, "name the image `NAME[:TAG]`, repeatable")
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if tools.Load == nil {
			return errNoTools
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		imgs, err := tools.Load(c.Context(), cl, k.Path(args[0]), as, k.Term.Err)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(imgs)
		}
		for _, img := range imgs {
			if _, err := fmt.Fprintln(k.Term.Out, line(img)); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
