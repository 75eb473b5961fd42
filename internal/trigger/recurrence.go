package trigger

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// AnyZone finds a time zone by the name that Windows has for it ("Pacific Standard
// Time"), in any case, or by its IANA name; "" is UTC.
func AnyZone(name string) (*time.Location, error) {
	all := windowsZones()
	if iana, ok := all[name]; ok {
		return time.LoadLocation(iana)
	}
	for windows, iana := range all {
		if strings.EqualFold(windows, name) {
			return time.LoadLocation(iana)
		}
	}
	loc, err := Zone(name)
	if err == nil {
		return loc, nil
	}
	hint := `a Windows name, for example "W. Europe Standard Time", or an IANA name, for example Europe/Berlin`
	if near := cairn.Nearest(name, slices.Sorted(maps.Keys(all))); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "there is no time zone %q", name).WithHint("%s", hint)
}

// The frequencies of a recurrence.
const (
	EachMinute = "minute"
	EachHour   = "hour"
	EachDay    = "day"
	EachWeek   = "week"
	EachMonth  = "month"
)

// Recurrence is a time table of the form "every Interval weeks, on these days, at these
// hours", as Azure Machine Learning has it. Lists that are empty take what Start shows.
type Recurrence struct {
	Frequency string
	Interval  int
	Hours     []int // 0-23; not for minutes and hours
	Minutes   []int // 0-59; not for minutes and hours
	WeekDays  []time.Weekday
	MonthDays []int // 1-31; months without that day are left out
	// Start is the first moment; intervals count from it, in its location.
	Start time.Time
	// End is the last moment; zero: none.
	End time.Time
}

// periods bounds how far Next looks, as a number of intervals: a 29th of February with an
// interval of 12 months comes within 8 years, one of a few intervals never.
const periods = 1200

// Next is the first time after a moment; zero where there is none.
func (r *Recurrence) Next(after time.Time) time.Time {
	step := max(r.Interval, 1)
	if after.Before(r.Start) {
		after = r.Start.Add(-time.Nanosecond)
	}
	var at time.Time
	switch r.Frequency {
	case EachMinute, EachHour:
		unit := time.Minute
		if r.Frequency == EachHour {
			unit = time.Hour
		}
		every := time.Duration(step) * unit
		n := after.Sub(r.Start) / every
		at = r.Start.Add(n * every)
		for !at.After(after) {
			at = at.Add(every)
		}
	default:
		at = r.nextDay(after, step)
	}
	if at.IsZero() || !r.End.IsZero() && at.After(r.End) {
		return time.Time{}
	}
	return at.UTC()
}

// nextDay looks through the periods from the one that holds after.
func (r *Recurrence) nextDay(after time.Time, step int) time.Time {
	loc := r.Start.Location()
	first := r.period(r.Start)
	now := r.period(after.In(loc))
	gone := 0
	switch r.Frequency {
	case EachDay:
		gone = int(now.Sub(first).Hours()/24) / step
	case EachWeek:
		gone = int(now.Sub(first).Hours()/24/7) / step
	default:
		gone = ((now.Year()-first.Year())*12 + int(now.Month()-first.Month())) / step
	}
	for k := max(gone-1, 0); k < gone+periods; k++ {
		for _, day := range r.days(first, k*step) {
			for _, h := range orStart(r.Hours, r.Start.Hour()) {
				for _, m := range orStart(r.Minutes, r.Start.Minute()) {
					at := wall(loc, day.Year(), day.Month(), day.Day(), h, m)
					if at.After(after) && !at.Before(r.Start) {
						return at
					}
				}
			}
		}
	}
	return time.Time{}
}

// period is the day on which the period of a moment begins, at midnight UTC: only its date
// counts.
func (r *Recurrence) period(t time.Time) time.Time {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	switch r.Frequency {
	case EachWeek:
		return day.AddDate(0, 0, -int(day.Weekday()))
	case EachMonth:
		return day.AddDate(0, 0, 1-day.Day())
	}
	return day
}

// days are those of the period that lies n days, weeks or months behind first.
func (r *Recurrence) days(first time.Time, n int) []time.Time {
	switch r.Frequency {
	case EachDay:
		return []time.Time{first.AddDate(0, 0, n)}
	case EachWeek:
		week := first.AddDate(0, 0, 7*n)
		var out []time.Time
		days := r.WeekDays
		if len(days) == 0 {
			days = []time.Weekday{r.Start.Weekday()}
		}
		for _, d := range slices.Sorted(slices.Values(days)) {
			out = append(out, week.AddDate(0, 0, int(d)))
		}
		return out
	}
	month := first.AddDate(0, n, 0)
	last := month.AddDate(0, 1, -1).Day()
	var out []time.Time
	for d := 1; d <= last; d++ {
		day := month.AddDate(0, 0, d-1)
		switch {
		case len(r.MonthDays) > 0:
			if !slices.Contains(r.MonthDays, d) {
				continue
			}
		case len(r.WeekDays) > 0:
			if !slices.Contains(r.WeekDays, day.Weekday()) {
				continue
			}
		case d != r.Start.Day():
			continue
		}
		out = append(out, day)
	}
	return out
}

func orStart(given []int, start int) []int {
	if len(given) == 0 {
		return []int{start}
	}
	return slices.Sorted(slices.Values(given))
}

// Between is Table.Between of a recurrence.
func (r *Recurrence) Between(last, now time.Time) (due time.Time, missed int, ok bool) {
	return between(r.Next, last, now)
}
