package term

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Table collects rows and writes them aligned to Out: two spaces between
// columns, no frame, so that it reads well and cuts well. On a terminal the
// last column is clipped to the width and the head is dim; piped, nothing is
// lost.
type Table struct {
	t    *Term
	head []string
	rows [][]string
}

// NewTable starts a table with its column heads.
func (t *Term) NewTable(head ...string) *Table { return &Table{t: t, head: head} }

// Row adds a row; control characters in cells are dropped, styles kept.
func (tb *Table) Row(cells ...string) { tb.rows = append(tb.rows, cells) }

// Len is the number of rows so far.
func (tb *Table) Len() int { return len(tb.rows) }

// Write writes the table to Out.
func (tb *Table) Write() error { return tb.WriteTo(tb.t.Out, tb.t.OutStyle(), tb.t.OutTTY) }

// WriteTo writes the table anywhere.
func (tb *Table) WriteTo(w io.Writer, s Style, clip bool) error {
	widths := make([]int, len(tb.head))
	for i, h := range tb.head {
		widths[i] = VisibleWidth(h)
	}
	for _, r := range tb.rows {
		for i, c := range r {
			if i < len(widths) {
				widths[i] = max(widths[i], VisibleWidth(c))
			}
		}
	}
	var b strings.Builder
	line := func(cells []string, style func(string) string) {
		var l strings.Builder
		for i, c := range cells {
			l.WriteString(c)
			if i < len(cells)-1 {
				l.WriteString(strings.Repeat(" ", widths[i]-VisibleWidth(c)+2))
			}
		}
		text := strings.TrimRight(l.String(), " ")
		if clip {
			text = Clip(text, tb.t.Width())
		}
		b.WriteString(style(text) + "\n")
	}
	line(tb.head, s.Dim)
	for _, r := range tb.rows {
		line(r, func(x string) string { return x })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Duration writes d as people say it: 0.4s, 12s, 3m05s, 2h10m.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		if ms := d.Milliseconds(); ms > 0 {
			return fmt.Sprintf("%dms", ms)
		}
		return "0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", float64(d.Milliseconds())/1000)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// Since writes how long ago at was.
func Since(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	d := now.Sub(at)
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	case d < 60*24*time.Hour:
		return fmt.Sprintf("%dd ago", int(d.Hours()/24))
	}
	return at.UTC().Format("2006-01-02")
}

// Size writes a number of bytes in powers of 1000, as disks and networks count.
func Size(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, units := float64(n), []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	i := -1
	for f >= 1000 && i < len(units)-1 {
		f /= 1000
		i++
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// Count writes n with its noun: "1 file", "3 files".
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "a") && !strings.HasSuffix(stem, "e") {
		noun = stem + "ie"
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}
