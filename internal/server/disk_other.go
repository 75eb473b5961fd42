//go:build !unix

package server

func freeDisk(string) (uint64, bool) { return 0, false }
