package trigger

import (
	"strings"
)

// skipWords are the spellings of "run nothing" anywhere in a commit's message.
var skipWords = [...]string{"[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"}

// Skips reports whether a commit's message asks for no run, and which words do.
// Only push and pull_request heed it.
func Skips(event, message string) (by string, skip bool) {
	if event != "push" && event != "pull_request" {
		return "", false
	}
	lower := strings.ToLower(message)
	for _, w := range skipWords {
		if strings.Contains(lower, w) {
			return w, true
		}
	}
	if trailer(lower) {
		return "skip-checks: true", true
	}
	return "", false
}

// trailer reports whether the last paragraph ends in skip-checks: true. GitHub asks
// for two empty lines before the trailers; git itself keeps one of them, so one is
// enough here.
func trailer(message string) bool {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(message, "\r", ""), " \n\t"), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if key, value, ok := strings.Cut(last, ":"); !ok || key != "skip-checks" || strings.TrimSpace(value) != "true" {
		return false
	}
	for i := len(lines) - 2; i >= 0; i-- {
		l := strings.TrimSpace(lines[i])
		if l == "" {
			return i > 0
		}
		if key, _, ok := strings.Cut(l, ":"); !ok || key == "" || strings.ContainsAny(key, " \t") {
			return false // the paragraph is text, not trailers
		}
	}
	return false
}
