package environment

import (
	"context"
	"os/exec"
	"testing"

	"github.com/cairn-ml/cairn"
)

// BenchmarkPrepare is what a job waits for where its environment is there already.
func BenchmarkPrepare(b *testing.B) {
	program, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("needs python3")
	}
	for _, env := range []cairn.TaskEnvironment{{Name: "image", Image: "python:3.11"}, {Name: "mapped", Python: program}} {
		b.Run(env.Name, func(b *testing.B) {
			h, c, _ := host(b)
			if err := h.Prepare(context.Background(), c, env); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				c.Dirs.Temp = b.TempDir()
				if err := h.Prepare(context.Background(), c, env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
