package asset_test

import (
	"context"
	"slices"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
)

func TestShare(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t)
	ann := cairn.Principal{Name: "ann"}
	v := r.data("digits", "one", ann)
	shared, err := r.Share(ctx, cairn.AssetData, "digits@latest", asset.Share{Registry: "team"}, ann)
	must(t, err)
	if shared.Name != "team/digits" || shared.Version != v.Version || shared.Digest != v.Digest {
		t.Fatalf("shared as %s %s", shared.Ref(), shared.Digest)
	}
	if got := r.links(v.Ref()); !slices.Contains(got, "data/team/digits:1 derived data/digits:1 (shared with the registry team)") {
		t.Errorf("links of the original: %q", got)
	}
	found, err := r.Resolve(ctx, "", "azureml://registries/team/data/digits/versions/1", ann)
	if err != nil || found.Ref() != shared.Ref() {
		t.Errorf("by its address: %v, %v", found, err)
	}
	again, err := r.Share(ctx, cairn.AssetData, "digits:1", asset.Share{Registry: "team"}, ann)
	if err == nil && again.Version != shared.Version {
		t.Errorf("shared again: %v", again)
	}
	r.data("digits", "two", ann)
	if _, err := r.Share(ctx, cairn.AssetData, "digits:2", asset.Share{Registry: "team", Version: "1"}, ann); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("another content under a version that is there: %v", err)
	}
	if _, err := r.Share(ctx, cairn.AssetData, "digits:2", asset.Share{Registry: "a/b"}, ann); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("a registry with a slash: %v", err)
	}
	if _, err := r.Create(ctx, asset.NewVersion{Kind: cairn.AssetData, Name: "team/x", Type: "folder", Digest: v.Digest}, ann); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("a registry is written to without sharing: %v", err)
	}
}
