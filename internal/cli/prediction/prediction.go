// Package prediction is cairn prediction: the answers of served APIs, and what
// people say of them.
package prediction

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "prediction",
		Short: "Answers of served APIs: look at them, report wrong ones, make data of them",
		Long: `Answers of served APIs: look at them, report wrong ones, make data of them.

Every answer carries its id in the header X-Cairn-Prediction. cairn trace prediction/ID
leads from there to model, data, commit and author.`,
		Example: `cairn prediction list production --since 1h
cairn prediction show 4f2a91c03d17-1-3-81920
cairn prediction report 4f2a91c03d17-1-3-81920 --expected 7
cairn prediction export wrong-digits --stage production`,
	}, newList(k), newShow(k), newReport(k), newDelete(k), newExport(k))
}

// where are the flags that say which predictions are meant.
type where struct {
	repository string
	all        bool
	since      string
	release    string
}

func (w *where) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.repository, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.BoolVar(&w.all, "all", false, "of all repositories")
	f.StringVar(&w.since, "since", "", "not older than this: a `duration` such as 90m, 24h, 7d, or a date")
	f.StringVar(&w.release, "release", "", "of this `release`: r3, v1.2.3, its id or the beginning of it")
}

// filter is what the flags ask for.
func (w *where) filter(ctx context.Context, k *kit.Kit, stage string) (cairn.PredictionFilter, error) {
	f := cairn.PredictionFilter{Repository: w.repository, Stage: stage, Release: w.release}
	var err error
	if w.since != "" {
		if f.Since, err = Since(w.since, k.Now()); err != nil {
			return f, err
		}
	}
	if f.Repository == "" && !w.all {
		if wt, err := repo.Find(ctx, k); err == nil {
			f.Repository = wt.Name
		}
	}
	if named(w.release) {
		cl, err := k.Client(ctx)
		if err != nil {
			return f, err
		}
		r, err := cl.Release(ctx, f.Repository, w.release)
		if err != nil {
			return f, err
		}
		f.Release = r.ID
	}
	return f, nil
}

// named reports whether a release is not given by its id.
func named(release string) bool {
	return release != "" && (len(release) > 12 || strings.Trim(release, "0123456789abcdef") != "")
}

// Since reads how far back somebody wants to look.
func Since(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && fmt.Sprint(n) == days && n > 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return at, nil
		}
	}
	return time.Time{}, cairn.Errorf(cairn.CodeInvalid, "--since %q is neither a duration nor a date", term.Clean(s)).
		WithHint("for example 90m, 24h, 7d or 2026-05-04")
}

// ID reads the id of a prediction, with or without its kind before it.
func ID(s string) (cairn.PredictionID, error) {
	id := cairn.PredictionID(strings.TrimPrefix(strings.TrimSpace(s), cairn.KindPrediction+"/"))
	_, _, _, _, err := id.Parts()
	return id, err
}

func newList(k *kit.Kit) *cobra.Command {
	var w where
	var status, limit int
	var reported bool
	var path string
	cmd := &cobra.Command{
		Use:   "list [STAGE]",
		Short: "List answered requests, newest first",
		Example: `cairn prediction list production --since 1h
cairn prediction list --status 500
cairn prediction list --reported --json=id,path,report`,
		Args:              kit.Args(0, 1, "STAGE"),
		ValidArgsFunction: complete.First(k, complete.Stages),
	}
	w.flags(cmd)
	complete.Flag(k, cmd, "release", complete.Releases)
	f := cmd.Flags()
	f.IntVar(&status, "status", 0, "answered with this HTTP `status`")
	f.BoolVar(&reported, "reported", false, "only those that somebody reported")
	f.StringVar(&path, "path", "", "asked at this `path`; * stands for anything")
	f.IntVarP(&limit, "limit", "n", 50, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.Prediction{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case limit < 1 || limit > 1000:
			return cairn.Errorf(cairn.CodeInvalid, "--limit is %d; it can be 1 to 1000", limit)
		case c.Flags().Changed("status") && (status < 100 || status > 599):
			return cairn.Errorf(cairn.CodeInvalid, "--status is %d; it can be 100 to 599", status)
		}
		stage := ""
		if len(args) > 0 {
			stage = args[0]
		}
		q, err := w.filter(c.Context(), k, stage)
		if err != nil {
			return err
		}
		q.Status, q.Reported, q.Path, q.Limit = status, reported, path, limit
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		ps, err := cl.Predictions(c.Context(), q)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(ps)
		}
		if len(ps) == 0 {
			fmt.Fprintln(k.Term.Err, "no predictions; cairn status shows where an API answers")
			return nil
		}
		return writeList(k, ps)
	}
	return cmd
}

func writeList(k *kit.Kit, ps []cairn.Prediction) error {
	s := k.Term.OutStyle()
	tb := k.Term.NewTable("PREDICTION", "STAGE", "WHEN", "ANSWER", "TOOK", "REQUEST", "REPORTED")
	for _, p := range ps {
		answer := fmt.Sprint(p.Status)
		switch {
		case p.Status == 0:
			answer = "-"
		case p.Status >= 400:
			answer = s.Red(answer)
		}
		if p.Deleted {
			answer += " " + s.Dim("erased")
		}
		said := ""
		if p.Report != nil {
			said = "expected " + term.Clean(p.Report.Expected)
			if p.Report.Data != "" {
				said += " -> " + term.Clean(string(p.Report.Data))
			}
		}
		tb.Row(string(p.ID), term.Clean(p.Stage), term.Since(p.At, k.Now()), answer, took(p.Took),
			term.Clip(term.Clean(strings.TrimSpace(p.Method+" "+p.Path)), 60), said)
	}
	return tb.Write()
}

func took(us cairn.Micros) string {
	if us == 0 {
		return ""
	}
	d := time.Duration(us) * time.Microsecond
	if d < time.Second {
		return fmt.Sprintf("%.1fms", float64(us)/1000)
	}
	return term.Duration(d)
}
