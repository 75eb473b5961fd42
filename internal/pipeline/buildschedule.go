package pipeline

import (
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// schedule reads a schedule with the job that it creates.
func (b *builder) schedule(v Value, dir string) *Schedule {
	s := &Schedule{Name: text(v, "name"), DisplayName: text(v, "display_name"), Description: text(v, "description"), Tags: b.named(v, "tags", ""), Pos: v.Pos}
	if on := boolPtr(v, "is_enabled"); on != nil {
		s.Disabled = !*on
	}
	t, _ := v.Field("trigger")
	s.Trigger = trigger(t)
	b.checkTimes(t)
	create, ok := v.Field("create_job")
	if !ok || !create.Given() {
		return s
	}
	if b.depth > 0 {
		b.fail(create.Pos, "create_job", create, "pipeline.cycle", "", "create_job: a schedule creates no schedule")
		return s
	}
	job := create
	if create.Kind == cairn.TemplateMap {
		job, _ = create.Field("job")
		if !job.Given() { // the job stands here
			doc := &Document{Path: b.doc.Path}
			b.nested(s, doc, create)
			return s
		}
	}
	if job.Kind == cairn.TemplateMap {
		doc := &Document{Path: b.doc.Path}
		b.nested(s, doc, job)
		return s
	}
	if strings.HasPrefix(job.Text, "azureml:") {
		s.JobRef = b.reference(job, dir, "job", "create_job")
		return s
	}
	name := join(dir, strings.TrimPrefix(job.Text, "file:"))
	c := &checker{l: b.l}
	root, ok := b.l.read(name, job, c, place{"create_job", dir})
	b.l.report(c.problems...)
	if !ok {
		return s
	}
	if root.Kind != cairn.TemplateMap {
		b.fail(job.Pos, "create_job", job, "pipeline.type", "", "create_job: %s holds a %s; it has to be a job", name, kindWord(root))
		return s
	}
	if create.Kind == cairn.TemplateMap {
		over := create
		over.Pairs = nil
		for _, p := range create.Pairs {
			if p.Key.Value != "job" {
				over.Pairs = append(over.Pairs, p)
			}
		}
		root = merge(root, over)
	}
	b.nested(s, &Document{Path: name}, root)
	return s
}

// nested reads the job of a schedule as a document of its own.
func (b *builder) nested(s *Schedule, doc *Document, root Value) {
	s.Job = b.l.documentOf(doc, root, Options{Kind: "job"}, b.depth+1)
	if s.Job != nil {
		b.doc.References = append(b.doc.References, s.Job.References...)
	}
}

// merge lays what a schedule says over a job's file, map by map.
func merge(base, over Value) Value {
	if base.Kind != cairn.TemplateMap || over.Kind != cairn.TemplateMap {
		return over
	}
	out := base
	for _, p := range over.Pairs {
		old, _ := out.Field(p.Key.Value)
		out = put(out, []string{p.Key.Value}, merge(old, p.Value))
	}
	return out
}

func trigger(v Value) Trigger {
	t := Trigger{
		Type: strings.ToLower(text(v, "type").Value), Expression: text(v, "expression"), Frequency: strings.ToLower(text(v, "frequency").Value),
		Start: text(v, "start_time"), End: text(v, "end_time"), TimeZone: text(v, "time_zone"), Event: text(v, "event").Value, Name: text(v, "name"), Pos: v.Pos,
	}
	if x, ok := v.Field("interval"); ok {
		t.Interval = int(number(x))
	}
	s, _ := v.Field("schedule")
	ints := func(key string) []int {
		x, _ := s.Field(key)
		if x.Kind == cairn.TemplateNumber || x.Kind == cairn.TemplateString {
			return []int{int(number(x))}
		}
		var out []int
		for _, i := range x.Items {
			out = append(out, int(number(i)))
		}
		return out
	}
	t.Hours, t.Minutes, t.MonthDays = ints("hours"), ints("minutes"), ints("month_days")
	if days, ok := s.Field("week_days"); ok {
		if days.Kind == cairn.TemplateString {
			t.WeekDays = []string{strings.ToLower(days.Text)}
		}
		for _, d := range days.Items {
			t.WeekDays = append(t.WeekDays, strings.ToLower(d.Text))
		}
	}
	return t
}

// checkTimes holds the numbers of a recurrence against the clock and the calendar.
func (b *builder) checkTimes(t Value) {
	within := func(v Value, at string, lo, hi float64, hasHi bool) {
		list := []Value{v}
		if v.Kind == cairn.TemplateSeq {
			list = v.Items
		}
		for i, x := range list {
			here := at
			if v.Kind == cairn.TemplateSeq {
				here = sub(at, strconv.Itoa(i))
			}
			if n := number(x); x.Given() && (n < lo || hasHi && n > hi) {
				b.fail(x.Pos, here, x, "pipeline.range", "", "%s: %s is out of range: %s", here, clip(x.Raw), rangeText(lo, true, hi, hasHi))
			}
		}
	}
	interval, _ := t.Field("interval")
	within(interval, "trigger.interval", 1, 0, false)
	s, _ := t.Field("schedule")
	for _, x := range []struct {
		key    string
		lo, hi float64
	}{{"hours", 0, 23}, {"minutes", 0, 59}, {"month_days", 1, 31}} {
		v, _ := s.Field(x.key)
		within(v, "trigger.schedule."+x.key, x.lo, x.hi, true)
	}
}

// number is the value of a number, also of one that is written as text.
func number(v Value) float64 {
	if v.Kind == cairn.TemplateString {
		n, _ := strconv.ParseFloat(strings.TrimSpace(v.Text), 64) // checked before
		return n
	}
	return v.Num
}
