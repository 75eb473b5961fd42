package cairn

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Environment is a stage of a repository: its rules, secrets and variables.
type Environment struct {
	Repository string   `json:"repository"`
	Name       string   `json:"name"`                // compared without case, kept as first written
	Reviewers  []string `json:"reviewers,omitempty"` // who may approve; empty: nobody need
	// Required is how many of the reviewers must approve; 0 means one.
	Required int           `json:"required,omitempty"`
	Wait     time.Duration `json:"wait,omitempty"`
	// Branches and Tags are patterns of what may deploy. Where neither has any, every
	// ref may; where one has, the other kind of ref may not.
	Branches   []string `json:"branches,omitempty"`
	Tags       []string `json:"tags,omitempty"`
	AllowDirty bool     `json:"allow_dirty,omitempty"`
	// NoSelfReview says that who started a run may not approve it.
	NoSelfReview bool `json:"no_self_review,omitempty"`
	// Gate is a condition in CEL over the run, the metrics of its model and the
	// release; "" means none.
	Gate string `json:"gate,omitempty"`
	// From says where the rules come from; see the EnvironmentFrom constants. File
	// is the digest of the file that they were read from.
	From      string    `json:"from,omitempty"`
	File      Digest    `json:"file,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Where the rules of an environment come from. Those that somebody set by hand
// are never changed by a file.
const (
	EnvironmentFromHand    = ""
	EnvironmentFromFile    = "file"    // .cairn/stages.yml
	EnvironmentFromDefault = "default" // only a workflow names it
)

// SameRules reports whether two environments ask the same.
func (e *Environment) SameRules(o *Environment) bool {
	return slices.Equal(e.Reviewers, o.Reviewers) && Needed(e.Reviewers, e.Required) == Needed(o.Reviewers, o.Required) &&
		e.Wait == o.Wait && slices.Equal(e.Branches, o.Branches) && slices.Equal(e.Tags, o.Tags) &&
		e.AllowDirty == o.AllowDirty && e.NoSelfReview == o.NoSelfReview && e.Gate == o.Gate
}

// CheckReviewers refuses rules that nobody could ever fulfil.
func CheckReviewers(reviewers []string, required int) error {
	switch {
	case required < 0:
		return Errorf(CodeInvalid, "%d reviewers cannot be asked for", required).WithHint("0 or 1 for any one of them")
	case required > len(reviewers):
		return Errorf(CodeInvalid, "%d reviewers must approve, but there are %d", required, len(reviewers)).
			WithHint("name more reviewers, or ask for fewer")
	}
	return nil
}

// Needed is how many of the reviewers must approve.
func Needed(reviewers []string, required int) int {
	if len(reviewers) == 0 {
		return 0
	}
	return max(required, 1)
}

// Awaited says whose approval is waited for; starters are those who may not give it
// because they started what waits.
func Awaited(reviewers []string, needed int, votes []Vote, starters []string) string {
	in := func(names []string, name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	}
	var have, left []string
	for _, v := range votes {
		if v.Approve {
			have = append(have, v.By)
		}
	}
	for _, r := range reviewers {
		if !in(have, r) && !in(starters, r) {
			left = append(left, r)
		}
	}
	more := needed - len(have)
	text := "the approval of " + strings.Join(reviewers, " or ")
	if needed > 1 {
		text = fmt.Sprintf("%d more of %d approvals", more, needed)
		if len(left) > 0 {
			text += ": " + strings.Join(left, " or ")
		}
	}
	if len(have) > 0 {
		text += "; approved by " + strings.Join(have, ", ")
	}
	if len(left) < more {
		text += "; too few of its reviewers may approve: who started it may not"
	}
	return text
}

// RefAllowed reports whether rules take a ref. A pattern is one of branches or of
// tags, by its list, unless it is written whole: refs/pull/*/merge.
func RefAllowed(match func(pattern, ref string) bool, branches, tags []string, ref string) bool {
	if len(branches)+len(tags) == 0 {
		return true
	}
	any := func(patterns []string, kind string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return (strings.HasPrefix(p, "refs/") || strings.HasPrefix(ref, kind)) && match(p, ref)
		})
	}
	return any(branches, "refs/heads/") || any(tags, "refs/tags/")
}

// AllowedRefs says in words what rules take: "main, release/*, tags v*".
func AllowedRefs(branches, tags []string) string {
	out := slices.Clone(branches)
	for i, t := range tags {
		if i == 0 {
			t = "tags " + t
		}
		out = append(out, t)
	}
	return strings.Join(out, ", ")
}

// Approval is the decision on one environment of one attempt.
type Approval struct {
	Run         RunID  `json:"run"`
	Attempt     int    `json:"attempt"`
	Environment string `json:"environment"`
	State       string `json:"state"` // pending, approved, rejected; open: only its gate was asked for yet
	// By is who brought the decision about: the last one who was needed, or who
	// rejected; Votes are everybody.
	By      string `json:"by,omitempty"`
	Comment string `json:"comment,omitempty"`
	Votes   []Vote `json:"votes,omitempty"`
	// Gate is what became of the environment's condition.
	Gate      *GateCheck `json:"gate,omitempty"`
	AskedAt   time.Time  `json:"asked_at,omitzero"`
	DecidedAt time.Time  `json:"decided_at,omitzero"`
}

// Vote is what one reviewer said.
type Vote struct {
	By      string    `json:"by"`
	Approve bool      `json:"approve"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Approvers are who voted for it, in their order. Decisions of an earlier Cairn
// have no votes, but one name.
func (a *Approval) Approvers() []Vote {
	var out []Vote
	for _, v := range a.Votes {
		if v.Approve {
			out = append(out, v)
		}
	}
	if len(a.Votes) == 0 && a.State == "approved" && a.By != "" {
		out = append(out, Vote{By: a.By, Approve: true, Comment: a.Comment, At: a.DecidedAt})
	}
	return out
}

// GateCheck is the evaluation of a gate, with the values that it looked at.
type GateCheck struct {
	Expr  string `json:"expr"`
	State string `json:"state"` // see the Gate constants
	// Detail shows the values, or names the one that is missing.
	Detail string `json:"detail,omitempty"`
	// Done is how many jobs of the attempt were completed when it was asked: a
	// gate that lacks a value is asked again when there are more.
	Done int       `json:"done"`
	At   time.Time `json:"at,omitzero"`
}

// The states of a gate.
const (
	GateAsked  = "asked"
	GatePassed = "passed"
	GateFailed = "failed"
	GateLacks  = "lacks" // a value is not there (yet)
)
