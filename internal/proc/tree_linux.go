package proc

// Look adds the descendants that are there now.
func (t *Tree) Look() {
	for _, p := range Descendants(All(), t.root) {
		t.seen[p.PID] = p.Start
	}
}
