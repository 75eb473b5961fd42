package compute

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Defaults of the original (azure-ai-ml 1.35.2).
const (
	DefaultMax  = 4
	DefaultIdle = 120 // seconds
	DefaultSize = "STANDARD_DS3_V2"
)

// Of is a compute as its checked file has it.
func Of(v pipeline.Value) (cairn.Compute, error) {
	x := cairn.Compute{
		Name: text(v, "name"), Type: strings.ToLower(text(v, "type")), Size: text(v, "size"), Min: number(v, "min_instances", 0), Max: number(v, "max_instances", DefaultMax),
		Idle: number(v, "idle_time_before_scale_down", DefaultIdle), Tier: text(v, "tier"), Location: text(v, "location"), Description: text(v, "description"),
		Shutdown: number(v, "idle_time_before_shutdown_minutes", 0),
	}
	if s := text(v, "idle_time_before_shutdown"); s != "" && x.Shutdown == 0 {
		var ok bool
		if x.Shutdown, ok = minutes(s); !ok {
			return x, cairn.Errorf(cairn.CodeInvalid, "idle_time_before_shutdown: %q is no length of time", s).WithHint("PT30M is half an hour, PT2H are two hours")
		}
	}
	if tags, ok := v.Field("tags"); ok && tags.Given() {
		x.Tags = map[string]string{}
		for _, p := range tags.Pairs {
			x.Tags[p.Key.Value] = p.Value.Text
		}
	}
	if s, ok := v.Field("schedules"); ok && s.Given() {
		x.Schedules = s.Plain()
	}
	return x, nil
}

// Fill gives a compute what the original gives it where nothing is said. An instance has one
// node and no scaling.
func Fill(x *cairn.Compute) {
	if x.Size == "" {
		x.Size = DefaultSize
	}
	if x.Type == cairn.ComputeInstance {
		x.Min, x.Max, x.Idle = 0, 1, 0
	}
}

func text(v pipeline.Value, key string) string {
	f, _ := v.Field(key)
	return f.Text
}

// number is an integer of a checked file; other where it is not given.
func number(v pipeline.Value, key string, other int) int {
	f, ok := v.Field(key)
	if !ok || !f.Given() {
		return other
	}
	if n, err := strconv.Atoi(strings.TrimSpace(f.Text)); err == nil {
		return n
	}
	return int(f.Num)
}

// minutes reads a length of time as ISO 8601 writes it, in whole minutes, rounded up.
func minutes(s string) (int, bool) {
	m := regexp.MustCompile(`^P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?$`).FindStringSubmatch(strings.ToUpper(strings.TrimSpace(s)))
	if m == nil {
		return 0, false
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, or nothing: 0
	}
	total := n[0]*24*60 + n[1]*60 + n[2] + (n[3]+59)/60
	return total, total > 0
}
