package cairn

// Slot is a place where jobs run: a backend offers some, each with the labels
// that it serves and how many jobs fit at once.
type Slot struct {
	Name   string   `json:"name"`   // recorded as Job.Runner
	Labels []string `json:"labels"` // compared without case; a job needs all of its own to be among them
	Count  int      `json:"count"`
}

// Place is something with a name that jobs of all runs share: no more instances of it are
// in use at once than there are. Jobs may name one that nobody made: it bounds nothing.
type Place struct {
	Label string // for people: "compute cpu-cluster"
	Count int
	// Closed says why nothing begins there, whatever is free: "it is stopped"; "" where it
	// is open.
	Closed string
}

// Serves reports whether every one of labels is among the slot's.
func (s Slot) Serves(labels []string) bool {
	for _, want := range labels {
		found := false
		for _, have := range s.Labels {
			if equalFold(want, have) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
