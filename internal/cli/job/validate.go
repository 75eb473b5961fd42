package job

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

func newValidate(k *kit.Kit) *cobra.Command {
	var files, set []string
	var online bool
	cmd := &cobra.Command{
		Use:   "validate --file FILE [--file FILE…]",
		Short: "Check files of jobs, components, assets, endpoints and schedules",
		Long: `Check Azure ML YAML files of every kind, each by its type: jobs, components, data, models,
environments, compute, datastores, endpoints, deployments, schedules. Nothing is run or
stored, and no server is needed. With --online a server also says which data, components
and environments it does not have, and what of a job it does not execute.

The exit code is 1 when a file has a mistake.`,
		Example: `cairn job validate --file pipeline.yml
cairn job validate --file pipeline.yml --file train.yml --json
cairn job validate --file pipeline.yml --set inputs.epochs=3 --online`,
		Args: kit.Args(0, -1, "FILE"),
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "a YAML `file`, repeatable")
	cmd.Flags().StringArrayVar(&set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	cmd.Flags().BoolVar(&online, "online", false, "ask the server about what the files name, too")
	out := k.JSONFlags(cmd, source.Result{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		all := append(files, args...)
		if len(all) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("cairn job validate --file FILE")
		}
		var beyond source.Beyond
		if online {
			beyond = func(ctx context.Context, f *source.Folder, name string, doc *pipeline.Document) ([]cairn.Problem, error) {
				return ask(ctx, k, f, name, doc, set)
			}
		}
		return source.Validate(c.Context(), k, all, pipeline.Options{Set: set}, out, beyond)
	}
	return cmd
}

// ask lets the server say what it cannot meet of a job.
func ask(ctx context.Context, k *kit.Kit, f *source.Folder, name string, doc *pipeline.Document, set []string) ([]cairn.Problem, error) {
	if doc.Job == nil {
		return nil, nil
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, err
	}
	sent, err := f.Send(ctx, doc, nil)
	if err != nil {
		return nil, err
	}
	checked, err := cl.CheckJob(ctx, request(k, f, name, &options{set: set}, sent))
	if err != nil {
		if e := cairn.AsError(err); len(e.Problems) > 0 {
			return f.Problems(e.Problems), nil
		}
		return nil, err
	}
	return f.Problems(checked.Problems), nil
}
