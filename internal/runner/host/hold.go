package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// Held is where an interactive job waits.
type Held struct {
	Step int    `json:"step"` // the number of the step that would run next
	Name string `json:"name"`
	Dir  string `json:"dir"` // where it would run
	// Env is a shell script (mode 0600) that exports the step's environment:
	// `. Env` in a shell opened in Dir gives what the step would see.
	Env string `json:"env"`
}

// Held says where an interactive job waits; nil when it does not.
func (b *Backend) Held(_ context.Context, job cairn.Job) (*Held, error) {
	text, err := os.ReadFile(jobLayout(b.o.Home, job.ID, job.Epoch).hold())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var h Held
	return &h, json.Unmarshal(text, &h)
}

// Resume lets an interactive job go on: go, skip, continue or abort.
func (b *Backend) Resume(_ context.Context, job cairn.Job, a runner.HoldAnswer) error {
	switch a {
	case runner.HoldGo, runner.HoldSkip, runner.HoldContinue, runner.HoldAbort:
	default:
		return cairn.Errorf(cairn.CodeInvalid, "%q is not an answer", a).WithHint("go, skip, continue or abort")
	}
	f, err := os.OpenFile(jobLayout(b.o.Home, job.ID, job.Epoch).control(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) {
		return cairn.Errorf(cairn.CodeConflict, "job %d does not wait before a step", job.ID)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(string(a) + "\n")
	return err
}
