package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

func jobTitle(j *cairn.Job) string {
	s := fmt.Sprintf("job %s (%d) of run %d", cmp.Or(j.Name, j.Path), j.ID, j.Run)
	if j.Attempt > 1 {
		s += fmt.Sprintf(", attempt %d", j.Attempt)
	}
	return s
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clip(reason, 200)
}

func short(sha string) string { return sha[:min(len(sha), 12)] }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	return ", " + to.Sub(from).Round(100*time.Millisecond).String()
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

func bytes(n int64) string {
	switch {
	case n < 1000:
		return plural(n, "byte")
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
