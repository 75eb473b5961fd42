package run

import (
	"fmt"
	"testing"
)

// What an env file gives is not in the spec, which lies in a file of its job.
func TestVariablesOfAnEnvFile(t *testing.T) {
	t.Parallel()
	open, hidden := fromFile(
		map[string]string{"REGION": "eu", "TOKEN": "hunter2", "SAME": "stored"},
		map[string]string{"token": "hunter2", "SAME": "of the file", "OTHER": "x"})
	if got := fmt.Sprint(open, hidden); got != "map[REGION:eu SAME:stored] map[TOKEN:hunter2]" {
		t.Error(got)
	}
}
