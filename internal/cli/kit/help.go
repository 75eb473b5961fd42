package kit

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ExitCodes is the part that every help page ends with.
const ExitCodes = `  0 done   1 the run or operation failed   2 usage   4 not allowed
  5 not found   8 still pending   130 interrupted`

// Install gives root the help, the usage errors and the silence that all
// commands below it inherit.
func (k *Kit) Install(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(k.Term.In)
	root.SetOut(k.Term.Out)
	root.SetErr(k.Term.Err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help-command"})
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		fmt.Fprint(k.Term.Out, Help(c, k.Term.OutStyle()))
	})
	root.SetUsageFunc(func(c *cobra.Command) error {
		_, err := fmt.Fprint(k.Term.Err, Help(c, k.Term.ErrStyle()))
		return err
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		return usageError(known, c.CommandPath(), err)
	})
}

// Help writes the help page of a command.
func Help(c *cobra.Command, s term.Style) string {
	var b strings.Builder
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	b.WriteString(strings.TrimSpace(text) + "\n")
	section := func(title, body string) {
		if body = strings.Trim(body, "\n"); body != "" {
			fmt.Fprintf(&b, "\n%s\n%s\n", s.Bold(title+":"), body)
		}
	}
	use := "  " + c.UseLine()
	if c.HasAvailableSubCommands() {
		if c.Parent() != nil && c.Flags().HasAvailableFlags() && c.Annotations[annRuns] != "" {
			use += "\n  " + c.CommandPath() + " COMMAND [flags]"
		} else {
			use = "  " + c.CommandPath() + " COMMAND [flags]"
		}
	}
	section("Usage", use)
	section("Examples", indent(c.Example))
	section("Commands", commandList(c))
	section("Flags", flagList(c.LocalFlags()))
	if f := c.Annotations[annFields]; f != "" {
		section("JSON fields", wrap(f, 76, "  "))
	}
	section("Exit codes", ExitCodes)
	return b.String()
}

const annRuns = "cairn.runs"

// Runs marks a command that does something itself and holds others too.
func Runs(c *cobra.Command) {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[annRuns] = "1"
}

func indent(text string) string {
	var out []string
	for _, l := range strings.Split(strings.Trim(text, "\n"), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			l = "  " + l
		}
		out = append(out, l)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n ")
}

func commandList(c *cobra.Command) string {
	var b strings.Builder
	width := 0
	for _, s := range c.Commands() {
		if s.IsAvailableCommand() {
			width = max(width, len(s.Name()))
		}
	}
	list := func(id string) {
		for _, s := range c.Commands() {
			if s.IsAvailableCommand() && s.GroupID == id {
				fmt.Fprintf(&b, "  %-*s  %s\n", width, s.Name(), s.Short)
			}
		}
	}
	for _, g := range c.Groups() {
		fmt.Fprintf(&b, "\n %s\n", g.Title)
		list(g.ID)
	}
	list("")
	return b.String()
}

func flagList(fs *pflag.FlagSet) string {
	type row struct{ left, right string }
	var rows []row
	width := 0
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		left := "    --" + f.Name
		if f.Shorthand != "" {
			left = "-" + f.Shorthand + ", --" + f.Name
		}
		value, usage := pflag.UnquoteUsage(f)
		switch {
		case f.NoOptDefVal == allFields:
			left += "[=fields]"
		case value != "":
			left += " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, row{left, usage})
		if len(left) <= 28 {
			width = max(width, len(left))
		}
	})
	var b strings.Builder
	for _, r := range rows {
		if len(r.left) > width {
			fmt.Fprintf(&b, "  %s\n", r.left)
			r.left = ""
		}
		lead := fmt.Sprintf("  %-*s  ", width, r.left)
		text := wrap(r.right, 96-len(lead), strings.Repeat(" ", len(lead)))
		b.WriteString(lead + strings.TrimLeft(text, " ") + "\n")
	}
	return b.String()
}

// wrap breaks text into lines of at most width columns, each after prefix.
func wrap(text string, width int, prefix string) string {
	var lines []string
	cur := ""
	for _, word := range strings.Fields(text) {
		if cur != "" && len(cur)+1+len(word) > width {
			lines = append(lines, prefix+cur)
			cur = ""
		}
		if cur != "" {
			cur += " "
		}
		cur += word
	}
	return strings.Join(append(lines, prefix+cur), "\n")
}
