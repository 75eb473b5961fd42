package cairn

// Status is where a run, job or step stands.
type Status string

// The statuses, in the order they are passed through. Blocked waits for other
// jobs; Waiting waits for something outside the plan (an approval, a label that
// no runner has, a concurrency group), and says for what; Queued waits for a
// free slot.
const (
	StatusBlocked   Status = "blocked"
	StatusWaiting   Status = "waiting"
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed"
)

// Conclusion is how something that is completed ended. It is "" before that.
type Conclusion string

// The conclusions. The first four are the values of needs.<job>.result and of
// steps.<id>.outcome; a timeout and a lost supervisor count as a failure there.
const (
	Success   Conclusion = "success"
	Failure   Conclusion = "failure"
	Cancelled Conclusion = "cancelled"
	Skipped   Conclusion = "skipped"
	TimedOut  Conclusion = "timed_out"
	Lost      Conclusion = "lost" // the supervisor died; nobody knows how far the step came
)

// Result maps c to what expressions see: success, failure, cancelled, skipped.
func (c Conclusion) Result() string {
	switch c {
	case TimedOut, Lost:
		return string(Failure)
	default:
		return string(c)
	}
}

// Bad reports whether c makes what contains it fail.
func (c Conclusion) Bad() bool { return c == Failure || c == TimedOut || c == Lost }
