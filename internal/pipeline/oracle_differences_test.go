package pipeline

// difference is a way in which we and the package differ on purpose, or for a reason that
// lies in the package.
type difference struct {
	reason string
	// here: accepted here alone; else by the package alone.
	here bool
	is   func(*finding) bool
	// most is how many of the files show it: more than that is something new.
	most int
}

var differences = []difference{}
