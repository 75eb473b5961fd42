package access

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func environmentMap(k *kit.Kit) *cobra.Command {
	var python string
	var remove bool
	cmd := &cobra.Command{
		Use:   "map [NAME]",
		Short: "Let jobs of an environment run with a Python of this machine; without a name: list",
		Long: `Let jobs of an environment run with a Python of this machine: then nothing is built for it.

NAME is that of a registered environment, with or without a version, of a curated one
(AzureML-sklearn-1.5), or of an image. The Python is a program, or the folder of a venv or
conda environment; what is installed there is up to you.`,
		Example: `cairn environment map training --python ~/envs/training
cairn environment map AzureML-pytorch-1.13 --python /opt/conda/envs/torch/bin/python
cairn environment map
cairn environment map training --remove`,
		Args: kit.Args(0, 1, "NAME"),
	}
	cmd.Flags().StringVar(&python, "python", "", "the `path` of a Python program, or of an environment that holds one")
	cmd.Flags().BoolVar(&remove, "remove", false, "build the environment again")
	_ = cmd.MarkFlagFilename("python")
	out := k.JSONFlags(cmd, cairn.EnvironmentMap{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && (python != "" || remove):
			return cairn.Errorf(cairn.CodeInvalid, "the name of the environment is missing").WithHint("cairn environment map NAME --python PATH")
		case python != "" && remove:
			return cairn.Errorf(cairn.CodeInvalid, "--python and --remove are both given")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if remove {
			if err := cl.UnmapEnvironment(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s is not mapped any more\n", term.Clean(args[0]))
			return nil
		}
		if python != "" {
			if python, err = pythonPath(k.Dir, python); err != nil {
				return err
			}
			m, err := cl.MapEnvironment(c.Context(), args[0], python)
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(m)
			}
			fmt.Fprintf(k.Term.Err, "jobs of %s run with %s\n", term.Clean(m.Name), term.Clean(m.Python))
			return nil
		}
		all, err := cl.EnvironmentMaps(c.Context())
		if err != nil {
			return err
		}
		if len(args) == 1 {
			for _, m := range all {
				if strings.EqualFold(m.Name, args[0]) {
					all = []cairn.EnvironmentMap{m}
				}
			}
			if len(all) != 1 || !strings.EqualFold(all[0].Name, args[0]) {
				return cairn.Errorf(cairn.CodeNotFound, "environment %s is not mapped", term.Clean(args[0])).WithHint("cairn environment map %s --python PATH", term.Clean(args[0]))
			}
		}
		if out.On() {
			return out.Write(all)
		}
		if len(all) == 0 {
			fmt.Fprintln(k.Term.Err, "no environment is mapped: each is built once, from what its file says")
			return nil
		}
		tb := k.Term.NewTable("ENVIRONMENT", "PYTHON", "BY")
		for _, m := range all {
			tb.Row(term.Clean(m.Name), term.Clean(m.Python), term.Clean(m.By))
		}
		return tb.Write()
	}
	return cmd
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
