package gateway

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/cairn-ml/cairn/internal/proc"
)

// TestProcessText: what state.json says of a program is the same for every version
// of this one, which takes the program over from another.
func TestProcessText(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]process{
		`{"pid":12,"start":345,"boot":"b","port":80,"mark":"m","groups":["g"]}`: {proc.Identity{PID: 12, Start: 345, Boot: "b"}, 80, "m", []string{"g"}},
		`{"pid":12,"start":345,"port":80,"mark":"m"}`:                           {Identity: proc.Identity{PID: 12, Start: 345}, Port: 80, Mark: "m"},
	} {
		b, err := json.Marshal(p)
		if err != nil || string(b) != want {
			t.Errorf("%s, %v; want %s", b, err, want)
		}
		var back process
		if err := json.Unmarshal([]byte(want), &back); err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s gives %+v, %v", want, back, err)
		}
	}
}
