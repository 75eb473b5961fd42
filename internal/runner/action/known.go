package action

import "strings"

// Known reports whether an action of that name (owner/repo, or with a path) is built
// in, in whatever version.
func Known(name string) bool {
	for _, i := range Names() {
		if strings.EqualFold(i.Name, name) {
			return true
		}
	}
	return false
}
