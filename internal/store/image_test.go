package store

import (
	"slices"
	"testing"

	"github.com/cairn-ml/cairn"
)

func putImage(t *testing.T, s *Store, img cairn.Image, tags ...cairn.ImageTag) cairn.Image {
	t.Helper()
	img.Workspace = "w"
	for i := range tags {
		tags[i].Workspace, tags[i].Digest = "w", img.Digest
	}
	got, err := s.PutImage(t.Context(), img, tags, cairn.Change{By: img.By})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func digests(imgs []cairn.Image) (out []string) {
	for _, i := range imgs {
		out = append(out, string(i.Digest)[len("sha256:"):][:2])
	}
	return out
}

func TestImages(t *testing.T) {
	t.Parallel()
	s := openAssets(t)
	ctx := t.Context()
	d := func(c string) cairn.Digest { return cairn.SumBytes([]byte(c)) }
	one := putImage(t, s, cairn.Image{Digest: d("1"), Config: d("c1"), Run: 5, Commit: "abcd", By: "ana", Layers: []cairn.ImageLayer{{Digest: d("l")}}},
		cairn.ImageTag{Name: "ghcr.io/me/api", Tag: "main"}, cairn.ImageTag{Name: "ghcr.io/me/a_i", Tag: "x"})
	part := putImage(t, s, cairn.Image{Digest: d("2"), By: "ana"})
	index := putImage(t, s, cairn.Image{Digest: d("3"), Manifests: []cairn.Digest{d("2"), d("missing")}, By: "ana"}, cairn.ImageTag{Name: "api", Tag: "all"})
	referrer := putImage(t, s, cairn.Image{Digest: d("4"), Subject: d("1"), By: "ana"}, cairn.ImageTag{Name: "ghcr.io/me/api"})
	for what, c := range map[string]struct {
		f    cairn.ImageFilter
		want []cairn.Image
	}{
		"all that people look for": {cairn.ImageFilter{}, []cairn.Image{index, one}},
		"all":                      {cairn.ImageFilter{All: true}, []cairn.Image{referrer, index, part, one}},
		"the last part of a name":  {cairn.ImageFilter{Name: "api"}, []cairn.Image{index, one}},
		"a name":                   {cairn.ImageFilter{Name: "ghcr.io/me/api"}, []cairn.Image{one}},
		"no pattern":               {cairn.ImageFilter{Name: "me/a%"}, nil},
		"an underscore is itself":  {cairn.ImageFilter{Name: "a_i"}, []cairn.Image{one}},
		"run":                      {cairn.ImageFilter{Run: 5}, []cairn.Image{one}},
		"commit":                   {cairn.ImageFilter{Commit: "abc"}, []cairn.Image{one}},
		"another commit":           {cairn.ImageFilter{Commit: "abd"}, nil},
		"configuration":            {cairn.ImageFilter{Digest: d("c1")}, []cairn.Image{one}},
		"next page":                {cairn.ImageFilter{Before: index.Seq}, []cairn.Image{one}},
		"limit":                    {cairn.ImageFilter{Limit: 1}, []cairn.Image{index}},
	} {
		got, err := s.Images(ctx, "w", c.f)
		if err != nil || !slices.Equal(digests(got), digests(c.want)) {
			t.Errorf("%s: %v, want %v, %v", what, digests(got), digests(c.want), err)
		}
	}
	if in, err := s.ImageIn(ctx, "w", "api", d("2"), true); err != nil || !in {
		t.Errorf("the parts of an index come with it: %v, %v", in, err)
	}
	if in, err := s.ImageIn(ctx, "w", "ghcr.io/me/api", d("l"), false); err != nil || !in {
		t.Errorf("the layers come with their image: %v, %v", in, err)
	}
	if rs, err := s.ImageReferrers(ctx, "w", "ghcr.io/me/api", d("1")); err != nil || len(rs) != 1 {
		t.Error(rs, err)
	}
	// A tag moves; the image that it left is still in its repository.
	putImage(t, s, cairn.Image{Digest: d("5"), By: "ben"}, cairn.ImageTag{Name: "ghcr.io/me/api", Tag: "main"})
	if tag, err := s.ImageTag(ctx, "w", "ghcr.io/me/api", "main"); err != nil || tag.Digest != d("5") {
		t.Error(tag, err)
	}
	if got, err := s.Image(ctx, "w", d("1")); err != nil || !slices.Equal(got.Tags, []string{"ghcr.io/me/a_i:x"}) {
		t.Error(got.Tags, err)
	}
	if err := s.DropImageContent(ctx, "w", "ghcr.io/me/a_i", d("1"), true, func(last bool) cairn.Change {
		if last {
			t.Error("another repository holds it")
		}
		return cairn.Change{}
	}); err != nil {
		t.Error(err)
	}
	last := false
	if err := s.DropImageContent(ctx, "w", "ghcr.io/me/api", d("1"), true, func(l bool) cairn.Change { last = l; return cairn.Change{} }); err != nil || !last {
		t.Error(last, err)
	}
	if got, err := s.Image(ctx, "w", d("1")); err != nil || !got.Deleted {
		t.Error(got, err)
	}
	if err := s.DeleteImage(ctx, "w", d("1"), cairn.Change{}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	if again := putImage(t, s, cairn.Image{Digest: d("1"), By: "ben"}); again.Seq != one.Seq || again.Deleted || again.By != "ben" {
		t.Errorf("%+v", again)
	}
}

func TestHeldDigests(t *testing.T) {
	t.Parallel()
	s := openAssets(t)
	d := func(c string) cairn.Digest { return cairn.SumBytes([]byte(c)) }
	if err := s.IndexTrees(t.Context(), []cairn.TreeDir{{Digest: d("root"), Entries: []cairn.TreeEntry{{Name: "f", Digest: d("file")}}}}); err != nil {
		t.Fatal(err)
	}
	var ask []cairn.Digest
	for i := range 1000 {
		ask = append(ask, d(string(rune(i+256))))
	}
	got, err := s.HeldDigests(t.Context(), append(ask, d("file")))
	if err != nil || !slices.Equal(got, []cairn.Digest{d("file")}) {
		t.Error(got, err)
	}
}
