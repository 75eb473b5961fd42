package server

import (
	"context"
	"io"
)

// Process is what Main gets from the operating system.
type Process struct {
	Args           []string // with the program's name
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main is the program: it dispatches to the supervisor, the server or the
// command line, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	return 1
}
