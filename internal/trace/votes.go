package trace

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// votes says who let a job into its environment, or kept it out: one fact each, with
// what they said.
func votes(n *cairn.TraceNode, from []cairn.Link) {
	for _, l := range from {
		name := ""
		switch l.Relation {
		case cairn.RelApproved:
			name = "approved by"
		case cairn.RelRejected:
			name = "rejected by"
		default:
			continue
		}
		if l.To.Kind() != cairn.KindUser {
			continue
		}
		where, said, _ := strings.Cut(l.Note, ": ") // "environment production, attempt 1: metrics checked"
		text := l.To.ID()
		if where != "" {
			text += ", " + where
		}
		fact(n, name, text+because(said))
	}
}
