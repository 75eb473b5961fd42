package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// TestMemoryLimit lets a program eat more than it may: it is ended, the status says
// why, and it is started again. It holds with and without a control group.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	r := inside(t)
	es := r.live(spec(t, 1, releaseA, "ok", func(x *cairn.StageInstance) { x.Memory = 100 << 20; x.CPU = 1.5 }))
	t.Log(texts(es))
	if g := r.do("POST", "/eat", "x"); g.StatusCode == 200 {
		t.Errorf("it ate: %d %s", g.StatusCode, g.body)
	}
	eventually(t, "it is back", func() bool { st := r.status().Live; return st.Restarts == 1 && st.Healthy })
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("%d", g.StatusCode)
	}
}

func TestMemoryWatch(t *testing.T) {
	t.Parallel()
	x := spec(t, 1, releaseA, "ok")
	prog, _, err := startProgram(&x, t.TempDir()+"/log", "stage-test."+fmt.Sprint(releaseA), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer prog.kill()
	eventually(t, "it uses memory", func() bool { return residentSize(&prog.process) > 1<<20 && sharedSize(&prog.process) > 1<<20 })
	prog.watch(1 << 30)
	if prog.tooMuch.Load() != 0 {
		t.Error("ended below its limit")
	}
	prog.watch(1 << 20)
	<-prog.exited
	if !strings.Contains(prog.ended, "it was ended because it used") || !strings.Contains(prog.ended, "more than its limit") {
		t.Errorf("%q", prog.ended)
	}
}

func TestParseAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0100007F:1BA8": "127.0.0.1:7080", "00000000:0050": "0.0.0.0:80",
		"00000000000000000000000001000000:1F90": "[::1]:8080",
		"0000000000000000FFFF00000100007F:1F90": "127.0.0.1:8080",
	} {
		if a, ok := parseAddr(text); !ok || a != netip.MustParseAddrPort(want) {
			t.Errorf("%s: %v", text, a)
		}
	}
	for _, bad := range []string{"", "x", "01:1", "0100007F", "0100007F:xyz", "0100007F:12345"} {
		if _, ok := parseAddr(bad); ok {
			t.Errorf("%q", bad)
		}
	}
}
