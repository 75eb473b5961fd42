package trigger

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// CheckJob says what is wrong with the trigger of a schedule of jobs beyond its shape: a
// time zone, a cron expression.
func CheckJob(t *pipeline.Trigger) []cairn.Problem {
	var out []cairn.Problem
	add := func(err error, pos cairn.Position, path string) {
		e := cairn.AsError(err)
		if pos.Line == 0 {
			pos = t.Pos
		}
		out = append(out, cairn.Problem{Position: pos, Severity: cairn.SeverityError, Code: "schedule.trigger", Path: path, Message: path + ": " + e.Message, Hint: e.Hint})
	}
	loc, err := AnyZone(t.TimeZone.Value)
	if err != nil {
		add(err, t.TimeZone.Pos, "trigger.time_zone")
	}
	if t.Type == "cron" {
		zone := "UTC"
		if loc != nil {
			zone = loc.String()
		}
		if _, err := NewTable(t.Expression.Value, zone); err != nil {
			add(err, t.Expression.Pos, "trigger.expression")
		}
	}
	return out
}
