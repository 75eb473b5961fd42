package archive

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
)

// Image is the one image of an archive, for who stores it in another form.
type Image struct {
	Config []byte
	Layers []Layer // the lowest first
}

// Layer is a layer as it lies in the archive.
type Layer struct {
	Digest    cairn.Digest
	Size      int64
	MediaType string
	Open      func() (io.ReadCloser, error)
}

// Image reads the one image of an archive. Docker's own list, where it is there,
// says which; of an index the one whose platform fits is taken, or the only one.
func (a *Archive) Image(ctx context.Context, fits func(platform string) bool) (*Image, error) {
	list, docker, err := a.list()
	if err != nil {
		return nil, err
	}
	var i *image
	switch {
	case docker && len(list) != 1:
		return nil, bad("its manifest.json names %d images instead of one", len(list))
	case docker:
		i, err = a.docker(ctx, list[0].Config, list[0].Layers)
	default:
		i, err = a.fitting(fits)
	}
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(i.manifest, "")
	if err != nil {
		return nil, err
	}
	spans := map[cairn.Digest]span{}
	for _, p := range i.parts[1:] {
		spans[p.digest] = p.span
	}
	out := &Image{Config: i.parts[0].bytes}
	if out.Config == nil {
		if out.Config, err = a.small(blobPath(m.Config.Digest)); err != nil {
			return nil, err
		}
	}
	for _, l := range m.Layers {
		s, ok := spans[cairn.Digest(l.Digest)]
		if !ok {
			return nil, bad("it has no layer %s", l.Digest)
		}
		out.Layers = append(out.Layers, Layer{Digest: cairn.Digest(l.Digest), Size: l.Size, MediaType: l.MediaType,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(a.open(s)), nil }})
	}
	return out, nil
}

// dockerImage is an entry of docker's own list.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// list reads docker's own list; there is false for an archive without one.
func (a *Archive) list() (list []dockerImage, there bool, err error) {
	if _, there = a.part("manifest.json"); !there {
		return nil, false, nil
	}
	raw, err := a.small("manifest.json")
	if err != nil {
		return nil, true, err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, true, bad("its manifest.json is not of the right form")
	}
	return list, true, nil
}

// fitting goes down the indexes of a layout.
func (a *Archive) fitting(fits func(platform string) bool) (*image, error) {
	m, err := a.top()
	if err != nil {
		return nil, err
	}
	for range 3 { // index.json, an index in it, a manifest
		d := pick(m.Manifests, fits)
		if d == nil {
			return nil, bad("it has no image for the platform")
		}
		raw, err := a.small(blobPath(d.Digest))
		if err != nil {
			return nil, err
		}
		if m, err = oci.ParseManifest(raw, d.MediaType); err != nil {
			return nil, bad("%s", cairn.AsError(err).Message)
		}
		if !m.Index() {
			return a.manifest(*d, 0)
		}
	}
	return nil, bad("its indexes are nested too deeply")
}

// pick finds the image for a platform; attestations have none that is real.
func pick(ds []oci.Descriptor, fits func(platform string) bool) *oci.Descriptor {
	var only *oci.Descriptor
	n := 0
	for i := range ds {
		d := &ds[i]
		p := d.Platform.String()
		if strings.HasPrefix(p, "unknown/") {
			continue
		}
		if p != "" && fits(p) {
			return d
		}
		only = d
		n++
	}
	if n == 1 {
		return only
	}
	return nil
}
