package trigger

import (
	"fmt"
	"math/bits"
	"time"
	_ "time/tzdata" // a small image has no zones of its own

	"github.com/robfig/cron/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// Table is a time table in its zone.
type Table struct {
	spec *cron.SpecSchedule
	loc  *time.Location
}

// NewTable reads a time table of five fields; zone is an IANA name, "" is UTC.
func NewTable(expr, zone string) (*Table, error) {
	if reason := workflow.CronReason(expr); reason != "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no time table: %s", expr, reason)
	}
	s, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expr)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no time table: %w", expr, err)
	}
	spec, ok := s.(*cron.SpecSchedule)
	if !ok {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no time table of five fields", expr)
	}
	loc, err := Zone(zone)
	return &Table{spec, loc}, err
}

// Zone finds a time zone by its IANA name.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" { // the machine's own would not be the same elsewhere
		return nil, cairn.Errorf(cairn.CodeInvalid, "there is no time zone %q", name).
			WithHint("an IANA name, for example Europe/Berlin or UTC")
	}
	return loc, nil
}

// always is the bit that the parser sets for *.
const always = 1 << 63

func has(set uint64, n int) bool { return set&(1<<uint(n)) != 0 }

// day reports whether a day is in the table: where day of month and day of week are
// both given, one of them is enough.
func (t *Table) day(d time.Time) bool {
	dom, dow := has(t.spec.Dom, d.Day()), has(t.spec.Dow, int(d.Weekday()))
	if t.spec.Dom&always != 0 || t.spec.Dow&always != 0 {
		return dom && dow
	}
	return dom || dow
}

// horizon is how far Next looks: a 29th of February on a given weekday comes within
// 28 years, save around a century.
const horizon = 41

// Next is the first time after a moment; zero where there is none. A time that the
// clock skips in spring comes as soon as it goes on, once; one that it shows twice
// in autumn comes once. Tables of every hour go by the time that passes.
func (t *Table) Next(after time.Time) time.Time {
	start := after.Truncate(time.Minute).Add(time.Minute)
	from := start.In(t.loc)
	y, m, d := from.Date()
	for i := -1; i < horizon*366; i++ { // the day before: its last times may be skipped into this one
		noon := time.Date(y, m, d+i, 12, 0, 0, 0, time.UTC)
		if !has(t.spec.Month, int(noon.Month())) || !t.day(noon) {
			continue
		}
		if at := t.within(noon, start); !at.IsZero() {
			return at.UTC()
		}
	}
	return time.Time{}
}

// within is the first time of a day that is not before start.
func (t *Table) within(day, start time.Time) time.Time {
	y, m, d := day.Date()
	if t.spec.Hour&always != 0 {
		at := start
		if midnight := t.wall(y, m, d, 0, 0); midnight.After(at) {
			at = midnight
		}
		for ; ; at = at.Add(time.Minute) {
			l := at.In(t.loc)
			if ly, lm, ld := l.Date(); ly != y || lm != m || ld != d {
				return time.Time{}
			}
			if has(t.spec.Minute, l.Minute()) {
				return at
			}
		}
	}
	for hours := t.spec.Hour &^ always; hours != 0; hours &= hours - 1 {
		h := bits.TrailingZeros64(hours)
		if t.wall(y, m, d, h, 59).Before(start) {
			continue
		}
		for minutes := t.spec.Minute &^ always; minutes != 0; minutes &= minutes - 1 {
			if at := t.wall(y, m, d, h, bits.TrailingZeros64(minutes)); !at.Before(start) {
				return at
			}
		}
	}
	return time.Time{}
}

// wall is the moment at which the clock shows a time: the first of two, and for a
// time that is skipped the moment at which it goes on.
func (t *Table) wall(y int, m time.Month, d, h, minute int) time.Time {
	return wall(t.loc, y, m, d, h, minute)
}

func wall(loc *time.Location, y int, m time.Month, d, h, minute int) time.Time {
	at := time.Date(y, m, d, h, minute, 0, 0, loc)
	const around = 26 * time.Hour
	before, after := offset(at.Add(-around)), offset(at.Add(around))
	if at.Hour() != h || at.Minute() != minute || at.Day() != d {
		return change(at.Add(-around), at.Add(around))
	}
	if before > after {
		if twin := at.Add(-(before - after)); twin.Hour() == h && twin.Minute() == minute && twin.Day() == d {
			return twin
		}
	}
	return at
}

func offset(t time.Time) time.Duration {
	_, s := t.Zone()
	return time.Duration(s) * time.Second
}

// change finds the moment between two at which the zone's offset changes.
func change(from, to time.Time) time.Time {
	was := offset(from)
	for to.Sub(from) > time.Second {
		if mid := from.Add(to.Sub(from) / 2); offset(mid) == was {
			from = mid
		} else {
			to = mid
		}
	}
	return to.Truncate(time.Second)
}

// maxMissed bounds how many times are counted that went by.
const maxMissed = 10_000

// Between tells the last time of the table after last and up to now, and how many
// came before it in that span; ok is false where none did.
func (t *Table) Between(last, now time.Time) (due time.Time, missed int, ok bool) {
	return between(t.Next, last, now)
}

func between(next func(time.Time) time.Time, last, now time.Time) (due time.Time, missed int, ok bool) {
	for at := next(last); !at.IsZero() && !at.After(now); at = next(at) {
		if ok {
			missed++
		}
		due, ok = at, true
		if missed >= maxMissed {
			// So long ago that the exact number says nothing more.
			last = now.Add(-time.Hour)
			if later, n, any := between(next, last, now); any && later.After(due) {
				due, missed = later, missed+n
			}
			break
		}
	}
	return due, missed, ok
}

// MaxInputs is how many inputs a workflow is started with, as on GitHub.
const MaxInputs = 25

// Problems are findings about what starts a workflow: events that nothing here
// fires, time zones that nobody knows, more inputs than can be given.
func Problems(w *workflow.Workflow) []cairn.Problem {
	var out []cairn.Problem
	for _, e := range w.On {
		if !Fires(e.Name) {
			message, hint := NeverFires(e.Name)
			out = append(out, cairn.Problem{Position: e.Pos, Severity: cairn.SeverityWarning, Code: "workflow.never-fires", Message: message, Hint: hint})
		}
		if n := len(e.Inputs); e.Name == "workflow_dispatch" && n > MaxInputs {
			out = append(out, cairn.Problem{Position: e.Inputs[MaxInputs].Pos, Severity: cairn.SeverityError, Code: "workflow.inputs",
				Message: fmt.Sprintf("workflow_dispatch has %d inputs; at most %d are allowed", n, MaxInputs)})
		}
		for _, c := range e.Schedule {
			if _, err := Zone(c.Timezone.Value); err != nil {
				ce := cairn.AsError(err)
				out = append(out, cairn.Problem{Position: c.Timezone.Pos, Severity: cairn.SeverityError, Code: "workflow.timezone", Message: ce.Message, Hint: ce.Hint})
			}
		}
	}
	return out
}
