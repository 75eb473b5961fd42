package trace

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// answer writes the short form of a trace of what is served, a row for each
// question that people have; the tree below it is how each of them is known.
func (p *printer) answer(tr *cairn.Trace) {
	o := *tr.Answer
	o.Gaps = tr.Gaps
	row := func(name string, lines ...string) {
		for _, l := range lines {
			if l != "" {
				fmt.Fprintf(p.b, "%s  %s\n", p.s.Dim(fmt.Sprintf("%-8s", name)), l)
				name = ""
			}
		}
	}
	row("release", served(&o))
	row("image", term.Clean(o.Image.Note)+"  sha256:"+o.Image.Digest.Short())
	if len(o.Models) > 0 {
		row("model", each(o.Models, modelLine)...)
		row("trained", each(o.Models, trained)...)
		if len(o.Data) > 0 {
			row("data", each(o.Data, dataLine)...)
		} else {
			row("data", data(p.s, &o))
		}
	} else {
		row("model", models(p.s, &o))
	}
	row("code", code(p.s, &o))
	row("approved", term.Clean(o.Approved))
	var checks []string
	for _, c := range o.Checks {
		checks = append(checks, term.Clean(c.Name+" "+c.Value))
	}
	row("checks", strings.Join(checks, "; "))
	for _, s := range o.Skipped {
		row("skipped", term.Clean(strings.Replace(s, " was skipped: ", ": ", 1)))
	}
	p.b.WriteByte('\n')
}

func served(o *cairn.Origin) string {
	text := o.Release
	if o.Stage != "" {
		text += " on " + o.Stage
	}
	if o.State != "" {
		text += ", " + o.State
	}
	return term.Clean(text)
}

// liveOnes says which served APIs stand on what was asked about: the tree below it
// holds everything else that came of it, too.
func (p *printer) liveOnes(tr *cairn.Trace) {
	any := false
	release := map[int]string{} // by depth
	tr.Walk(func(depth int, n *cairn.TraceNode) {
		if n.Kind == cairn.KindRelease {
			release[depth] = strings.TrimPrefix(n.Title, "release ")
		}
		url := n.Fact("live at")
		if n.Kind != cairn.KindDeployment || url == "" || n.Seen {
			return
		}
		any = true
		_, where, _ := strings.Cut(n.Title, " on ")
		text := where + "  " + url
		if r := release[depth-1]; r != "" {
			text += "  " + r
		}
		fmt.Fprintf(p.b, "%s  %s\n", p.s.Dim("live on"), term.Clean(text))
	})
	if any {
		p.b.WriteByte('\n')
	}
}

// each makes a line of each thing, no line twice in a row.
func each(things []cairn.OriginThing, line func(*cairn.OriginThing) string) []string {
	var out []string
	for i := range things {
		if l := term.Clean(line(&things[i])); len(out) == 0 || out[len(out)-1] != l {
			out = append(out, l)
		}
	}
	return out
}

func modelLine(m *cairn.OriginThing) string {
	text := string(m.Ref)
	for _, f := range m.Metrics[:min(len(m.Metrics), fewMetrics)] {
		text += fmt.Sprintf("  %s=%s", f.Name, f.Value)
	}
	var parts []string
	for part := range strings.SplitSeq(m.Note, "; ") {
		if part != "" && !strings.Contains(part, " was skipped: ") { // that has a row of its own
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, "; ") + ")"
	}
	return text
}

func trained(m *cairn.OriginThing) string {
	if m.MadeBy == "" {
		return ""
	}
	text := m.MadeBy
	if !m.MadeAt.IsZero() {
		text += ", " + m.MadeAt.UTC().Format("2006-01-02 15:04:05")
	}
	if c := m.MadeFrom; c != nil {
		author, _, _ := strings.Cut(c.Author, " <")
		text += ", from " + strings.TrimSpace(c.SHA[:min(12, len(c.SHA))]+" "+author)
		if c.Subject != "" {
			text += ": " + c.Subject
		}
	}
	return text
}

func dataLine(d *cairn.OriginThing) string {
	text := string(d.Ref)
	if d.Holds != "" {
		text += "  " + d.Holds
	}
	return text + note(d.Note)
}
