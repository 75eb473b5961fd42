//go:build !linux

package inside

import (
	"fmt"
	"io"
)

// Main is for Linux alone: containers of jobs are Linux ones.
func Main(_ []string, stderr io.Writer) int {
	fmt.Fprintln(stderr, "cairn: containers of jobs are there on Linux only")
	return 1
}
