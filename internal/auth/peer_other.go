//go:build !linux

package auth

import "net/netip"

func selfUID() int { return -1 }

// peerUID is only known on Linux; elsewhere a token is needed over TCP.
func peerUID(_, _ netip.AddrPort) (int, bool) { return 0, false }
