package job

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newExplainCache(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain-cache NAME[/STEP]",
		Short: "Say why steps ran, or took earlier outputs",
		Long: `Say why the steps of a job ran, or took the outputs of an earlier one: one line for each. Of
one step, NAME/STEP, every part that its key was made of, with what changed.`,
		Example: `cairn job explain-cache green_ant_4k2m9x1pqz
cairn job explain-cache green_ant_4k2m9x1pqz/train
cairn job explain-cache green_ant_4k2m9x1pqz/train --jq '.changed[].name'`,
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
	}
	out := k.JSONFlags(cmd, client.CacheExplanation{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, n, v, err := find(c.Context(), k, args[0])
		if err != nil {
			return err
		}
		var of []cairn.Job
		for _, j := range jobsOf(v, n) {
			if !j.Call {
				of = append(of, j)
			}
		}
		order := map[string]int{}
		for i, node := range v.Graph {
			order[node.Path] = i
		}
		slices.SortStableFunc(of, func(a, b cairn.Job) int {
			return cmp.Or(cmp.Compare(order[a.Node], order[b.Node]), cmp.Compare(a.ID, b.ID))
		})
		switch {
		case len(of) == 0:
			return cairn.Errorf(cairn.CodeNotFound, "nothing of %s has begun yet", args[0]).WithHint("cairn job stream %s", n.Name)
		case len(of) == 1 && (n.Path != "" || len(v.Graph) <= 1):
			x, err := cl.ExplainCache(c.Context(), childName(n.Name, &of[0]))
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(x)
			}
			return writeExplanation(k, x)
		}
		var all []*client.CacheExplanation
		for i := range of {
			x, err := cl.ExplainCache(c.Context(), childName(n.Name, &of[i]))
			if err != nil {
				return err
			}
			all = append(all, x)
		}
		if out.On() {
			return out.Write(all)
		}
		return writeExplanations(k, n.Name, all)
	}
	return cmd
}

func childName(root string, j *cairn.Job) string { return root + "/" + j.Path }

// writeExplanations is a line for each step.
func writeExplanations(k *kit.Kit, root string, all []*client.CacheExplanation) error {
	s := k.Term.OutStyle()
	width := 0
	for _, x := range all {
		width = max(width, term.VisibleWidth(term.Clean(x.Job.Path)))
	}
	for _, x := range all {
		st, c := x.Job.Status, x.Job.Conclusion
		name := term.Clean(x.Job.Path)
		line := fmt.Sprintf("%s %-*s  %s", s.Paint(st, c, k.Term.Symbol(st, c)), width, name, because(x))
		if _, err := fmt.Fprintln(k.Term.Out, line); err != nil {
			return err
		}
	}
	fmt.Fprintf(k.Term.Err, "%s cairn job explain-cache %s/STEP\n", k.Term.ErrStyle().Cyan("next:"), root)
	return nil
}

// because says in a line why a step ran or did not.
func because(x *client.CacheExplanation) string {
	switch {
	case x.Job.Task != nil && x.Job.Task.From > 0 && x.AgainstName != "":
		return "reused from " + term.Clean(x.AgainstName)
	case len(x.Changed) == 0, x.Job.Task == nil, x.Job.Task.Asked == "": // nothing was looked for
		return term.Clean(x.Why)
	}
	text := "ran: "
	for i, c := range x.Changed {
		if i == 3 {
			text += fmt.Sprintf(", and %d more", len(x.Changed)-i)
			break
		}
		if i > 0 {
			text += ", "
		}
		text += c.Name + " changed"
		if len(c.Files) > 0 {
			text += " (" + c.Files[0]
			if n := len(c.Files) - 1; n > 0 {
				text += fmt.Sprintf(" and %s", term.Count(int64(n), "more file"))
			}
			text += ")"
		}
	}
	if x.AgainstName != "" {
		text += " since " + x.AgainstName
	}
	return term.Clean(text)
}

func writeExplanation(k *kit.Kit, x *client.CacheExplanation) error {
	s := k.Term.OutStyle()
	w := func(format string, args ...any) { fmt.Fprintf(k.Term.Out, format, args...) }
	w("%s  %s\n", s.Bold(term.Clean(x.Job.Path)), term.Clean(x.Why))
	if x.Key != "" {
		w("%s %s\n", s.Dim("key"), x.Key)
	}
	changed := map[string]client.ChangedPart{}
	for _, c := range x.Changed {
		changed[c.Name] = c
	}
	width := 0
	for _, p := range x.Parts {
		width = max(width, term.VisibleWidth(term.Clean(p.Name)))
	}
	if x.AgainstName != "" {
		w("%s %s\n", s.Dim("compared with"), term.Clean(x.AgainstName))
	}
	shown := map[string]bool{}
	for _, p := range x.Parts {
		c, differs := changed[p.Name]
		shown[p.Name] = true
		if !differs {
			w("  = %-*s  %s\n", width, term.Clean(p.Name), s.Dim(partText(p.Value)))
			continue
		}
		writeChange(w, s, width, c)
	}
	for _, c := range x.Changed {
		if !shown[c.Name] {
			writeChange(w, s, width, c)
		}
	}
	return nil
}

func writeChange(w func(string, ...any), s term.Style, width int, c client.ChangedPart) {
	w("  %s %-*s  %s -> %s\n", s.Yellow("~"), width, term.Clean(c.Name), orNone(partText(c.Was)), orNone(partText(c.Is)))
	for i, f := range c.Files {
		if i == 20 {
			w("    %*s  … and %s\n", width, "", term.Count(int64(len(c.Files)-i), "more file"))
			break
		}
		w("    %*s  %s\n", width, "", term.Clean(f))
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// partText is what went into a key, short enough to read.
func partText(v string) string {
	if d := cairn.Digest(v); d.Valid() {
		return d.Short()
	}
	return term.Clip(term.Clean(v), 60)
}
