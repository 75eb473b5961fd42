package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/store"
)

// home is the room over real rows and blobs.
type home struct {
	t      testing.TB
	store  *store.Store
	blobs  *cas.Store
	assets *asset.Service
	images *oci.Service
	code   map[string]bool // sums of the files of the code
	inUse  string
	live   cairn.Digest // where only that is in use
}

const sha = "0123456789012345678901234567890123456789"

func (h *home) FileSums(_ context.Context, _, tree string, sums []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, s := range sums {
		out[s] = h.code[s] && tree == sha
	}
	return out, nil
}

func (h *home) Commit(_ context.Context, c string) (string, error) {
	if c == sha {
		return "me/repo", nil
	}
	return "", nil
}

func open(t testing.TB) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{t: t, code: map[string]bool{}}
	var err error
	if h.store, err = store.Open(context.Background(), store.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.store.Close() })
	if h.blobs, err = cas.Open(filepath.Join(dir, "blobs"), cas.Options{}); err != nil {
		t.Fatal(err)
	}
	h.assets = asset.New(asset.Options{Store: h.store, Trees: h.blobs})
	h.images = oci.New(oci.Options{Store: h.store, Blobs: h.blobs, Code: h, Own: func() []string { return []string{"127.0.0.1:7077"} },
		InUse: func(_ context.Context, d cairn.Digest) (string, error) {
			if h.live != "" && d == h.live {
				return "release 1 is live", nil
			}
			return h.inUse, nil
		}})
	return h
}

var ana = cairn.Principal{Name: "ana", Role: cairn.RoleWriter}

func (h *home) put(b []byte) cairn.Digest {
	h.t.Helper()
	d, err := h.blobs.PutBytes(h.t.Context(), b)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// layer packs files into a tar.
func layerOf(files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		w.WriteHeader(&tar.Header{Name: n, Mode: 0o644, Size: int64(len(files[n])), Typeflag: tar.TypeReg})
		w.Write([]byte(files[n]))
	}
	w.Close()
	return b.Bytes()
}

// image stores an image of layers and returns its manifest.
func (h *home) image(labels map[string]string, layers ...map[string]string) []byte {
	h.t.Helper()
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest, Layers: []oci.Descriptor{}}
	var diffs []string
	for _, l := range layers {
		b := layerOf(l)
		d := h.put(b)
		diffs = append(diffs, string(d))
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: string(d), Size: int64(len(b))})
	}
	c, err := json.Marshal(map[string]any{"os": "linux", "architecture": "amd64", "config": map[string]any{"Labels": labels}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffs}})
	if err != nil {
		h.t.Fatal(err)
	}
	m.Config = &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(h.put(c)), Size: int64(len(c))}
	raw, err := json.Marshal(m)
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

