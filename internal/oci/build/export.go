package build

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
)

// writeArchive writes an image that Cairn has as docker save would, with a name.
func (j *job) writeArchive(ctx context.Context, b *base, name, file string) (string, error) {
	f, err := os.Create(file)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no place for the base image: %w", err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	config := b.image.Config.Hex() + ".json"
	if err := j.writeBlob(ctx, w, config, b.image.Config); err != nil {
		return "", err
	}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	e := entry{Config: config, RepoTags: []string{name}, Layers: []string{}}
	done := map[string]bool{}
	for _, l := range b.image.Layers {
		n := l.Digest.Hex() + ".tar"
		e.Layers = append(e.Layers, n)
		if done[n] {
			continue
		}
		done[n] = true
		if err := j.writeBlob(ctx, w, n, l.Digest); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal([]entry{e})
	if err != nil {
		return "", err
	}
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(raw)), Typeflag: tar.TypeReg}); err != nil {
		return "", err
	}
	if _, err := w.Write(raw); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return file, f.Close()
}

// writeBlob copies a blob into an archive and checks it.
func (j *job) writeBlob(ctx context.Context, w *tar.Writer, name string, d cairn.Digest) error {
	r, size, err := j.srv.GetBlob(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	return copyChecked(w, r, d)
}

func copyChecked(w io.Writer, r io.ReadCloser, d cairn.Digest) error {
	if _, err := io.Copy(w, oci.Checked(r, d)); err != nil {
		e := cairn.AsError(err)
		out := cairn.Errorf(cairn.CodeFailed, "a part of the base image cannot be copied: %s", e.Message)
		out.Hint, out.Err = e.Hint, err
		return out
	}
	return nil
}

// writeLayout writes an image that Cairn has as a folder in the OCI layout.
func (j *job) writeLayout(ctx context.Context, b *base, dir string) (string, cairn.Digest, error) {
	fail := func(err error) (string, cairn.Digest, error) {
		return "", "", cairn.Errorf(cairn.CodeFailed, "the base image cannot be written: %w", err)
	}
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return fail(err)
	}
	ds := []cairn.Digest{b.image.Digest, b.image.Config}
	for _, l := range b.image.Layers {
		ds = append(ds, l.Digest)
	}
	for _, d := range ds {
		r, _, err := j.srv.GetBlob(ctx, d)
		if err != nil {
			return "", "", err
		}
		f, err := os.Create(filepath.Join(blobs, d.Hex()))
		if err != nil {
			r.Close()
			return fail(err)
		}
		err = copyChecked(f, r, d)
		r.Close()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return "", "", err
		}
	}
	fi, err := os.Stat(filepath.Join(blobs, b.image.Digest.Hex()))
	if err != nil {
		return fail(err)
	}
	index, err := json.Marshal(oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeIndex,
		Manifests: []oci.Descriptor{{MediaType: b.image.MediaType, Digest: string(b.image.Digest), Size: fi.Size()}}})
	if err != nil {
		return fail(err)
	}
	for name, raw := range map[string][]byte{"index.json": index, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			return fail(err)
		}
	}
	return dir, b.image.Digest, nil
}

// errArchive is an archive of an executor that is no image.
func errArchive(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeFailed, "what the executor built cannot be taken in: %s", fmt.Sprintf(format, args...))
}
