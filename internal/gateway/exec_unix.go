//go:build unix

package gateway

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sys/unix"
)

// inheritVariable tells a program which of its files is the listening socket.
const inheritVariable = "CAIRN_STAGE_LISTEN"

// Exec gives Options.Exec and Options.Inherited for a program with these arguments
// and this environment.
func Exec(args, env []string) (exec func(path string, listener *os.File) error, inherited *os.File) {
	var rest []string
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, inheritVariable+"="); ok {
			if fd, err := strconv.Atoi(v); err == nil && fd > 2 {
				unix.CloseOnExec(fd)
				inherited = os.NewFile(uintptr(fd), "listener")
			}
			continue
		}
		rest = append(rest, kv)
	}
	return func(path string, listener *os.File) error {
		if path == "" {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			path = exe
		}
		fd := int(listener.Fd())
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return err
		}
		err := syscall.Exec(path, args, append(rest, inheritVariable+"="+strconv.Itoa(fd)))
		return cairn.Errorf(cairn.CodeFailed, "%s cannot take the place of this process: %w", path, err)
	}, inherited
}