// version registers files as a version of a kind.
func (h *home) version(kind cairn.AssetKind, name string, files map[string]string) cairn.Ref {
	h.t.Helper()
	var es []cairn.TreeEntry
	for n, text := range files {
		es = append(es, cairn.TreeEntry{Name: n, Mode: cairn.ModeFile, Size: int64(len(text)), Digest: h.put([]byte(text))})
	}
	slices.SortFunc(es, func(a, b cairn.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	d, err := h.blobs.PutTree(h.t.Context(), es)
	if err != nil {
		h.t.Fatal(err)
	}
	v, err := h.assets.Create(h.t.Context(), asset.NewVersion{Kind: kind, Name: name, Type: "folder", Digest: d}, ana)
	if err != nil {
		h.t.Fatal(err)
	}
	return v.Ref()
}

func (h *home) push(raw []byte, name, tag string) *cairn.Image {
	h.t.Helper()
	img, err := h.images.PutManifest(h.t.Context(), name, tag, "", "", raw, ana)
	if err != nil {
		h.t.Fatal(err)
	}
	return img
}

// links are those of an image, as text.
func (h *home) links(img *cairn.Image) []string {
	h.t.Helper()
	ls, err := h.store.LinksFrom(h.t.Context(), img.Ref())
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, l := range ls {
		out = append(out, fmt.Sprintf("%s %s (%s)", l.Relation, l.To, l.Note))
	}
	slices.Sort(out)
	return out
}

// big is a text that is long enough to be told from others.
func big(s string) string { return strings.Repeat(s+" ", 64) }

// An image that somebody else built is looked through: models and data are found by
// their bytes, code is not taken for an artifact, what a layer removes is gone.
func TestLookThrough(t *testing.T) {
	t.Parallel()
	h := open(t)
	model := h.version(cairn.AssetModel, "digits", map[string]string{"model.bin": big("the weights"), "MLmodel": big("about")})
	h.version(cairn.AssetData, "copy", map[string]string{"model.bin": big("the weights")})
	data := h.version(cairn.AssetData, "digits", map[string]string{"a": big("1"), "b": big("2"), "removed": big("3"), "main.py": big("print()")})
	one := h.version(cairn.AssetData, "twice", map[string]string{"x": big("same")})
	two := h.version(cairn.AssetData, "twin", map[string]string{"x": big("same")})
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(big("print()")), big("print()")))
	h.code[hex.EncodeToString(sum[:])] = true

	raw := h.image(map[string]string{"org.opencontainers.image.revision": sha},
		map[string]string{"app/model/model.bin": big("the weights"), "app/data/a": big("1"), "app/data/removed": big("3"), "old/a": big("1"), "empty": "", "tiny": "tiny"},
		map[string]string{"app/data/b": big("2"), "app/data/.wh.removed": "", "old/.wh..wh..opq": "", "app/main.py": big("print()"), "x": big("same")})
	img := h.push(raw, "ghcr.io/me/api", "main")
	if img.Commit != sha || img.Repository != "me/repo" || img.Platform != "linux/amd64" || img.By != "ana" {
		t.Errorf("%+v", img)
	}
	want := []string{
		fmt.Sprintf("packed %s (label org.opencontainers.image.revision)", cairn.CommitRef(sha)),
		fmt.Sprintf("packed %s (app/data, 2 files)", data),
		fmt.Sprintf("packed %s (app/model/model.bin)", model),
		fmt.Sprintf("packed %s (x; ambiguous: also %s)", two, one),
	}
	slices.Sort(want)
	if got := h.links(img); !slices.Equal(got, want) {
		t.Errorf("links:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, p := range img.Packed {
		if p.Path == "app/data/removed" || p.Path == "old/a" || p.Path == "empty" {
			t.Errorf("%+v", p)
		}
	}
	// The layers are known from now on: their files need not be read again.
	if l, err := h.store.LayerListing(t.Context(), img.Layers[0].Digest); err != nil || l == "" {
		t.Error(l, err)
	}
	made, err := h.store.LinksTo(t.Context(), img.Ref())
	if err != nil || len(made) != 1 || made[0].From != "user/ana" || made[0].Relation != cairn.RelMade {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx := t.Context()
	model := h.version(cairn.AssetModel, "digits", map[string]string{"model.bin": "the weights"})
	raw := h.image(nil, map[string]string{"app/model.bin": "the weights"})
	var m oci.Manifest
	json.Unmarshal(raw, &m)
	d := h.put(raw)
	layer := cairn.ImageLayer{Digest: cairn.Digest(m.Layers[0].Digest), Role: cairn.LayerModel, Note: string(model)}
	packed := cairn.Packed{Path: "app/model.bin", Digest: cairn.SumBytes([]byte("the weights")), Ref: model}
	b := cairn.ImageBuild{Manifest: d, Names: []string{"ghcr.io/me/api:main", "127.0.0.1:7077/api:x", "api:y"}, Layers: []cairn.ImageLayer{layer}, Packed: []cairn.Packed{packed}, Builder: "cairn"}
	img, err := h.images.Record(ctx, b, ana)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(img.Tags, " ") != "api:x api:y ghcr.io/me/api:main" || img.Layers[0].Role != cairn.LayerModel || img.Layers[0].DiffID == "" || img.Seq != 1 {
		t.Errorf("%+v", img)
	}
	again, err := h.images.Record(ctx, b, cairn.Principal{Name: "ben"})
	if err != nil || again.By != "ana" || again.Seq != 1 {
		t.Errorf("the first maker stays: %+v, %v", again, err)
	}
	bad := func(what string, code cairn.Code, change func(*cairn.ImageBuild)) {
		t.Helper()
		c := b
		c.Layers, c.Packed = slices.Clone(b.Layers), slices.Clone(b.Packed)
		change(&c)
		if _, err := h.images.Record(ctx, c, ana); cairn.CodeOf(err) != code {
			t.Errorf("%s: %v", what, err)
		}
	}
	bad("no digest", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Manifest = "x" })
	bad("not stored", cairn.CodeConflict, func(b *cairn.ImageBuild) { b.Manifest = cairn.SumBytes([]byte("x")) })
	bad("no manifest", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Manifest = h.put([]byte("hello")) })
	bad("a name", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Names = []string{"a b"} })
	bad("another's digest", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Names = []string{"api@" + string(cairn.SumBytes(nil))} })
	bad("layers", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Layers = append(b.Layers, layer) })
	bad("another layer", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Layers[0].Digest = d })
	bad("a base", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Base = "sha256:x" })
	bad("a role", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Layers[0].Role = "x" })
	bad("does not hold it", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Packed[0].Digest = d })
	bad("a path", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Packed[0].Path = "../x" })
	bad("an environment", cairn.CodeInvalid, func(b *cairn.ImageBuild) { b.Environment = "data/x:1" })
	bad("missing layer", cairn.CodeConflict, func(b *cairn.ImageBuild) {
		b.Layers = nil
		b.Manifest = h.put(bytes.Replace(raw, []byte(m.Layers[0].Digest), []byte(cairn.SumBytes([]byte("gone"))), 1))
	})
	bad("wrong size", cairn.CodeInvalid, func(b *cairn.ImageBuild) {
		b.Layers = nil
		b.Manifest = h.put(bytes.Replace(raw, fmt.Appendf(nil, `"size":%d`, m.Layers[0].Size), []byte(`"size":7`), 1))
	})
	// What a job writes counts while its lease holds.
	if _, err := h.images.Record(cairn.WithLease(ctx, cairn.Lease{Job: 9, Epoch: 1}), b, ana); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

