package cas

import (
	"context"
	"testing"

	"github.com/cairn-ml/cairn"
)

// A few objects that hold each other twice are a tree without an end in sight.
func TestWalkOfATreeBombEnds(t *testing.T) {
	t.Parallel()
	level := func(n byte) cairn.Digest { return cairn.SumBytes([]byte{n}) }
	twice := map[cairn.Digest]cairn.Digest{}
	for n := range byte(60) {
		twice[level(n)] = level(n + 1)
	}
	visited := 0
	w := &treeWalk{
		ctx: t.Context(), left: 1000,
		read: func(_ context.Context, d cairn.Digest) ([]cairn.TreeEntry, error) {
			d, ok := twice[d]
			if !ok {
				return nil, nil
			}
			return []cairn.TreeEntry{{Name: "a", Mode: cairn.ModeDir, Digest: d}, {Name: "b", Mode: cairn.ModeDir, Digest: d}}, nil
		},
		fn: func(string, cairn.TreeEntry) error { visited++; return nil },
	}
	err := w.walk(level(0), "", 0)
	if cairn.CodeOf(err) != cairn.CodeTooLarge || visited > 1000 {
		t.Errorf("%v after %d", err, visited)
	}
}
