package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/cairn-ml/cairn"
)

func openAssets(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestRecordedRefs(t *testing.T) {
	t.Parallel()
	s := openAssets(t)
	ctx := t.Context()
	set := func(sha string, version int64) error {
		return s.SetRef(ctx, "a/b", "refs/heads/main", sha, version, cairn.Change{By: "ana", Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: "ref/x"}}})
	}
	for i := range int64(3) {
		if err := set(fmt.Sprint("sha", i), i); err != nil {
			t.Fatal(err)
		}
	}
	for _, stale := range []int64{0, 1, 2, 9} {
		if err := set("stale", stale); cairn.CodeOf(err) != cairn.CodeConflict {
			t.Errorf("at version %d: %v", stale, err)
		}
	}
	refs, err := s.RecordedRefs(ctx, "a/b")
	if err != nil || len(refs) != 1 || refs["refs/heads/main"] != (cairn.RecordedRef{SHA: "sha2", Version: 3}) {
		t.Errorf("%+v, %v", refs, err)
	}
	if es, err := s.Events(ctx, 0, 0, 0); err != nil || len(es) != 3 {
		t.Errorf("%d events, %v: a refused move leaves none", len(es), err)
	}
	if refs, err := s.RecordedRefs(ctx, "a/c"); err != nil || len(refs) != 0 {
		t.Errorf("%+v, %v", refs, err)
	}
}

// What must never change of a version does not, whatever a caller does.
func TestUpdateAssetVersionKeepsIdentity(t *testing.T) {
	t.Parallel()
	s := openAssets(t)
	ctx := t.Context()
	none := func(cairn.AssetVersion, bool) cairn.Change { return cairn.Change{} }
	v, _, err := s.CreateAssetVersion(ctx, cairn.AssetVersion{Workspace: "w", Kind: cairn.AssetData, Name: "n", Type: "file", Digest: cairn.SumBytes(nil)}, false, none)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.UpdateAssetVersion(ctx, "w", cairn.AssetData, "n", "1", func(v *cairn.AssetVersion) error {
		v.Digest, v.Name, v.Version, v.Seq, v.Type, v.Job = cairn.SumBytes([]byte("x")), "m", "2", 9, "folder", 7
		v.Description = "d"
		return nil
	}, func(cairn.AssetVersion) cairn.Change { return cairn.Change{} })
	v.Description = "d"
	if err != nil || fmt.Sprint(got) != fmt.Sprint(v) {
		t.Errorf("%+v, %v", got, err)
	}
	if again, err := s.AssetVersion(ctx, "w", cairn.AssetData, "n", "1"); err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A directory is either wholly in the file index or not marked as being there.
func TestIndexTreeLarge(t *testing.T) {
	t.Parallel()
	s := openAssets(t)
	ctx := t.Context()
	var es []cairn.TreeEntry
	for i := range indexChunk*2 + 1 {
		es = append(es, cairn.TreeEntry{Name: fmt.Sprint(i), Mode: cairn.ModeFile, Digest: cairn.SumBytes(fmt.Append(nil, i))})
	}
	tree := cairn.SumBytes([]byte("tree"))
	for range 2 {
		if err := s.IndexTrees(ctx, []cairn.TreeDir{{Digest: cairn.SumBytes([]byte("small")), Entries: es[:3]}, {Digest: tree, Entries: es}, {Digest: cairn.SumBytes([]byte("empty"))}}); err != nil {
			t.Fatal(err)
		}
	}
	if missing, err := s.TreesUnindexed(ctx, []cairn.Digest{tree, cairn.SumBytes(nil), cairn.SumBytes([]byte("empty")), cairn.SumBytes([]byte("small"))}); err != nil || len(missing) != 1 {
		t.Errorf("%v, %v", missing, err)
	}
	var n int
	if err := s.reads.QueryRow(`SELECT COUNT(*) FROM tree_entries`).Scan(&n); err != nil || n != len(es)+3 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func BenchmarkHolding(b *testing.B) {
	s := openAssets(b)
	ctx := b.Context()
	shared := cairn.SumBytes([]byte("shared"))
	for i := range 200 {
		root := cairn.SumBytes(fmt.Append(nil, "root", i))
		if err := s.IndexTrees(ctx, []cairn.TreeDir{{Digest: root, Entries: []cairn.TreeEntry{{Name: "f", Digest: shared}}}}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.CreateAssetVersion(ctx, cairn.AssetVersion{Workspace: "w", Kind: cairn.AssetData, Name: "n", Type: "folder", Digest: root}, false,
			func(cairn.AssetVersion, bool) cairn.Change { return cairn.Change{} }); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if hs, err := s.Holding(ctx, "w", shared, 50); err != nil || len(hs) != 50 {
			b.Fatal(len(hs), err)
		}
	}
}
