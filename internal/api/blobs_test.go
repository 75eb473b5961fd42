package api

import (
	"context"
	"io"
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

// linkBlobs holds targets of links.
type linkBlobs struct {
	noBlobs
	targets map[cairn.Digest]string
}

func (b linkBlobs) Get(_ context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error) {
	return nopSeekCloser{strings.NewReader(b.targets[d])}, int64(len(b.targets[d])), nil
}

type nopSeekCloser struct{ io.ReadSeeker }

func (nopSeekCloser) Close() error { return nil }

// Whoever fetches a tree would follow its links on another machine.
func TestPutTreeRefusesLinksThatLeadOut(t *testing.T) {
	t.Parallel()
	for target, ok := range map[string]bool{
		"b": true, "../a": true, "/etc/passwd": false, "../../x": false, "b/../../../x": false, "": false, strings.Repeat("x", 5000): false,
	} {
		d := cairn.SumBytes([]byte(target))
		a := New(Options{Version: "test", Blobs: linkBlobs{targets: map[cairn.Digest]string{d: target}}})
		_, err := a.putTree(t.Context(), []client.TreeFile{{Path: "d/link", Mode: cairn.ModeSymlink, Digest: d}})
		if ok && err != nil || !ok && (cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), `"d/link"`)) {
			t.Errorf("%.20q: %v", target, err)
		}
	}
}
