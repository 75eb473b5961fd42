package status

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// stages writes what is live where, and what waits for whom.
func stages(b *strings.Builder, k *kit.Kit, r *Report) {
	several := false
	for _, s := range r.Stages {
		several = several || s.Stage.Repository != r.Stages[0].Stage.Repository
	}
	asked := map[cairn.Ref]bool{}
	for _, a := range r.Approvals {
		asked[a.What] = true
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		name := s.Stage.Name
		if several {
			name += " of " + s.Stage.Repository
		}
		fmt.Fprintf(b, "\n%s  %s\n", k.Term.OutStyle().Bold(term.Clean(name)), term.Clean(s.Stage.URL))
		one(b, k, s)
		for _, d := range s.Waiting {
			if !asked[d.Ref()] {
				row(b, "waiting", fmt.Sprintf("deployment %d is %s%s", d.ID, d.Status, because(d.Reason)))
			}
		}
	}
	if len(r.Approvals) > 0 {
		b.WriteByte('\n')
	}
	for _, a := range r.Approvals {
		approval(b, k, a)
	}
}

func row(b *strings.Builder, name, text string) {
	fmt.Fprintf(b, "  %-8s %s\n", name, term.Clean(text))
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// one tells of one stage.
func one(b *strings.Builder, k *kit.Kit, s *cairn.StageInfo) {
	if s.Live == nil {
		row(b, "live", "nothing")
		return
	}
	live := fmt.Sprintf("deployment %d, since %s (%s)", s.Live.ID, s.Live.LiveAt.UTC().Format("2006-01-02 15:04"), term.Since(s.Live.LiveAt, k.Now()))
	if r := s.Release; r != nil {
		live = fmt.Sprintf("r%d of %s", r.Seq, r.Service)
		if len(r.Tags) > 0 {
			live += " (" + strings.Join(r.Tags, ", ") + ")"
		}
		live += fmt.Sprintf(", since %s (%s)", s.Live.LiveAt.UTC().Format("2006-01-02 15:04"), term.Since(s.Live.LiveAt, k.Now()))
	}
	if s.Live.ApprovedBy != "" {
		live += ", approved by " + s.Live.ApprovedBy
	}
	row(b, "live", live)
	if c := s.Commit; c != nil {
		text := fmt.Sprintf("%s: %s (%s)", c.Author, c.Subject, c.SHA[:min(12, len(c.SHA))])
		if s.Release != nil && s.Release.Dirty {
			text += " and uncommitted changes"
		}
		row(b, "commit", text)
	}
	if s.Model != "" {
		row(b, "model", string(s.Model))
	}
	health(b, k, s)
}

func health(b *strings.Builder, k *kit.Kit, s *cairn.StageInfo) {
	st := k.Term.OutStyle()
	var parts []string
	if s.Status != nil && s.Status.Live != nil {
		i := s.Status.Live
		if i.Health != "" && s.Healthy {
			parts = append(parts, i.Health+" answers")
		}
		if i.Restarts > 0 {
			parts = append(parts, term.Count(int64(i.Restarts), "restart"))
		}
		if i.Memory > 0 {
			parts = append(parts, term.Size(i.Memory))
		}
		parts = append(parts, term.Count(s.Status.Requests, "request"))
		if s.Status.Failed > 0 {
			parts = append(parts, fmt.Sprintf("%d of them failed here", s.Status.Failed))
		}
	}
	word := st.Green("healthy")
	if !s.Healthy {
		word = st.Red("not healthy") + term.Clean(because(s.Problem))
	}
	if len(parts) > 0 {
		word += "; " + term.Clean(strings.Join(parts, ", "))
	}
	fmt.Fprintf(b, "  %-8s %s\n", "health", word)
	if !s.Healthy {
		fmt.Fprintf(b, "  %-8s %s\n", "", st.Cyan("cairn logs "+term.ShellQuote(s.Stage.Name)))
	}
}

// approval says what waits, for whom, and what to type.
func approval(b *strings.Builder, k *kit.Kit, a cairn.PendingApproval) {
	text := fmt.Sprintf("%s for %s of %s, asked by %s %s", a.What, a.Environment, a.Repository, a.By, term.Since(a.Since, k.Now()))
	if len(a.Reviewers) > 0 {
		text += "; " + strings.Join(a.Reviewers, " or ") + " may decide"
	}
	if n := cairn.Needed(a.Reviewers, a.Required); n > 1 {
		text += fmt.Sprintf(", %d of them must approve", n)
	}
	for _, v := range a.Votes {
		text += "; approved by " + v.By
	}
	fmt.Fprintf(b, "%-9s %s\n", "approval", term.Clean(text))
	if a.Title != "" {
		fmt.Fprintf(b, "%-9s %s\n", "", term.Clean(a.Title))
	}
	cmd := "cairn approve " + term.ShellQuote(string(a.What))
	if a.What.Kind() == cairn.KindRun {
		cmd = "cairn approve " + term.ShellQuote(a.What.ID()) + " --environment " + term.ShellQuote(a.Environment)
	}
	fmt.Fprintf(b, "%-9s %s\n", "", k.Term.OutStyle().Cyan(term.Clean(cmd)))
}

// writeAway tells of stages that go on while no server runs.
func writeAway(k *kit.Kit, all []Away) error {
	var b strings.Builder
	answer := 0
	for _, a := range all {
		if a.Status != nil && a.Status.Live != nil {
			answer++
		}
	}
	if answer > 0 {
		fmt.Fprintf(&b, "no server runs; %s without it (predictions are logged, nothing is deployed meanwhile)\n", map[bool]string{true: "1 stage answers", false: fmt.Sprintf("%d stages answer", answer)}[answer == 1])
	}
	for _, a := range all {
		if a.Status == nil || a.Status.Live == nil {
			continue
		}
		i := a.Status.Live
		state := "healthy"
		if !i.Healthy {
			state = "not healthy" + because(i.Reason)
		}
		fmt.Fprintf(&b, "  %s\n", term.Clean(fmt.Sprintf("%s of %s  http://%s  deployment %d, release %s, %s", a.File.Name, a.File.Repository, a.File.Listen, i.Deployment, i.Release, state)))
	}
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}
