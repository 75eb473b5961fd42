package run

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/expr"
)

// TestRunsOn: a label, a list, a group, a group with labels; a group is a label of its
// own kind, which the configuration can map as any other.
func TestRunsOn(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"ubuntu-latest"`: "ubuntu-latest", `["self-hosted", " gpu "]`: "self-hosted gpu", `{"group": "big"}`: "group:big",
		`{"group": "big", "labels": ["linux", "x64"]}`: "group:big linux x64", `{"labels": "gpu"}`: "gpu",
		`""`: "error: a label is empty", `[]`: "error: no label is given", `{}`: "error: no label is given", `[["a"]]`: "error: a label must be text",
	} {
		v, err := expr.FromJSON(json.RawMessage(value))
		if err != nil {
			t.Fatal(err)
		}
		ls, err := labels(v)
		got := strings.Join(ls, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}
