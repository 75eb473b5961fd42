package access

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func environmentMap(k *kit.Kit) *cobra.Command {
	var python string
	var docker, host, all, remove bool
	cmd := &cobra.Command{
		Use:   "map [NAME]",
		Short: "Say where jobs of an environment run; without a name: list",
		Long: `Say where jobs of an environment run.

Without a word here they run on this machine, in what is built once from the packages that
the environment names. --python takes a Python of this machine instead: then nothing is built.
--docker runs them in a container of the environment's image, with the packages of its conda
file above it. --host takes one environment out of --all --docker.
What has a Dockerfile (build:) always runs in a container.

NAME is that of a registered environment, with or without a version, of a curated one
(AzureML-sklearn-1.5), or of an image. A Python is a program, or the folder of a venv or
conda environment; what is installed there is up to you.`,
		Example: `cairn environment map training --python ~/envs/training
cairn environment map AzureML-pytorch-1.13 --python /opt/conda/envs/torch/bin/python
cairn environment map training:3 --docker
cairn environment map --all --docker
cairn environment map
cairn environment map training --remove`,
		Args: kit.Args(0, 1, "NAME"),
	}
	f := cmd.Flags()
	f.StringVar(&python, "python", "", "run with this Python: the `path` of its program, or of an environment that holds one")
	f.BoolVar(&docker, "docker", false, "run in a container of the environment's image")
	f.BoolVar(&host, "host", false, "run on this machine, in what is built there")
	f.BoolVar(&all, "all", false, "all environments that have no line of their own")
	f.BoolVar(&remove, "remove", false, "forget what was said")
	_ = cmd.MarkFlagFilename("python")
	out := k.JSONFlags(cmd, cairn.EnvironmentMap{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		var given []string
		for _, name := range []string{"python", "docker", "host", "remove"} {
			if c.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return cairn.Errorf(cairn.CodeInvalid, "%s are both given", strings.Join(given[:2], " and "))
		}
		m := cairn.EnvironmentMap{Python: python}
		switch {
		case python != "":
			m.Where = cairn.MapPython
		case docker:
			m.Where = cairn.MapDocker
		case host:
			m.Where = cairn.MapHost
		}
		switch {
		case len(args) == 1 && all:
			return cairn.Errorf(cairn.CodeInvalid, "a name and --all are both given")
		case len(args) == 1:
			m.Name = args[0]
		case all && python != "":
			return cairn.Errorf(cairn.CodeInvalid, "one Python does not stand for all environments").WithHint("cairn environment map NAME --python PATH")
		case all:
			m.Name = cairn.AllEnvironments
		case m.Where != "" || remove:
			return cairn.Errorf(cairn.CodeInvalid, "the name of the environment is missing").WithHint("cairn environment map NAME --python PATH, or --all --docker")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		switch {
		case remove:
			if err := cl.UnmapEnvironment(c.Context(), m.Name); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s: jobs run on this machine again, in what is built there\n", mapped(m))
			return nil
		case m.Where != "":
			if python != "" {
				if m.Python, err = pythonPath(k.Dir, python); err != nil {
					return err
				}
			}
			made, err := cl.MapEnvironment(c.Context(), m)
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(made)
			}
			fmt.Fprintf(k.Term.Err, "jobs of %s run %s\n", mapped(*made), where(*made))
			return nil
		}
		lines, err := cl.EnvironmentMaps(c.Context())
		if err != nil {
			return err
		}
		if m.Name != "" {
			lines = slices.DeleteFunc(lines, func(l cairn.EnvironmentMap) bool { return !strings.EqualFold(l.Name, m.Name) })
			if len(lines) == 0 {
				return cairn.Errorf(cairn.CodeNotFound, "environment %s is not mapped", mapped(m)).WithHint("cairn environment map %s --python PATH", mapped(m))
			}
		}
		if out.On() {
			return out.Write(lines)
		}
		if len(lines) == 0 {
			fmt.Fprintln(k.Term.Err, "no environment is mapped: each is built once, from what its file says")
			return nil
		}
		tb := k.Term.NewTable("ENVIRONMENT", "RUNS", "BY")
		for _, l := range lines {
			tb.Row(mapped(l), where(l), term.Clean(l.By))
		}
		return tb.Write()
	}
	return cmd
}

// mapped is what a line is about.
func mapped(m cairn.EnvironmentMap) string {
	if m.Name == cairn.AllEnvironments {
		return "all environments"
	}
	return term.Clean(m.Name)
}

// where says where jobs of it run.
func where(m cairn.EnvironmentMap) string {
	switch m.Where {
	case cairn.MapDocker:
		return "in a container"
	case cairn.MapHost:
		return "on this machine"
	}
	return "with " + term.Clean(m.Python)
}

// pythonPath makes a path absolute; a bare name is looked for among the programs.
func pythonPath(dir, python string) (string, error) {
	if !strings.ContainsRune(python, filepath.Separator) {
		if found, err := exec.LookPath(python); err == nil {
			return filepath.Abs(found)
		}
	}
	if filepath.IsAbs(python) {
		return python, nil
	}
	return filepath.Join(dir, python), nil
}
