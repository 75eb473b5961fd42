package trace

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// folder is the repository that the command is typed in, "" outside of one.
func folder(ctx context.Context, k *kit.Kit) string {
	if wt, err := repo.Find(ctx, k); err == nil {
		return wt.Name
	}
	return ""
}

func origins(ctx context.Context, k *kit.Kit, out *kit.JSON) error {
	cl, err := k.Client(ctx)
	if err != nil {
		return err
	}
	list, err := cl.Origins(ctx, folder(ctx, k))
	if err != nil {
		return err
	}
	if out.On() {
		return out.Write(list)
	}
	return writeOrigins(k.Term.Out, k.Term.OutStyle(), list, k.Now())
}

// writeOrigins answers the three questions in a line each, and says how to ask
// for the whole chain.
func writeOrigins(w io.Writer, s term.Style, list []cairn.Origin, now time.Time) error {
	var b strings.Builder
	repository := ""
	if len(list) > 0 {
		repository = list[0].Repository
	}
	for i, o := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		head := o.Stage
		if head == "" {
			head = o.Title
		}
		if o.Repository != repository {
			head += " of " + o.Repository
		}
		b.WriteString(s.Bold(term.Clean(head)))
		for _, part := range []string{o.URL, o.Release, since(o.Since, now)} {
			if part != "" {
				b.WriteString("  " + term.Clean(part))
			}
		}
		if o.Note != "" {
			b.WriteString("  " + s.Yellow(o.Note))
		}
		b.WriteByte('\n')
		line := func(name, text string) { fmt.Fprintf(&b, "  %s %s\n", s.Dim(fmt.Sprintf("%-6s", name)), text) }
		line("code", code(s, &o))
		line("model", models(s, &o))
		line("data", data(s, &o))
		fmt.Fprintf(&b, "  %s %s\n", s.Dim("chain "), s.Cyan("cairn trace "+term.ShellQuote(chain(&o))))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func since(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "live since " + at.UTC().Format("2006-01-02 15:04") + " (" + term.Since(at, now) + ")"
}

// chain is what leads to everything.
func chain(o *cairn.Origin) string {
	if o.Stage != "" {
		return string(cairn.StageRef(o.Repository, o.Stage))
	}
	return string(o.Of)
}

func code(s term.Style, o *cairn.Origin) string {
	if o.Commit == nil {
		return s.Yellow("not known" + gap(o, cairn.KindImage, cairn.KindCommit, cairn.KindRelease, cairn.KindDeployment))
	}
	c := o.Changed
	if c == nil {
		c = o.Commit
	}
	text := fmt.Sprintf("%s, %s: %s (%s)", c.Author, c.Date.UTC().Format(time.DateOnly), c.Subject, c.SHA[:min(12, len(c.SHA))])
	if o.Changed != nil && o.Changed.SHA != o.Commit.SHA {
		text += fmt.Sprintf("; built from %s of %s", o.Commit.SHA[:min(12, len(o.Commit.SHA))], o.Commit.Author)
	}
	text = term.Clean(text)
	if o.Dirty {
		text += " " + s.Yellow("and uncommitted changes")
	}
	return text
}

// gap says why something is not known, where the trace does.
func gap(o *cairn.Origin, kinds ...string) string {
	for _, g := range o.Gaps {
		for _, k := range kinds {
			if g.At.Kind() == k {
				return ": " + term.Clean(g.Reason)
			}
		}
	}
	return ""
}

// fewMetrics is how many metrics of a model stand in its line.
const fewMetrics = 3

func models(s term.Style, o *cairn.Origin) string {
	var parts []string
	for _, m := range o.Models {
		text := term.Clean(string(m.Ref))
		for i, f := range m.Metrics {
			if i == fewMetrics {
				break
			}
			text += term.Clean(fmt.Sprintf("  %s=%s", f.Name, f.Value))
		}
		if m.MadeBy != "" {
			text += ", " + term.Clean(m.MadeBy)
		}
		parts = append(parts, text+note(m.Note))
	}
	if len(parts) == 0 {
		return s.Yellow("not known" + gap(o, cairn.KindImage, cairn.KindModel))
	}
	return strings.Join(parts, "; ")
}

func data(s term.Style, o *cairn.Origin) string {
	var parts []string
	for _, d := range o.Data {
		text := term.Clean(string(d.Ref))
		if d.Holds != "" {
			text += ", " + term.Clean(d.Holds)
		}
		parts = append(parts, text+note(d.Note))
	}
	if len(parts) == 0 {
		why := gap(o, cairn.KindModel, cairn.KindArtifact, cairn.KindJob, cairn.KindMLRun)
		if why == "" && len(o.Models) > 0 && o.Models[0].MadeBy != "" {
			why = ": " + term.Clean(o.Models[0].MadeBy) + " took no data version"
		}
		return s.Yellow("not known" + why)
	}
	return strings.Join(parts, "; ")
}

func note(n string) string {
	if n == "" {
		return ""
	}
	return " (" + term.Clean(n) + ")"
}
