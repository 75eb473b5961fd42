package auth

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

func selfUID() int { return os.Getuid() }

// peerUID finds the system user of the other end of a loopback connection: the
// kernel lists every socket of this machine with its owner. Sockets without an
// inode are orphans, which are listed as root's.
func peerUID(local, remote netip.AddrPort) (int, bool) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		uid, ok := findPeer(bufio.NewScanner(f), local, remote)
		f.Close()
		if ok {
			return uid, true
		}
	}
	return 0, false
}

// established is the state of a connection that both ends have open.
const established = "01"

// findPeer looks for the socket whose own address is remote and whose peer is
// local.
func findPeer(sc *bufio.Scanner, local, remote netip.AddrPort) (int, bool) {
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || f[3] != established || f[9] == "0" {
			continue
		}
		own, ok1 := procAddr(f[1])
		peer, ok2 := procAddr(f[2])
		if !ok1 || !ok2 || own != unmap(remote) || peer != unmap(local) {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		return uid, err == nil
	}
	return 0, false
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// procAddr reads "0100007F:1BA5": words of four bytes in the byte order of the
// machine, and the port.
func procAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}
