package trigger_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn/internal/trigger"
)

func table(t interface{ Fatal(...any) }, expr, zone string) *trigger.Table {
	x, err := trigger.NewTable(expr, zone)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, expr, zone, from, want string }{
		{"every minute", "* * * * *", "", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
		{"five minutes", "*/5 * * * *", "", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z 2026-01-01T00:10:00Z"},
		{"from an offset", "7/20 * * * *", "", "2026-01-01T00:00:00Z", "2026-01-01T00:07:00Z 2026-01-01T00:27:00Z"},
		{"weekdays", "30 5 * * 1-5", "", "2026-01-02T06:00:00Z", "2026-01-05T05:30:00Z"},
		{"names", "0 0 1 JAN *", "", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"either day", "0 0 13 * FRI", "", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z 2026-01-09T00:00:00Z 2026-01-13T00:00:00Z"},
		{"leap day", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"never", "0 0 30 2 *", "", "2026-01-01T00:00:00Z", "-"},
		{"a zone", "0 9 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z"},
		{"summer", "0 9 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z"},
		// On 29 March 2026 the clock goes from 2:00 to 3:00: 2:30 comes at 3:00.
		{"skipped", "30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"skipped once", "0,30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
		{"every hour in spring", "30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
		// On 25 October 2026 2:30 comes twice: it runs once.
		{"twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"every hour in autumn", "30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
		{"midnight is skipped", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z"},
	} {
		x := table(t, c.expr, c.zone)
		at, _ := time.Parse(time.RFC3339, c.from)
		for _, w := range strings.Fields(c.want) {
			at = x.Next(at)
			if w == "-" && at.IsZero() {
				break
			}
			if got := at.Format(time.RFC3339); got != w {
				t.Errorf("%s: %s in %s: %s, want %s", c.name, c.expr, c.zone, got, w)
			}
		}
	}
}

func TestScheduleRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range [][2]string{
		{"@daily", ""}, {"@every 1h", ""}, {"0 0 * *", ""}, {"0 0 0 * * *", ""}, {"60 * * * *", ""}, {"* * * * 7", ""}, {"? * * * *", ""},
		{"CRON_TZ=UTC 0 0 * *", ""}, {"* * * * *", "Mars/Phobos"}, {"* * * * *", "Local"}, {"* * * * *", "../../etc/passwd"},
	} {
		if _, err := trigger.NewTable(bad[0], bad[1]); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

// However long nobody looked, a schedule is due once, for its last time.
func TestScheduleMisfire(t *testing.T) {
	t.Parallel()
	x := table(t, "0 * * * *", "")
	last := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, _, ok := x.Between(last, last.Add(59*time.Minute)); ok {
		t.Error("due before its time")
	}
	due, missed, ok := x.Between(last, last.Add(5*time.Hour+10*time.Minute))
	if !ok || missed != 4 || !due.Equal(last.Add(5*time.Hour)) {
		t.Errorf("%s, %d missed, %v", due, missed, ok)
	}
	due, missed, ok = table(t, "* * * * *", "").Between(last, last.AddDate(3, 0, 0).Add(30*time.Second))
	if !ok || missed < 10_000 || !due.Equal(last.AddDate(3, 0, 0)) {
		t.Errorf("after years: %s, %d missed, %v", due, missed, ok)
	}
}

// Next is always later, on a whole minute, and what the clock then shows is in the
// table, or the clock has just changed.
func TestScheduleProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"}).Draw(t, "zone")
		h, m := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		x := table(t, itoa(m)+" "+itoa(h)+" * * *", zone)
		at := time.Unix(rapid.Int64Range(1.5e9, 1.9e9).Draw(t, "from"), 0)
		loc, err := trigger.Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			next := x.Next(at)
			if !next.After(at) || next.Sub(at) > 26*time.Hour || next.Second() != 0 {
				t.Fatalf("after %s comes %s", at, next)
			}
			l := next.In(loc)
			_, was := l.Add(-time.Minute).Zone()
			_, is := l.Zone()
			if (l.Hour() != h || l.Minute() != m) && was == is {
				t.Fatalf("%d:%02d comes at %s", h, m, l)
			}
			at = next
		}
	})
}

func itoa(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

func TestProblems(t *testing.T) {
	t.Parallel()
	w := parse(t, "  issues:\n  schedule:\n    - cron: '0 0 * * *'\n      timezone: Mars/Phobos")
	ps := trigger.Problems(w)
	if len(ps) != 2 || ps[0].Line != 2 || !strings.Contains(ps[0].Message, "issues") || ps[1].Line != 5 || ps[1].Severity != "error" {
		t.Errorf("%+v", ps)
	}
}

func BenchmarkScheduleNext(b *testing.B) {
	x, err := trigger.NewTable("30 5 * * 1-5", "Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		x.Next(at)
	}
}

func TestTooManyInputs(t *testing.T) {
	t.Parallel()
	on := "  workflow_dispatch:\n    inputs:\n"
	for i := range 26 {
		on += "      i" + itoa(i) + ": {}\n"
	}
	if ps := trigger.Problems(parse(t, on)); len(ps) != 1 || ps[0].Line != 4+25 || !strings.Contains(ps[0].Message, "26 inputs") {
		t.Errorf("%+v", ps)
	}
}
