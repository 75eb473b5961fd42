package api

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// noBlobs has everything and keeps nothing.
type noBlobs struct{ Blobs }

func (noBlobs) Missing(context.Context, []cairn.Digest) ([]cairn.Digest, error) { return nil, nil }
func (noBlobs) Stat(context.Context, cairn.Digest) (int64, error)               { return 0, nil }
func (noBlobs) PutTree(context.Context, []cairn.TreeEntry) (cairn.Digest, error) {
	return cairn.SumBytes(nil), nil
}

// A path of a million folders would be a million calls deep.
func TestPutTreeRefusesPaths(t *testing.T) {
	t.Parallel()
	a := New(Options{Version: "test", Blobs: noBlobs{}})
	for _, p := range []string{"", "/etc/passwd", "..", "../x", "a/../../x", "a//b", ".", "a/", strings.Repeat("d/", 5_000_000) + "x"} {
		_, err := a.putTree(t.Context(), []client.TreeFile{{Path: p, Mode: cairn.ModeFile, Digest: cairn.SumBytes(nil)}})
		if cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%.20q…: %v", p, err)
		}
	}
	if _, err := a.putTree(t.Context(), []client.TreeFile{{Path: "a/b/c", Mode: cairn.ModeFile, Digest: cairn.SumBytes(nil)}}); err != nil {
		t.Error(err)
	}
}
