package oci

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func TestLikeliest(t *testing.T) {
	t.Parallel()
	hold := func(refs ...cairn.Ref) (out []cairn.Holder) {
		for _, r := range refs {
			out = append(out, cairn.Holder{Ref: r})
		}
		return out
	}
	for _, c := range []struct {
		name string
		hold []cairn.Holder
		near []cairn.Ref
		want []cairn.Ref
	}{
		{"nothing", nil, nil, nil},
		{"a model goes before the artifact that it was uploaded as", hold("artifact/1.1/m", "model/m:1"), nil, []cairn.Ref{"model/m:1"}},
		{"two models: it is not known which", hold("model/m:2", "model/m:1", "data/x:1"), nil, []cairn.Ref{"model/m:2", "model/m:1"}},
		{"that of the run", hold("model/m:2", "model/m:1"), []cairn.Ref{"model/m:1"}, []cairn.Ref{"model/m:1"}},
		{"the run's artifact before another run's model", hold("model/m:2", "artifact/3.1/m"), []cairn.Ref{"artifact/3.1/m"}, []cairn.Ref{"artifact/3.1/m"}},
		{"the run's model before its artifact", hold("artifact/3.1/m", "model/m:2"), []cairn.Ref{"artifact/3.1/m", "model/m:2"}, []cairn.Ref{"model/m:2"}},
		{"the same version by two paths is one", hold("data/x:1", "data/x:1"), nil, []cairn.Ref{"data/x:1"}},
	} {
		near := map[cairn.Ref]bool{}
		for _, r := range c.near {
			near[r] = true
		}
		if got := likeliest(c.hold, near); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Whatever holds a file: each named version holds it, all are of one kind and one
// nearness, and none that is nearer or of a better kind is left out.
func TestLikeliestIsOfOneRank(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var hs []cairn.Holder
		near := map[cairn.Ref]bool{}
		for i := range rapid.IntRange(0, 8).Draw(t, "n") {
			kind := rapid.SampledFrom([]string{cairn.KindModel, cairn.KindData, cairn.KindArtifact, cairn.KindEnvironment}).Draw(t, "kind")
			r := cairn.NewRef(kind, fmt.Sprint(i))
			hs = append(hs, cairn.Holder{Ref: r})
			near[r] = rapid.Bool().Draw(t, "near")
		}
		got := likeliest(hs, near)
		if len(got) == 0 != (len(hs) == 0) {
			t.Fatal(got)
		}
		for _, h := range hs {
			r := h.Ref
			named := slices.Contains(got, r)
			better := near[r] && !near[got[0]] || near[r] == near[got[0]] && kindRank(r.Kind()) < kindRank(got[0].Kind())
			same := near[r] == near[got[0]] && kindRank(r.Kind()) == kindRank(got[0].Kind())
			if better || same != named {
				t.Fatalf("%v of %v", got, hs)
			}
		}
	})
}

func TestWhere(t *testing.T) {
	t.Parallel()
	for want, paths := range map[string][]string{
		"a/b": {"a/b"}, "a, 2 files": {"a/b", "a/c"}, "a, 3 files": {"a/b/x", "a/b/y", "a/c"}, "/, 2 files": {"a/b", "c"},
	} {
		if got := where(paths); got != want {
			t.Errorf("%v: %s, want %s", paths, got, want)
		}
	}
}
