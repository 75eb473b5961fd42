//go:build unix

package gateway

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sys/unix"
)

// markVariable is in the environment of every program of a stage.
const markVariable = "CAIRN_STAGE_MARK"

// takeLock makes this process the stage's only one, as long as it lives.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, diskError(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, diskError(err)
	}
	return f, nil
}

var errBusy = cairn.Errorf(cairn.CodeConflict, "another process runs this stage already")

// signalNamed is a STOPSIGNAL as images have it: "SIGINT", "INT", "2"; "" and what
// is unknown are SIGTERM.
func signalNamed(name string) syscall.Signal {
	name = strings.ToUpper(strings.TrimSpace(name))
	if name == "" {
		return syscall.SIGTERM
	}
	for n := syscall.Signal(1); n < 32; n++ {
		full := unix.SignalName(n)
		if full == name || full == "SIG"+name || name == strconv.Itoa(int(n)) {
			return n
		}
	}
	return syscall.SIGTERM
}
