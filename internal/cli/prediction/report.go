package prediction

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newReport(k *kit.Kit) *cobra.Command {
	var expected, comment string
	cmd := &cobra.Command{
		Use:   "report ID --expected X",
		Short: "Say what the answer should have been",
		Long: `Say what the answer should have been. The input that was sent is then kept for good, so
that it can become data: cairn prediction export. Saying it again replaces it.`,
		Example: `cairn prediction report 4f2a91c03d17-1-3-81920 --expected 7
cairn prediction report 4f2a91c03d17-1-3-81920 --expected cat --comment 'blurred'`,
		Args:              kit.Args(1, 1, "ID"),
		ValidArgsFunction: complete.First(k, complete.Predictions),
	}
	cmd.Flags().StringVar(&expected, "expected", "", "the right `answer`: a class, or any text of a line")
	cmd.Flags().StringVar(&comment, "comment", "", "a `sentence` about it")
	out := k.JSONFlags(cmd, cairn.PredictionReport{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		id, err := ID(args[0])
		if err != nil {
			return err
		}
		if strings.TrimSpace(expected) == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--expected is missing").WithHint("--expected 7, or whatever the right answer is")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.ReportPrediction(c.Context(), id, expected, comment)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(r)
		}
		kept := "its input is kept: " + r.Name
		if r.Input == "" {
			kept = "its input is not kept, so it cannot become data: too long for the log, or none was sent"
		}
		fmt.Fprintf(k.Term.Err, "%s: expected %s; %s\n", id, term.Clean(r.Expected), term.Clean(kept))
		fmt.Fprintf(k.Term.Err, "what it comes from: cairn trace prediction/%s\n", id)
		return nil
	}
	return cmd
}

func newDelete(k *kit.Kit) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Erase a request and its answer from the disk",
		Long: `Erase a request and its answer from the disk, with what a report kept of them. That it
was asked, when, and which release answered stays: the trace still leads on.`,
		Example: "cairn prediction delete 4f2a91c03d17-1-3-81920 --yes",
		Args:    kit.Args(1, 1, "ID"),

		ValidArgsFunction: complete.First(k, complete.Predictions),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	out := k.JSONFlags(cmd, cairn.PredictionErased{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		id, err := ID(args[0])
		if err != nil {
			return err
		}
		if !yes {
			if !k.Term.CanAsk() {
				return cairn.Errorf(cairn.CodeInvalid, "what is erased does not come back").WithHint("cairn prediction delete %s --yes", id)
			}
			fmt.Fprintf(k.Term.Err, "Erase the bodies of %s for good? [y/N] ", id)
			answer, err := bufio.NewReader(k.Term.In).ReadString('\n')
			if a := strings.ToLower(strings.TrimSpace(answer)); err != nil || a != "y" && a != "yes" {
				return cairn.Errorf(cairn.CodeCanceled, "nothing was erased")
			}
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		e, err := cl.ErasePrediction(c.Context(), id)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(e)
		}
		fmt.Fprintf(k.Term.Err, "the bodies of %s are erased\n", id)
		if e.Data != "" {
			fmt.Fprintf(k.Term.Err, "its input was exported before and lies in %s, which never changes\n", term.Clean(string(e.Data)))
		}
		return nil
	}
	return cmd
}

func newExport(k *kit.Kit) *cobra.Command {
	var w where
	var stage string
	cmd := &cobra.Command{
		Use:   "export NAME",
		Short: "Make a data version of the answers that were reported",
		Long: `Make a data version of the answers that were reported: a folder per expected answer, and in
it what was sent, each named by its prediction. cairn trace data/NAME leads from there to
what went wrong.`,
		Example: `cairn prediction export wrong-digits --stage production
cairn prediction export wrong-digits --since 7d
cairn data download wrong-digits --to train/more`,
		Args: kit.Args(1, 1, "NAME"),
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&stage, "stage", "", "of this `stage`")
	complete.Flag(k, cmd, "stage", complete.Stages)
	out := k.JSONFlags(cmd, cairn.PredictionExport{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		q, err := w.filter(c.Context(), k, stage)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		e, err := cl.ExportPredictions(c.Context(), args[0], q)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(e)
		}
		for _, l := range e.Left {
			fmt.Fprintf(k.Term.Err, "left out %s: %s\n", l.Prediction, term.Clean(l.Reason))
		}
		if _, err = fmt.Fprintf(k.Term.Out, "%s %s %s %s\n", e.Data, e.Digest, term.Count(e.Files, "file"), term.Size(e.Size)); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "cannot write: %w", err)
		}
		fmt.Fprintf(k.Term.Err, "%s cairn data download %s, in a job of the training\n", k.Term.ErrStyle().Cyan("next:"), e.Data.ID())
		return nil
	}
	return cmd
}
