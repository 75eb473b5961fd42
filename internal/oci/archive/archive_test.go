package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/archive"
	"github.com/cairn-ml/cairn/internal/oci/remote"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// memory is a Sink and a Source.
type memory struct {
	blobs    map[cairn.Digest][]byte
	recorded []cairn.ImageBuild
}

func (m *memory) MissingBlobs(_ context.Context, ds []cairn.Digest) (out []cairn.Digest, _ error) {
	for _, d := range ds {
		if m.blobs[d] == nil {
			out = append(out, d)
		}
	}
	return out, nil
}

func (m *memory) UploadBlobs(_ context.Context, bs []remote.Blob) error {
	for _, b := range bs {
		r, err := b.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if got := cairn.SumBytes(content); got != b.Digest {
			return cairn.Errorf(cairn.CodeConflict, "the bytes sent as %s are %s", b.Digest, got)
		}
		m.blobs[b.Digest] = content
	}
	return nil
}

func (m *memory) RecordImage(_ context.Context, b cairn.ImageBuild) (*cairn.Image, error) {
	m.recorded = append(m.recorded, b)
	return &cairn.Image{Digest: b.Manifest, Tags: b.Names}, nil
}

func (m *memory) GetBlob(_ context.Context, d cairn.Digest) (io.ReadCloser, int64, error) {
	b, ok := m.blobs[d]
	if !ok {
		return nil, 0, cairn.Errorf(cairn.CodeNotFound, "%s is not stored here", d)
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

func load(t *testing.T, path string, m *memory, as ...string) ([]*cairn.Image, error) {
	t.Helper()
	a, err := archive.Open(t.Context(), path, t.TempDir())
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.Load(t.Context(), as, m, io.Discard)
}

// TestSaveDamaged: a file with bytes that the disk lost would be found out only
// where it is loaded.
func TestSaveDamaged(t *testing.T) {
	t.Parallel()
	src, err := random.Image(10_000, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, _ := name.NewTag("api:v1")
	docker := filepath.Join(t.TempDir(), "docker.tar")
	if err := tarball.WriteToFile(docker, tag, src); err != nil {
		t.Fatal(err)
	}
	m := &memory{blobs: map[cairn.Digest][]byte{}}
	imgs, err := load(t, docker, m)
	if err != nil {
		t.Fatal(err)
	}
	for d, b := range m.blobs {
		m.blobs[d] = append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1)
		err := archive.Save(t.Context(), io.Discard, imgs[0], nil, m)
		if cairn.CodeOf(err) != cairn.CodeFailed || !strings.Contains(err.Error(), string(d)+" is damaged in the store") {
			t.Errorf("%s: %v", d, err)
		}
		m.blobs[d] = b
	}
}

// TestManyIndexes: a small file of indexes that name each other over and over.
func TestManyIndexes(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	below := `{"schemaVersion":2,"mediaType":"` + oci.TypeIndex + `","manifests":[]}`
	for level := range 3 {
		d := cairn.SumBytes([]byte(below))
		files["blobs/sha256/"+d.Hex()] = below
		entry := `{"mediaType":"` + oci.TypeIndex + `","digest":"` + string(d) + `","size":1}`
		below = `{"schemaVersion":2,"mediaType":"` + oci.TypeIndex + `","annotations":{"level":"` + strconv.Itoa(level) + `"},"manifests":[` +
			strings.Repeat(entry+",", 149) + entry + `]}`
	}
	files["index.json"] = below
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for n, text := range files {
		w.WriteHeader(&tar.Header{Name: n, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write([]byte(text))
	}
	w.Close()
	path := filepath.Join(t.TempDir(), "many.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, path, &memory{blobs: map[cairn.Digest][]byte{}}); cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), "more than 2000 manifests") {
		t.Error(err)
	}
}

// What docker save wrote is loaded and saved; what is saved is loaded with the same
// digests, and read by others.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, err := random.Image(10_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	tag, _ := name.NewTag("ghcr.io/me/api:v1")
	docker := filepath.Join(dir, "docker.tar")
	if err := tarball.WriteToFile(docker, tag, src); err != nil {
		t.Fatal(err)
	}
	m := &memory{blobs: map[cairn.Digest][]byte{}}
	imgs, err := load(t, docker, m)
	if err != nil || len(imgs) != 1 || strings.Join(imgs[0].Tags, " ") != "ghcr.io/me/api:v1" {
		t.Fatal(imgs, err)
	}
	if b := m.recorded[0]; b.Builder != "load" || b.Packed != nil {
		t.Errorf("%+v", b)
	}
	saved := filepath.Join(dir, "saved.tar")
	var one, two bytes.Buffer
	for _, w := range []*bytes.Buffer{&one, &two} {
		if err := archive.Save(t.Context(), w, imgs[0], imgs[0].Tags, m); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the same image gives different files")
	}
	if err := os.WriteFile(saved, one.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	back := &memory{blobs: map[cairn.Digest][]byte{}}
	again, err := load(t, saved, back)
	if err != nil || again[0].Digest != imgs[0].Digest || strings.Join(again[0].Tags, " ") != "ghcr.io/me/api:v1" {
		t.Error(again, err)
	}
	if got, err := load(t, saved, back, "api:x"); err != nil || got[0].Tags[0] != "api:x" {
		t.Error(got, err)
	}
	other, err := tarball.ImageFromPath(saved, &tag)
	if err != nil {
		t.Fatal(err)
	}
	var want, got v1.Hash
	if want, err = src.ConfigName(); err == nil {
		got, err = other.ConfigName()
	}
	if err != nil || got != want {
		t.Error(got, want, err)
	}
}

func TestBadArchives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := `{"rootfs":{"diff_ids":["` + string(cairn.SumBytes([]byte("other"))) + `"]}}`
	for what, files := range map[string]map[string]string{
		"empty":            {},
		"no image":         {"a": "b"},
		"bad list":         {"manifest.json": "{}"},
		"no images":        {"manifest.json": "[]"},
		"no config":        {"manifest.json": `[{"Config":"c","Layers":[]}]`},
		"climbs":           {"manifest.json": `[{"Config":"../../etc/passwd","Layers":[]}]`},
		"no layer":         {"manifest.json": `[{"Config":"c","Layers":["l"]}]`, "c": config},
		"another layer":    {"manifest.json": `[{"Config":"c","Layers":["l"]}]`, "c": config, "l": "layer"},
		"too few layers":   {"manifest.json": `[{"Config":"c","Layers":[]}]`, "c": config},
		"bad index":        {"index.json": "[]"},
		"empty index":      {"index.json": `{"schemaVersion":2,"manifests":[]}`},
		"missing":          {"index.json": `{"schemaVersion":2,"manifests":[{"digest":"` + string(cairn.SumBytes(nil)) + `","size":1}]}`},
		"damaged":          {"index.json": `{"schemaVersion":2,"manifests":[{"digest":"` + string(cairn.SumBytes(nil)) + `","size":1}]}`, "blobs/sha256/" + cairn.SumBytes(nil).Hex(): "x"},
		"a path as digest": {"index.json": `{"schemaVersion":2,"manifests":[{"digest":"../x","size":1}]}`},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for n, text := range files {
			w.WriteHeader(&tar.Header{Name: n, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg})
			w.Write([]byte(text))
		}
		w.Close()
		path := filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		m := &memory{blobs: map[cairn.Digest][]byte{}}
		if imgs, err := load(t, path, m); cairn.CodeOf(err) != cairn.CodeInvalid || len(m.recorded) > 0 {
			t.Errorf("%s: %v, %v", what, imgs, err)
		}
	}
	for what, content := range map[string]string{"gz": "\x1f\x8bnot", "zst": "\x28\xb5\x2f\xfdnot", "text": strings.Repeat("text ", 200)} {
		path := filepath.Join(dir, what)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(t, path, &memory{}); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := load(t, dir, &memory{}); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
	if _, err := load(t, filepath.Join(dir, "none"), &memory{}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "manifest.json", Size: 2, Mode: 0o644, Typeflag: tar.TypeReg})
	w.Write([]byte("[]"))
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m := &memory{blobs: map[cairn.Digest][]byte{}}
		if _, err := load(t, path, m); err != nil && cairn.CodeOf(err) == cairn.CodeInternal {
			t.Errorf("%v", err)
		}
	})
}
