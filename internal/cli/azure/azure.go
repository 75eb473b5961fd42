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

// SDK is the package that stands in for azureml; its functions are nil where there is none.
type SDK struct {
	// Install writes it below a folder and returns the one for the import path.
	Install func(dir string) (string, error)
	// Wheels writes wheels of it into a folder, in a version of the SDK's, and returns their
	// paths; "" is the last version.
	Wheels func(dir, version string) ([]string, error)
}

// New makes cairn azure.
func New(k *kit.Kit, sdk SDK) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:     "azure",
		Short:   "What scripts written for Azure Machine Learning need",
		Long:    "What scripts written for Azure Machine Learning need outside of jobs. Its command line is cairn az.",
		Example: "PYTHONPATH=$(cairn azure sdk) python 01_data_preparing.py",
	}, newSDK(k, sdk), newMap(k))
}

func newSDK(k *kit.Kit, sdk SDK) *cobra.Command {
	var dir, wheels, version string
	cmd := &cobra.Command{
		Use:   "sdk",
		Short: "Print the folder of the package that stands in for azureml",
		Long: `Print the folder of the Python package that scripts over the first SDK (import azureml.core)
import in jobs, for scripts that are run by hand. It asks cairn, which has to be on PATH, for
data, models and runs.

--wheels writes it as wheels instead, one for each package of the SDK, for an environment of
one's own: pip install --no-index --find-links DIR azureml-sdk==1.36.0.`,
		Example: "PYTHONPATH=$(cairn azure sdk) python 01_data_preparing.py\ncairn azure sdk --dir sdk\ncairn azure sdk --wheels wheels --version 1.36.0",
		Args:    kit.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			switch {
			case sdk.Install == nil || sdk.Wheels == nil:
				return cairn.Errorf(cairn.CodeUnsupported, "this binary was built without the package")
			case wheels != "" && dir != "":
				return cairn.Errorf(cairn.CodeInvalid, "--dir and --wheels are both given")
			case wheels == "" && version != "":
				return cairn.Errorf(cairn.CodeInvalid, "--version is that of wheels").WithHint("cairn azure sdk --wheels DIR --version %s", version)
			case wheels != "":
				made, err := sdk.Wheels(k.Path(wheels), version)
				if err != nil {
					return err
				}
				for _, p := range made {
					if _, err := fmt.Fprintln(k.Term.Out, p); err != nil {
						return err
					}
				}
				return nil
			}
			at := k.Path(dir)
			if dir == "" {
				home, err := cacheDir(k)
				if err != nil {
					return err
				}
				at = home
			}
			found, err := sdk.Install(at)
			if err != nil {
				return cairn.Errorf(cairn.CodeFailed, "the package cannot be written: %w", err)
			}
			_, err = fmt.Fprintln(k.Term.Out, found)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write it below this `folder` (default: the user's cache)")
	cmd.Flags().StringVar(&wheels, "wheels", "", "write wheels into this `folder` instead")
	cmd.Flags().StringVar(&version, "version", "", "`version` of the SDK that the wheels have (default: its last)")
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.MarkFlagDirname("wheels")
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
