// Package azure is the command of what belongs to Azure Machine Learning's own clients,
// besides the dialect az.
package azure

import (
	"fmt"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// New makes cairn azure. install writes the package that stands in for azureml below a
// folder and returns the one for the import path; nil where there is none.
func New(k *kit.Kit, install func(dir string) (string, error)) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:     "azure",
		Short:   "What scripts written for Azure Machine Learning need",
		Long:    "What scripts written for Azure Machine Learning need outside of jobs. Its command line is cairn az.",
		Example: "PYTHONPATH=$(cairn azure sdk) python 01_data_preparing.py",
	}, newSDK(k, install))
}

func newSDK(k *kit.Kit, install func(dir string) (string, error)) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "sdk",
		Short: "Print the folder of the package that stands in for azureml",
		Long: `Print the folder of the Python package that scripts over the first SDK (import azureml.core)
import in jobs, for scripts that are run by hand. It asks cairn, which has to be on PATH, for
data, models and runs.`,
		Example: "PYTHONPATH=$(cairn azure sdk) python 01_data_preparing.py\ncairn azure sdk --dir sdk",
		Args:    kit.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if install == nil {
				return cairn.Errorf(cairn.CodeUnsupported, "this binary was built without the package")
			}
			at := k.Path(dir)
			if dir == "" {
				home, err := cacheDir(k)
				if err != nil {
					return err
				}
				at = home
			}
			found, err := install(at)
			if err != nil {
				return cairn.Errorf(cairn.CodeFailed, "the package cannot be written: %w", err)
			}
			_, err = fmt.Fprintln(k.Term.Out, found)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write it below this `folder` (default: the user's cache)")
	return cmd
}

func cacheDir(k *kit.Kit) (string, error) {
	if d := k.Env("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "cairn"), nil
	}
	if d := k.Env("HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, ".cache", "cairn"), nil
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "HOME is not set").WithHint("cairn azure sdk --dir FOLDER")
}
