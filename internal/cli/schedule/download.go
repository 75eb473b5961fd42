package schedule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

func newDownload(k *kit.Kit) *cobra.Command {
	var to string
	var force bool
	cmd := &cobra.Command{
		Use:   "download NAME",
		Short: "Write a schedule's file",
		Example: `cairn schedule download nightly
cairn schedule download nightly --to schedules/nightly.yml --force`,
		Args: kit.Args(1, 1, "NAME"),
	}
	cmd.Flags().StringVar(&to, "to", "", "the `file` (default: NAME.yml)")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	_ = cmd.MarkFlagFilename("to", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		x, err := cl.Schedule(c.Context(), args[0])
		if err != nil {
			return err
		}
		if to == "" {
			to = x.Name + ".yml"
		}
		flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if force {
			flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		f, err := os.OpenFile(k.Path(to), flags, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return cairn.Errorf(cairn.CodeConflict, "%s is there", to).WithHint("choose another file with --to, or replace it with --force")
		}
		if err == nil {
			_, err = f.WriteString(x.File)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", to, err)
		}
		_, err = fmt.Fprintf(k.Term.Out, "%s -> %s\n", x.Name, to)
		return err
	}
	return cmd
}
