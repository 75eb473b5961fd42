package host

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/cairn-ml/cairn/internal/proc"
)

// TestPIDFile: the supervisors of an earlier program are read, and the other way
// round.
func TestPIDFile(t *testing.T) {
	t.Parallel()
	l := layout(t.TempDir())
	want := identity{proc.Identity{PID: 12, Start: 345, Boot: "b"}, "m"}
	ours, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"pid":12,"start":345,"mark":"m","boot":"b"}`, string(ours)} {
		if err := os.WriteFile(l.pid(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := l.readIdentity(); err != nil || id == nil || *id != want {
			t.Errorf("%s gives %+v, %v", text, id, err)
		}
	}
	var keys map[string]any
	if err := json.Unmarshal(ours, &keys); err != nil || len(keys) != 4 || keys["pid"] != 12.0 || keys["start"] != 345.0 || keys["boot"] != "b" || keys["mark"] != "m" {
		t.Errorf("%s, %v", ours, err)
	}
}
