package source

import (
	"encoding/json"
	"testing"

	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// The shape is the original's: result, errors with message, path, value and location.
func TestResultShape(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, "bad.yml: type: pipeline|jobs:|  train:|    type: command|    command: ls|    environment: 3|    code: ./none|")
	k, b := newKit(dir)
	out := k.JSONFlags(&cobra.Command{}, Result{})
	if err := Validate(t.Context(), k, []string{"bad.yml"}, pipeline.Options{Kind: "job"}, out, nil); kit.ExitCode(err) != kit.ExitFailed {
		t.Fatal(err)
	}
	if b.Out.Len() == 0 {
		t.Error("nothing was said")
	}
	r, ps, err := check(t.Context(), k, "bad.yml", pipeline.Options{Kind: "job"}, nil)
	if err != nil || len(ps) == 0 || r.Result != "Failed" {
		t.Fatalf("%+v %v", r, err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var shape struct {
		Result string
		Errors []struct {
			Message, Path, Location string
			Line, Column            int
		}
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		t.Fatal(err)
	}
	for _, e := range shape.Errors {
		if e.Message == "" || e.Path == "" || e.Line == 0 || e.Column == 0 || e.Location == "" {
			t.Errorf("%s", raw)
		}
	}
}
