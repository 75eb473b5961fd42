package release

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newDiff(k *kit.Kit) *cobra.Command {
	var name string
	var all bool
	cmd := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "Say what differs between two releases: code, model, data, packages, settings",
		Long: `Say what differs between two releases: commits with their authors, changed files, metrics
of the model, files of the data, packages, settings.

FROM and TO are releases (r3, v1.2.3, an id), stages (what is live there), deployments or
images that were released. Settings of stages are compared where both are stages.`,
		Example: `cairn release diff staging production
cairn release diff r3 r4
cairn release diff v1.2.3 production --json=packages`,
		Args:              kit.Args(2, 2, "FROM", "TO"),
		ValidArgsFunction: complete.Words(k, 2, complete.Stages, complete.Releases),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	cmd.Flags().BoolVar(&all, "all", false, "every commit, file, parameter and package, instead of the first few")
	out := k.JSONFlags(cmd, cairn.ReleaseDiff{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		d, err := cl.DiffReleases(c.Context(), folder(c.Context(), k, name), args[0], args[1])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(d)
		}
		return writeDiff(k.Term.Out, k.Term.OutStyle(), d, all)
	}
	return cmd
}

// fewLines is how many of a sort are shown without --all.
const fewLines = 10

// writeDiff tells a comparison, one part after the other; parts without a
// difference are one word each.
func writeDiff(w io.Writer, s term.Style, d *cairn.ReleaseDiff, all bool) error {
	p := &diffPrinter{s: s, all: all}
	p.head(d)
	if d.Same {
		p.line("", "both are the same release")
	}
	p.code(d)
	p.models(d.Models)
	p.data(d.Data)
	p.packages(d.Packages)
	p.config(d.Config)
	for _, n := range d.Notes {
		p.part("note")
		p.line("", p.s.Yellow(term.Clean(n)))
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

type diffPrinter struct {
	b     strings.Builder
	s     term.Style
	all   bool
	title string
}

// part begins a part; its name stands before its first line.
func (p *diffPrinter) part(title string) { p.title = title }

// line writes one line of a part: a sign, and text.
func (p *diffPrinter) line(sign, text string) {
	if sign != "" {
		sign += " "
	}
	fmt.Fprintf(&p.b, "%s%s%s\n", p.s.Bold(fmt.Sprintf("%-9s ", p.title)), sign, text)
	p.title = ""
}

// some writes the first few of a list.
func (p *diffPrinter) some(n int, write func(i int)) {
	shown := n
	if !p.all && n > fewLines {
		shown = fewLines
	}
	for i := range shown {
		write(i)
	}
	if shown < n {
		p.line("", p.s.Dim(fmt.Sprintf("… %d more (--all)", n-shown)))
	}
}

func (p *diffPrinter) head(d *cairn.ReleaseDiff) {
	for _, x := range []struct {
		name string
		side cairn.ReleaseSide
	}{{"from", d.From}, {"to", d.To}} {
		text := fmt.Sprintf("r%d of %s", x.side.Seq, x.side.Service)
		if x.side.Stage != "" {
			text += ", live on " + x.side.Stage
		}
		if x.side.Commit != "" {
			text += ", commit " + short(x.side.Commit)
		}
		if x.side.Dirty {
			text += " with uncommitted changes"
		}
		if !x.side.CreatedAt.IsZero() {
			text += ", " + x.side.CreatedAt.UTC().Format("2006-01-02 15:04")
		}
		p.part(x.name)
		p.line("", term.Clean(text))
	}
}

func short(sha string) string { return sha[:min(len(sha), 12)] }

func (p *diffPrinter) code(d *cairn.ReleaseDiff) {
	c := d.Code
	p.part("code")
	if len(c.Commits)+len(c.Undone)+c.FileCount == 0 {
		if d.From.Commit == d.To.Commit && d.From.Commit != "" {
			p.line("", p.s.Dim("the same commit"))
		}
		return
	}
	commit := func(sign string, x cairn.Commit) {
		date := ""
		if !x.Date.IsZero() {
			date = ", " + x.Date.UTC().Format(time.DateOnly)
		}
		p.line(sign, fmt.Sprintf("%s %s (%s%s)", short(x.SHA), term.Clean(x.Subject), term.Clean(x.Author), date))
	}
	p.some(len(c.Commits), func(i int) { commit(p.s.Green("+"), c.Commits[i]) })
	p.some(len(c.Undone), func(i int) { commit(p.s.Red("-"), c.Undone[i]) })
	if c.More {
		p.line("", p.s.Dim("… and more commits: git log tells all"))
	}
	p.part("files")
	p.some(len(c.Files), func(i int) {
		f := c.Files[i]
		lines := fmt.Sprintf("+%d -%d", f.Added, f.Removed)
		if f.Binary {
			lines = "binary"
		}
		p.line("~", term.FileName(f.Path)+"  "+lines)
	})
	if more := c.FileCount - len(c.Files); more > 0 {
		p.line("", p.s.Dim(fmt.Sprintf("… %d more files", more)))
	}
}

func (p *diffPrinter) models(ms []cairn.ModelDiff) {
	p.part("model")
	for _, m := range ms {
		switch {
		case m.Same && m.From == m.To:
			p.line("", p.s.Dim("the same: "+term.Clean(string(m.To))))
		case m.Same:
			p.line("", p.s.Dim(fmt.Sprintf("the same bytes: %s, %s", term.Clean(string(m.From)), term.Clean(string(m.To)))))
		default:
			p.line("", term.Clean(change(string(m.From), string(m.To))))
		}
		p.some(len(m.Metrics), func(i int) { p.value("metric", m.Metrics[i]) })
		p.some(len(m.Params), func(i int) { p.value("param", m.Params[i]) })
	}
}

func (p *diffPrinter) value(kind string, v cairn.ValueChange) {
	text := fmt.Sprintf("%s %s  %s", kind, v.Name, change(v.From, v.To))
	if v.Delta != "" {
		text += "  (" + v.Delta + ")"
	}
	p.line(" ", term.Clean(text))
}

// change is "1 -> 2", "+ 2" of what is new, "- 1" of what is gone.
func change(from, to string) string {
	switch {
	case from == "":
		return "+ " + to
	case to == "":
		return "- " + from
	}
	return from + " -> " + to
}

func (p *diffPrinter) data(ds []cairn.DataDiff) {
	p.part("data")
	for _, d := range ds {
		if d.Same {
			p.line("", p.s.Dim("the same: "+term.Clean(string(d.To))))
			continue
		}
		text := change(string(d.From), string(d.To))
		if n := d.Added + d.Removed + d.Changed; n > 0 || d.AtLeast {
			text += fmt.Sprintf("  +%d -%d ~%d files", d.Added, d.Removed, d.Changed)
		}
		if d.AtLeast {
			text += " at least"
		}
		p.line("", term.Clean(text))
		p.some(len(d.Examples), func(i int) { p.line(" ", term.Clean(d.Examples[i])) })
	}
}

func (p *diffPrinter) packages(ps []cairn.PackageChange) {
	p.part("packages")
	p.some(len(ps), func(i int) {
		c := ps[i]
		text := fmt.Sprintf("%s  %s", c.Name, change(c.From, c.To))
		if c.Where != "image" {
			text += "  (" + c.Where + ")"
		}
		p.line("", term.Clean(text))
	})
}

func (p *diffPrinter) config(cs []cairn.ConfigChange) {
	p.part("settings")
	p.some(len(cs), func(i int) {
		c := cs[i]
		p.line("", term.Clean(fmt.Sprintf("%s %s  %s", c.Where, c.Name, change(c.From, c.To))))
	})
}
