//go:build unix

package layer_test

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

func describe(fi fs.FileInfo) string {
	st := fi.Sys().(*syscall.Stat_t)
	mode := fi.Mode().String()
	if strings.HasPrefix(mode, "u") { // Go's own letters for setuid
		mode = "-" + mode[1:3] + "s" + mode[4:]
	}
	return fmt.Sprintf("%s %d:%d", mode, st.Uid, st.Gid)
}
