package gateway

// limits of memory and processor time are not held here.
type limits struct {
	dirs        []string
	memory, cpu bool
}

func makeLimits(string, int64, float64) limits { return limits{} }

func (l *limits) enter(int) error { return nil }

func outOfMemory([]string) bool { return false }

func removeGroups([]string) {}
