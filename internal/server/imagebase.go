package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/base"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// baseFromHost captures a Python of this machine as a base image and stores it in
// the owner.
func baseFromHost(ctx context.Context, c *client.Client, tools python.Tools, r image.BaseRequest, log io.Writer) (*cairn.Image, error) {
	if log == nil {
		log = io.Discard
	}
	py, err := hostPython(ctx, &tools, r)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cairn-base-")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for the layers: %w", err)
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(log, "capturing the Python at %s\n", py)
	res, err := base.FromHost(ctx, base.Options{Python: py, Environ: tools.Environ, Dir: dir, Log: log})
	if err != nil {
		return nil, err
	}
	as := r.As
	if as == "" {
		as = "python-host:" + res.Python
	}
	name, err := ref.Parse(as)
	if err != nil {
		return nil, err
	}
	for _, n := range res.Notes {
		fmt.Fprintf(log, "note: %s\n", n)
	}
	return storeBase(ctx, c, res, name.String())
}

// storeBase sends layers, configuration and manifest, and records the image.
func storeBase(ctx context.Context, c *client.Client, res *base.Result, name string) (*cairn.Image, error) {
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest,
		Config: &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(cairn.SumBytes(res.Config)), Size: int64(len(res.Config))}}
	b := cairn.ImageBuild{Names: []string{name}, Builder: cairn.BuilderHostPython}
	blobs := []client.Blob{client.BytesBlob(res.Config)}
	for _, l := range res.Layers {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: layer.MediaTypeTar, Digest: string(l.Blob.Digest), Size: l.Blob.Size})
		b.Layers = append(b.Layers, cairn.ImageLayer{Digest: l.Blob.Digest, DiffID: l.Blob.Digest, Size: l.Blob.Size, MediaType: layer.MediaTypeTar,
			Role: cairn.LayerBase, Note: l.Note})
		blobs = append(blobs, client.Blob{Digest: l.Blob.Digest, Size: l.Blob.Size, Open: func() (io.ReadCloser, error) { return os.Open(l.Blob.Path) }})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "the manifest cannot be written: %w", err)
	}
	b.Manifest = cairn.SumBytes(raw)
	blobs = append(blobs, client.BytesBlob(raw))
	ds := make([]cairn.Digest, len(blobs))
	for i := range blobs {
		ds[i] = blobs[i].Digest
	}
	missing, err := c.MissingBlobs(ctx, ds)
	if err != nil {
		return nil, err
	}
	lacks := map[cairn.Digest]bool{}
	for _, d := range missing {
		lacks[d] = true
	}
	var send []client.Blob
	for _, blob := range blobs {
		if lacks[blob.Digest] {
			send = append(send, blob)
		}
	}
	if err := c.UploadBlobs(ctx, send); err != nil {
		return nil, err
	}
	return c.RecordImage(ctx, b)
}

var pythonTagRE = regexp.MustCompile(`^3(?:\.\d{1,2}){0,2}`)

// hostPython finds the interpreter: the one that is named by path or version, else
// one of the version that the image's tag begins with, else python3 of the PATH.
func hostPython(ctx context.Context, tools *python.Tools, r image.BaseRequest) (string, error) {
	want := r.Python
	if strings.Contains(want, "/") {
		p, err := filepath.Abs(want)
		if err != nil {
			return "", cairn.Errorf(cairn.CodeInvalid, "%q is no path: %w", want, err)
		}
		return p, nil
	}
	if want == "" && r.As != "" {
		name, err := ref.Parse(r.As)
		if err != nil {
			return "", err
		}
		if name.Last() == "python" {
			want = pythonTagRE.FindString(name.Tag)
		}
	}
	if want == "" {
		for _, dir := range filepath.SplitList(tools.Getenv("PATH")) {
			if p := filepath.Join(dir, "python3"); filepath.IsAbs(dir) {
				if found, err := exec.LookPath(p); err == nil {
					return found, nil
				}
			}
		}
		want = "3"
	}
	spec, err := python.ParseSpec(want)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is neither the path of an interpreter nor a version of Python", want).WithHint("write --python 3.11 or --python /usr/bin/python3")
	}
	py, err := tools.Find(ctx, spec, "")
	if err != nil {
		return "", err
	}
	return py.Path, nil
}
