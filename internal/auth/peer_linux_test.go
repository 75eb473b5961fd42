package auth

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"
)

func TestFindPeer(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1BA5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:C001 0100007F:1BA5 01 00000000:00000000 00:00000000 00000000  1001        0 77 1 0 20 4 30 10 -1
   2: 0100007F:C002 0100007F:1BA5 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000100007F:1BA5 01 00000000:00000000 00:00000000 00000000  1003        0 78 1 0
`
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	}
	for port, want := range map[uint16]int{0xC001: 1001, 0xC002: -1, 0xC003: 1003, 0xC004: -1} {
		uid, ok := findPeer(bufio.NewScanner(strings.NewReader(table)), at(0x1BA5), at(port))
		if !ok {
			uid = -1
		}
		if uid != want {
			t.Errorf("port %x: %d, want %d", port, uid, want)
		}
	}
}
