//go:build !unix

package client

import (
	"context"
	"syscall"

	"github.com/cairn-ml/cairn"
)

func detached() *syscall.SysProcAttr { return nil }

// LockFile is not built for this system, which runs Cairn as a client only.
func LockFile(context.Context, string) (func(), error) {
	return nil, cairn.Errorf(cairn.CodeUnsupported, "a Cairn server is not built for this system").
		WithHint("set CAIRN_URL and CAIRN_TOKEN to use one elsewhere")
}

// TryLockFile is not built for this system.
func TryLockFile(string) (func(), bool, error) {
	_, err := LockFile(context.Background(), "")
	return nil, false, err
}
