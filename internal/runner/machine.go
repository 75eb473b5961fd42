package runner

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
)

// Machine is where the processes of one job run. internal/runner/host is one;
// a container engine is another.
type Machine interface {
	// Dirs are the job's folders, which exist.
	Dirs() Dirs
	// Environ is what every process of the job gets before anything else: PATH,
	// HOME, locale, proxies.
	Environ() map[string]string
	// Exec runs a process to its end. When ctx ends, the process is asked to stop
	// (SIGINT, then SIGTERM) and after a grace its whole tree is killed.
	Exec(ctx context.Context, p Process) (code int, err error)
	// LookPath finds a program on a PATH; an error means there is none.
	LookPath(file, path string) (string, error)
	// Info describes the machine for the `runner` context.
	Info() MachineInfo
}

// MachineInfo is the `runner` context.
type MachineInfo struct {
	Name        string // of the host
	OS          string // Linux, macOS
	Arch        string // X64, ARM64
	Environment string // self-hosted
}

// Reporter keeps what an executor tells, durably, in order.
type Reporter interface {
	// Report appends reports; it returns once they are durable.
	Report(rs ...cairn.Report) error
	// Log opens the log of a step for appending. Everything written to it is
	// masked already and whole lines begin with their time.
	Log(step int) (io.WriteCloser, error)
}

// The severities of annotations.
const (
	AnnotationNotice  = "notice"
	AnnotationWarning = "warning"
	AnnotationError   = "error"
)
