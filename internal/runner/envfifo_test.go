//go:build unix

package runner

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A step that puts a FIFO in the place of an environment file must not hold the
// job for ever.
func TestEnvFileThatIsAFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEnvFile(path, 100); err == nil {
		t.Error("it was read")
	}
}
