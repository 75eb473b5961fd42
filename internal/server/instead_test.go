package server_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// A well-known action that is nowhere is told what does its work, not that it is a
// misspelling of a built-in one.
func TestActionInstead(t *testing.T) {
	t.Parallel()
	s := start(t, withMirrors(t, mirrored(t, "acme/one")))
	for uses, want := range map[string]string{
		"docker/bake-action@v5": "docker/build-push-action builds one target a step", "docker/logn-action@v3": "did you mean docker/login-action?",
	} {
		if _, err := s.FetchAction(t.Context(), uses, "ana"); !strings.HasPrefix(cairn.AsError(err).Hint, want) {
			t.Errorf("%s: %v, %s", uses, err, cairn.AsError(err).Hint)
		}
	}
}
