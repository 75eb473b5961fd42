package cairn

import "strings"

// Condition is an if as it was evaluated: why something ran, and why it did not.
type Condition struct {
	// Expr is the condition as it is written; "" where there is none, which means
	// success().
	Expr   string `json:"expr,omitempty"`
	Result bool   `json:"result"`
	// Implicit says that success() && was put before it, since it asks for no status
	// itself.
	Implicit bool `json:"implicit,omitempty"`
	// Status is the job's status so far, for the if of a step.
	Status Conclusion `json:"status,omitempty"`
	// Values are what the parts of the condition came to.
	Values []ConditionValue `json:"values,omitempty"`
	// Needs are the jobs before this one, not only those that it names, that made
	// success() false.
	Needs []ConditionNeed `json:"needs,omitempty"`
}

// ConditionValue is a part of a condition and its value, as JSON or clipped text.
type ConditionValue struct {
	Expr  string `json:"expr"`
	Value string `json:"value"`
}

// ConditionNeed is a job that did not end with success. Via is the job among the
// needs through which it counts; "" where it is named itself.
type ConditionNeed struct {
	Job    string     `json:"job"`
	Result Conclusion `json:"result"`
	Via    string     `json:"via,omitempty"`
}

// String says the condition in one line for people.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	switch {
	case c.Expr == "":
		b.WriteString("success()")
	case c.Implicit:
		b.WriteString("success() && (" + c.Expr + ")")
	default:
		b.WriteString(c.Expr)
	}
	if c.Result {
		b.WriteString(" is true")
	} else {
		b.WriteString(" is false")
	}
	var parts []string
	for _, n := range c.Needs {
		part := n.Job + ": " + string(n.Result)
		if n.Via != "" {
			part += " (behind " + n.Via + ")"
		}
		parts = append(parts, part)
	}
	if c.Status != "" && c.Status != Success {
		parts = append(parts, "job.status: "+string(c.Status))
	}
	for _, v := range c.Values {
		parts = append(parts, v.Expr+" = "+v.Value)
	}
	if len(parts) > 0 {
		b.WriteString(": " + strings.Join(parts, ", "))
	}
	return b.String()
}

// Claim is what a run, a job or a called workflow asks of a concurrency group.
type Claim struct {
	Group            string `json:"group"`
	CancelInProgress bool   `json:"cancel_in_progress,omitempty"`
	Queue            string `json:"queue,omitempty"` // QueueMax, or ""
}

// String names the claim in traces of decisions.
func (c *Claim) String() string {
	if c == nil {
		return ""
	}
	return c.Group
}

// Resume names the earlier job in whose workspace another one goes on.
type Resume struct {
	Job     JobID `json:"job"`
	Epoch   int64 `json:"epoch"`
	Attempt int   `json:"attempt"`
	// Step is the row of that job from which on steps run again.
	Step int `json:"step"`
}

// GroupMember is a run, or a job of one, in a concurrency group.
type GroupMember struct {
	Run  RunID  `json:"run"`
	Job  JobID  `json:"job,omitempty"`
	Path string `json:"path,omitempty"` // of the job
	// Place counts those that wait, from 1; 0 for the one that is in.
	Place int `json:"place"`
}

// ConcurrencyGroup is who is in a concurrency group and who waits for it.
type ConcurrencyGroup struct {
	Repository string        `json:"repository"`
	Group      string        `json:"group"`
	Holders    []GroupMember `json:"holders"` // several only until those that are cancelled have ended
	Waiting    []GroupMember `json:"waiting"` // in their order
}