// TestDeletePart: an image of an index that is served stays with it.
func TestDeletePart(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx := t.Context()
	part := h.push(h.image(nil, map[string]string{"a": "b"}), "api", "amd64")
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, oci.TypeIndex, oci.TypeManifest, part.Digest)
	index := h.push(raw, "api", "all")
	h.live = index.Digest
	if err := h.images.Delete(ctx, string(part.Digest), ana); cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "release 1 is live") {
		t.Error(err)
	}
	h.live = ""
	for _, d := range []cairn.Digest{index.Digest, part.Digest} {
		if err := h.images.Delete(ctx, string(d), ana); err != nil {
			t.Error(err)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx := t.Context()
	img := h.push(h.image(nil, map[string]string{"a": "b"}), "api", "one")
	if _, err := h.images.Tag(ctx, "api:one", []string{"two", "other/api:three"}, ana); err != nil {
		t.Fatal(err)
	}
	h.inUse = "it is live on production"
	if err := h.images.Delete(ctx, "api:two", ana); err != nil {
		t.Error(err) // only a name
	}
	if err := h.images.Delete(ctx, string(img.Digest), ana); cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "live on production") {
		t.Error(err)
	}
	h.inUse = ""
	if err := h.images.Delete(ctx, string(img.Digest), ana); err != nil {
		t.Error(err)
	}
	for _, ask := range []string{"api:one", "other/api:three", string(img.Digest), img.Config.Short()} {
		if _, err := h.images.Resolve(ctx, ask); cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Errorf("%s: %v", ask, err)
		}
	}
	if img := h.push(h.image(nil, map[string]string{"a": "b"}), "api", "one"); img.Seq != 1 || img.Deleted {
		t.Errorf("%+v", img)
	}
}

func TestParseManifest(t *testing.T) {
	t.Parallel()
	d := string(cairn.SumBytes(nil))
	config := `"config":{"mediaType":"x","digest":"` + d + `","size":0}`
	for in, code := range map[string]cairn.Code{
		`{"schemaVersion":2,` + config + `}`:  "",
		`{"schemaVersion":2,"manifests":[]}`:  "",
		`{"schemaVersion":1}`:                 cairn.CodeInvalid,
		`{"schemaVersion":2}`:                 cairn.CodeInvalid,
		``:                                    cairn.CodeInvalid,
		`[]`:                                  cairn.CodeInvalid,
		`{"schemaVersion":2,"mediaType":"x"}`: cairn.CodeInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"x"}]}`:                   cairn.CodeInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + d + `","size":-1}]}`: cairn.CodeInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"sha512:00","size":1}]}`:  cairn.CodeUnsupported,
		`{"schemaVersion":2,` + config + `,"manifests":[]}`:                              cairn.CodeInvalid,
	} {
		if _, err := oci.ParseManifest([]byte(in), ""); cairn.CodeOf(err) != code {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"`+string(cairn.SumBytes(nil))+`"}}`), oci.TypeManifest)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":""}]}`), "")
	f.Fuzz(func(t *testing.T, b []byte, kind string) {
		m, err := oci.ParseManifest(b, kind)
		if err != nil {
			return
		}
		if m.Index() == (m.Config != nil) {
			t.Errorf("neither image nor index: %s", b)
		}
		for _, l := range append(m.Layers, m.Manifests...) {
			if !cairn.Digest(l.Digest).Valid() || l.Size < 0 {
				t.Errorf("%+v", l)
			}
		}
	})
}
