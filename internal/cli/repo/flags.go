package repo

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Inputs reads --input k=v flags.
func Inputs(given []string) (map[string]string, error) { return kit.Pairs("input", given) }

// ShowChoice lists the workflows that could have been meant.
func ShowChoice(k *kit.Kit, a *Ambiguous, command string) {
	t := k.Term
	s := t.ErrStyle()
	fmt.Fprintf(t.Err, "%s %s\n\n", s.Bold(s.Red("error:")), term.Clean(a.Error()))
	writeTable(t.Err, k, a.Files, s, t.ErrTTY)
	fmt.Fprintf(t.Err, "\n%s %s --workflow %s\n", s.Cyan("hint:"), command, term.ShellQuote(path.Base(a.Files[0].Path)))
}

// WriteTable lists workflows with their names, files and triggers.
func WriteTable(k *kit.Kit, files []*File) error {
	return writeTable(k.Term.Out, k, files, k.Term.OutStyle(), k.Term.OutTTY)
}

func writeTable(w io.Writer, k *kit.Kit, files []*File, s term.Style, clip bool) error {
	tb := k.Term.NewTable("WORKFLOW", "FILE", "STARTED BY")
	for _, f := range files {
		by := strings.Join(f.Events(), ", ")
		if f.Workflow == nil {
			by = "(cannot be read: cairn workflow lint " + term.ShellQuote(f.Path) + ")"
		}
		tb.Row(term.Clean(f.Name()), term.Clean(f.Path), term.Clean(by))
	}
	return tb.WriteTo(w, s, clip)
}

// Complete offers workflow file names to the shell; it is quiet on failure.
func Complete(k *kit.Kit) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		wt, err := Find(c.Context(), k)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		files, err := Workflows(wt.Root)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var out []string
		for _, f := range files {
			out = append(out, path.Base(f.Path)+"\t"+f.Name())
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
