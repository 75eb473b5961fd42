//go:build !linux

package enter

import (
	"context"
	"fmt"
	"io"
)

// Main says that there is nothing to enter with.
func Main(_ context.Context, _, _ []string, stderr io.Writer) int {
	fmt.Fprintln(stderr, "cairn: the root file system of an image can only be entered on Linux")
	return exitSetup
}
