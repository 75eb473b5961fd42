package oci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
)

// TestLookOpaqueRoot: a layer that begins anew hides all that lies below it.
func TestLookOpaqueRoot(t *testing.T) {
	t.Parallel()
	h := open(t)
	old := strings.Repeat("weights ", 20)
	h.version(cairn.AssetModel, "digits", map[string]string{"model.bin": old})
	raw := h.image(nil, map[string]string{"app/model.bin": old}, map[string]string{".wh..wh..opq": "", "app/main.py": "print()"})
	img, err := h.images.PutManifest(t.Context(), "api", "v1", "", "", raw, ana)
	if err != nil || len(img.Packed) != 0 {
		t.Errorf("%+v, %v", img.Packed, err)
	}
}

// TestLookLongNames: a small layer of long names is not taken into memory.
func TestLookLongNames(t *testing.T) {
	t.Parallel()
	h := open(t)
	old := strings.Repeat("weights ", 20)
	h.version(cairn.AssetModel, "digits", map[string]string{"model.bin": old})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: "model.bin", Mode: 0o644, Size: int64(len(old)), Typeflag: tar.TypeReg})
	w.Write([]byte(old))
	long := strings.Repeat("long/", 1000)
	for i := range 3 {
		w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s%d", long, i), Mode: 0o644, Size: 1, Typeflag: tar.TypeReg})
		w.Write([]byte("x"))
	}
	w.Close()
	z.Close()
	config := []byte(`{"os":"linux","architecture":"amd64"}`)
	raw, err := json.Marshal(oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest,
		Config: &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(h.put(config)), Size: int64(len(config))},
		Layers: []oci.Descriptor{{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: string(h.put(b.Bytes())), Size: int64(b.Len())}}})
	if err != nil {
		t.Fatal(err)
	}
	img, err := h.images.PutManifest(t.Context(), "api", "v1", "", "", raw, ana)
	if err != nil || len(img.Packed) != 0 {
		t.Errorf("%+v, %v", img.Packed, err)
	}
	if l, err := h.store.LayerListing(t.Context(), cairn.SumBytes(b.Bytes())); err != nil || l != "" {
		t.Errorf("its files were listed: %s, %v", l, err)
	}
}
