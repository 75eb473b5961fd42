package cairn

// RunBatch is all that one pass of the engine changes of one run: rows are whole
// and replace what is there. The store writes the event of each row itself, so
// that folding the events always gives the rows.
type RunBatch struct {
	ID RunID
	// Version is the row version that the batch was decided on. Another one in
	// the store refuses the whole batch with CodeConflict; success adds one.
	Version      int64
	Run          *Run // nil: unchanged
	Attempts     []Attempt
	Expansions   []Expanded
	Jobs         []Job // ids are reserved by the caller (counter "job")
	Steps        []StepRow
	Approvals    []Approval
	Environments []Environment // written where missing, never overwritten
	Done         []string      // ids of effects that are carried out
}

// Empty reports whether writing b would change nothing.
func (b *RunBatch) Empty() bool {
	return b.Run == nil && len(b.Attempts)+len(b.Expansions)+len(b.Jobs)+len(b.Steps)+
		len(b.Approvals)+len(b.Environments)+len(b.Done) == 0
}

// Expanded is an expansion with the attempt that made it.
type Expanded struct {
	Run       RunID     `json:"run"`
	Attempt   int       `json:"attempt"`
	Expansion Expansion `json:"expansion"`
}

// RunFilter selects runs; zero fields do not restrict. The newest come first.
type RunFilter struct {
	Workspace  string
	Repository string
	Workflow   string // name or path
	Status     Status
	Conclusion Conclusion
	Event      string
	Branch     string // "main" or "refs/heads/main"
	SHA        string // a prefix is enough
	Actor      string
	Before     RunID // only runs with a smaller id: the next page
	Limit      int   // 0: 50; at most 1000
}

// RunSnapshot is what is known of one attempt of a run, read at one moment.
type RunSnapshot struct {
	Run        Run           `json:"run"`
	Attempt    Attempt       `json:"attempt"`
	Expansions []Expansion   `json:"expansions"`
	Jobs       []Job         `json:"jobs"` // of this attempt, and kept ones of earlier attempts
	Approvals  []Approval    `json:"approvals"`
	Rules      []Environment `json:"rules"` // environments of the run's repository
}
