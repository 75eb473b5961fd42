package web

import (
	"fmt"
	"html/template"
	"time"

	"github.com/cairn-ml/cairn"
)

func (p *Pages) funcs() template.FuncMap {
	return template.FuncMap{
		"ago": p.ago, "took": took, "word": word, "class": class, "symbol": symbol, "short": short, "size": size,
		"stagelink": stageLink, "trace": traceLink, "approve": approveCommand, "quote": quote, "deployclass": deployClass, "answerclass": answerClass,
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	}
}

// ago says how long something is past, for people.
func (p *Pages) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	switch d := p.o.Now().Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.UTC().Format(time.DateOnly)
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	d := to.Sub(from)
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// word is the status as one word: never told by colour alone.
func word(s cairn.Status, c cairn.Conclusion) string {
	if s == cairn.StatusCompleted {
		return string(c)
	}
	return string(s)
}

func symbol(s cairn.Status, c cairn.Conclusion) string {
	switch {
	case s == cairn.StatusRunning:
		return "●"
	case s != cairn.StatusCompleted:
		return "○"
	case c == cairn.Success:
		return "✓"
	case c == cairn.Skipped:
		return "–"
	case c == cairn.Cancelled:
		return "⊘"
	}
	return "✗"
}

func class(s cairn.Status, c cairn.Conclusion) string {
	switch {
	case s != cairn.StatusCompleted:
		return "active"
	case c == cairn.Success:
		return "good"
	case c.Bad():
		return "bad"
	}
	return "quiet"
}

func short(s string) string { return s[:min(len(s), 12)] }

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
