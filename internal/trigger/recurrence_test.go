package trigger_test

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn/internal/trigger"
	"pgregory.net/rapid"
)

func at(t interface{ Fatal(...any) }, s, zone string) time.Time {
	loc, err := trigger.AnyZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	out, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnyZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "UTC", "Pacific Standard Time": "America/Los_Angeles", "w. europe standard time": "Europe/Berlin",
		"Asia/Tokyo": "Asia/Tokyo", "Tokyo Standard Time": "Asia/Tokyo", "UTC": "Etc/UTC",
	} {
		loc, err := trigger.AnyZone(name)
		if err != nil || loc.String() != want && !(want == "Etc/UTC" && loc.String() == "UTC") {
			t.Errorf("%q: %v, %v; want %s", name, loc, err, want)
		}
	}
	for _, name := range []string{"Pacific Standrad Time", "Local", "Mars"} {
		if _, err := trigger.AnyZone(name); err == nil {
			t.Errorf("%q is taken for a zone", name)
		}
	}
}

func TestRecurrence(t *testing.T) {
	t.Parallel()
	const zone = "W. Europe Standard Time"
	start := at(t, "2026-03-02 09:30", zone) // a Monday
	for _, c := range []struct {
		name string
		r    trigger.Recurrence
		from string
		want []string
	}{
		{"every 15 minutes", trigger.Recurrence{Frequency: "minute", Interval: 15}, "2026-03-02 09:50", []string{"2026-03-02 10:00", "2026-03-02 10:15"}},
		{"every 6 hours", trigger.Recurrence{Frequency: "hour", Interval: 6}, "2026-03-02 09:30", []string{"2026-03-02 15:30", "2026-03-02 21:30"}},
		{"every other day at its start's time", trigger.Recurrence{Frequency: "day", Interval: 2}, "2026-03-02 10:00", []string{"2026-03-04 09:30", "2026-03-06 09:30"}},
		{"every day at two times", trigger.Recurrence{Frequency: "day", Interval: 1, Hours: []int{18, 6}, Minutes: []int{0}}, "2026-03-01 00:00",
			[]string{"2026-03-02 18:00", "2026-03-03 06:00", "2026-03-03 18:00"}},
		{"every other week on two days", trigger.Recurrence{Frequency: "week", Interval: 2, WeekDays: []time.Weekday{time.Thursday, time.Tuesday}, Hours: []int{8}, Minutes: []int{0}},
			"2026-03-01 00:00", []string{"2026-03-03 08:00", "2026-03-05 08:00", "2026-03-17 08:00"}},
		{"every month on the 31st", trigger.Recurrence{Frequency: "month", Interval: 1, MonthDays: []int{31}, Hours: []int{1}, Minutes: []int{5}},
			"2026-03-01 00:00", []string{"2026-03-31 01:05", "2026-05-31 01:05", "2026-07-31 01:05"}},
		{"a time that is skipped in spring", trigger.Recurrence{Frequency: "day", Interval: 1, Hours: []int{2}, Minutes: []int{30}}, "2026-03-28 03:00",
			[]string{"2026-03-29 03:00", "2026-03-30 02:30"}},
	} {
		c.r.Start = start
		got := at(t, c.from, zone)
		for i, want := range c.want {
			if got = c.r.Next(got); !got.Equal(at(t, want, zone)) {
				t.Errorf("%s: time %d is %v, want %s", c.name, i, got.In(start.Location()), want)
			}
		}
	}
	never := trigger.Recurrence{Frequency: "month", Interval: 12, MonthDays: []int{31}, Start: at(t, "2026-02-01 00:00", "")}
	if got := never.Next(never.Start); !got.IsZero() {
		t.Errorf("a 31st of February is %v", got)
	}
	ended := trigger.Recurrence{Frequency: "day", Interval: 1, Start: start, End: start.Add(30 * time.Hour)}
	if due, missed, ok := ended.Between(start.Add(-time.Minute), start.AddDate(1, 0, 0)); !ok || missed != 1 || !due.Equal(start.AddDate(0, 0, 1)) {
		t.Errorf("the last of two: %v, %d missed, %v", due, missed, ok)
	}
}

// TestRecurrenceProperty: times are after what was asked, in order, and none is left out.
func TestRecurrenceProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"", "W. Europe Standard Time", "Pacific Standard Time", "Nepal Standard Time"}).Draw(t, "zone")
		r := trigger.Recurrence{
			Frequency: rapid.SampledFrom([]string{"minute", "hour", "day", "week", "month"}).Draw(t, "frequency"),
			Interval:  rapid.IntRange(1, 40).Draw(t, "interval"),
			Hours:     rapid.SliceOfN(rapid.IntRange(0, 23), 0, 3).Draw(t, "hours"),
			Minutes:   rapid.SliceOfN(rapid.IntRange(0, 59), 0, 3).Draw(t, "minutes"),
			MonthDays: rapid.SliceOfN(rapid.IntRange(1, 31), 0, 2).Draw(t, "month days"),
			Start:     at(t, "2026-01-15 10:20", zone).Add(time.Duration(rapid.IntRange(0, 600_000).Draw(t, "start")) * time.Minute),
		}
		after := r.Start.Add(time.Duration(rapid.IntRange(-1000, 2_000_000).Draw(t, "after")) * time.Minute)
		first := r.Next(after)
		if first.IsZero() {
			return
		}
		if !first.After(after) || first.Before(r.Start) {
			t.Fatalf("%v is not after %v and its start %v", first, after, r.Start)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(first.Sub(after))-1).Draw(t, "between")))
		if again := r.Next(between); !again.Equal(first) {
			t.Fatalf("from %v it is %v, from %v %v", after, first, between, again)
		}
	})
}
