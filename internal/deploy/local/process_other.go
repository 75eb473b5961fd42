//go:build !linux

package local

import "golang.org/x/sys/unix"

// killMarked finds nothing: environments of others cannot be read here.
func killMarked(string) int { return 0 }

func holder(int) string { return "" }

// syncTree waits until a tree is on the disk.
func syncTree(string) error { return unix.Sync() }
