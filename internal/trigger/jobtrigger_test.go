package trigger

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func TestCheckJob(t *testing.T) {
	t.Parallel()
	text := func(s string, column int) pipeline.Text {
		return pipeline.Text{Value: s, Set: true, Pos: cairn.Position{Line: 2, Column: column}}
	}
	for _, c := range []struct {
		trigger pipeline.Trigger
		want    []string
	}{
		{pipeline.Trigger{Type: "cron", Expression: text("0 3 * * 1-5", 9), TimeZone: text("W. Europe Standard Time", 30)}, nil},
		{pipeline.Trigger{Type: "recurrence", Frequency: "day", Interval: 1}, nil},
		{pipeline.Trigger{Type: "event", Event: "model-registered"}, nil},
		{pipeline.Trigger{Type: "cron", Expression: text("0 25 * * *", 9), TimeZone: text("Midle Europe", 30)},
			[]string{`2:30 trigger.time_zone: there is no time zone "Midle Europe"`, "2:9 trigger.expression: "}},
		{pipeline.Trigger{Type: "recurrence", TimeZone: text("Mars", 30)}, []string{`2:30 trigger.time_zone: there is no time zone "Mars"`}},
	} {
		ps := CheckJob(&c.trigger)
		if len(ps) != len(c.want) {
			t.Errorf("%+v: %v", c.trigger, ps)
			continue
		}
		for i, p := range ps {
			if got := p.Position.String() + " " + p.Message; !strings.HasPrefix(got, c.want[i]) {
				t.Errorf("%q, want %q", got, c.want[i])
			}
		}
	}
}
