// Command cairn takes a commit to a model API in production, and any
// prediction back to the commit.
package main

import (
	"context"
	"os"

	"github.com/cairn-ml/cairn/internal/server"
)

func main() {
	os.Exit(server.Main(context.Background(), server.Process{
		Args: os.Args, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
