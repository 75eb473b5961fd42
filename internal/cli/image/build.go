package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// newBuild makes cairn image build.
func newBuild(k *kit.Kit, tools Tools) *cobra.Command {
	var (
		file, target                               string
		tags, args, labels, platforms, annotations []string
		noCache, pull, push, quiet                 bool
	)
	cmd := &cobra.Command{
		Use:   "build CONTEXT",
		Short: "Build an image from a Dockerfile",
		Long: `Build an image from a Dockerfile, without a daemon where the Dockerfile lets it: COPY, ENV
and all that only describes the image, and RUN lines that install Python packages with pip. Other
lines are given to BuildKit, buildah, Docker or Podman where one of them answers.

Models, data and artifacts that the build context holds are found by their digests and get a
layer of their own. The flags are those of docker build.`,
		Example: `cairn image build -t acme/api:main .
cairn image build -t ghcr.io/acme/api:1.2.0 --build-arg VERSION=1.2.0 --push api/
cairn image build -f deploy/Dockerfile --target runtime --json=digest .`,
		Args: kit.Args(1, 1, "CONTEXT"),
	}
	f := cmd.Flags()
	f.StringArrayVarP(&tags, "tag", "t", nil, "name the image `NAME[:TAG]`, repeatable")
	f.StringVarP(&file, "file", "f", "", "the `Dockerfile` (default: that of the context)")
	f.StringArrayVar(&args, "build-arg", nil, "set an ARG as `NAME=VALUE`, repeatable; without a value it is that of the environment")
	f.StringVar(&target, "target", "", "the `stage` to build (default: the last)")
	f.StringSliceVar(&platforms, "platform", nil, "build for `OS/ARCH`, repeatable (default: this machine's)")
	f.StringArrayVar(&labels, "label", nil, "set a label as `KEY=VALUE`, repeatable")
	f.StringArrayVar(&annotations, "annotation", nil, "set an annotation of the manifest as `KEY=VALUE`, repeatable")
	f.BoolVar(&noCache, "no-cache", false, "resolve packages again, and let executors use no cache")
	f.BoolVar(&pull, "pull", false, "look for a newer base image where its registry can be reached")
	f.BoolVar(&push, "push", false, "push it to the registries of its names, where there are credentials")
	f.BoolVarP(&quiet, "quiet", "q", false, "print nothing but the digest")
	out := k.JSONFlags(cmd, cairn.Image{})
	cmd.RunE = func(c *cobra.Command, words []string) error {
		if words[0] == "-" {
			return cairn.Errorf(cairn.CodeUnsupported, "a build context from standard input is not read").WithHint("unpack it into a folder and name that")
		}
		r := cairn.BuildRequest{Context: k.Path(words[0]), Names: tags, Target: target, Platforms: platforms, NoCache: noCache, Pull: pull, Push: push,
			Env: environment(k.Environ), JobToken: k.Env("CAIRN_TOKEN")}
		fi, err := os.Stat(r.Context)
		switch {
		case err != nil:
			return cairn.Errorf(cairn.CodeNotFound, "there is no folder %s", words[0])
		case !fi.IsDir():
			return cairn.Errorf(cairn.CodeInvalid, "%s is a file; a build context is a folder", words[0]).
				WithHint("cairn image build --file %s %s", words[0], filepath.Dir(words[0]))
		}
		if file != "" {
			r.Dockerfile = k.Path(file)
		}
		if push && len(tags) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--push needs a name to push to").WithHint("give one with --tag ghcr.io/OWNER/NAME:TAG")
		}
		if r.BuildArgs, err = buildArgs(k, args); err != nil {
			return err
		}
		if r.Labels, err = kit.Pairs("label", labels); err != nil {
			return err
		}
		if r.Annotations, err = kit.Pairs("annotation", annotations); err != nil {
			return err
		}
		if tools.Build == nil {
			return cairn.Errorf(cairn.CodeUnsupported, "this binary was built without a builder of images")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		log := k.Term.Err
		if quiet {
			log = io.Discard
		}
		res, err := tools.Build(c.Context(), cl, r, log)
		if err != nil {
			return placed(err, k.Rel(r.Context))
		}
		if out.On() {
			return out.Write(res.Image)
		}
		_, err = fmt.Fprintln(k.Term.Out, res.Image.Digest)
		return err
	}
	return cmd
}

// placed makes the positions of an error relative to where the command was typed;
// a build names files from its context.
func placed(err error, context string) error {
	var e *cairn.Error
	if context == "." || !errors.As(err, &e) || e.Position == nil {
		return err
	}
	move := func(p cairn.Position) cairn.Position {
		if p.File != "" && !filepath.IsAbs(p.File) {
			p.File = filepath.Join(context, filepath.FromSlash(p.File))
		}
		return p
	}
	out := e.At(move(*e.Position))
	out.Problems = slices.Clone(e.Problems)
	for i := range out.Problems {
		out.Problems[i].Position = move(out.Problems[i].Position)
	}
	return out
}

// buildArgs reads NAME=VALUE, and NAME alone from the environment, as docker does.
func buildArgs(k *kit.Kit, args []string) (map[string]string, error) {
	out := map[string]string{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if name == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "--build-arg %q has no name", a).WithHint("write --build-arg NAME=VALUE")
		}
		if !ok {
			if value, ok = environment(k.Environ)[name]; !ok {
				continue // docker leaves it unset, and ARG's own value counts
			}
		}
		out[name] = value
	}
	return out, nil
}

func environment(environ []string) map[string]string {
	out := make(map[string]string, len(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		out[name] = value
	}
	return out
}
