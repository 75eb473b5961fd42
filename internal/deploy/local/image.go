package local

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

const (
	maxManifest = 8 << 20
	maxLayers   = 512
)

// image is the image of this machine's platform, as it is executed.
type image struct {
	name   string // for messages
	digest cairn.Digest
	config cairn.Digest
	layers []cairn.ImageLayer
	imageConfig
}

// imageConfig is what Docker and OCI say of how an image runs.
type imageConfig struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User         string
		Env          []string
		Entrypoint   []string
		Cmd          []string
		WorkingDir   string
		StopSignal   string
		ExposedPorts map[string]struct{}
	} `json:"config"`
}

type descriptor struct {
	MediaType string       `json:"mediaType"`
	Digest    cairn.Digest `json:"digest"`
	Size      int64        `json:"size"`
	Platform  *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

type manifest struct {
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// open reads the manifest and the configuration of an image; of an index those
// of this machine's platform.
func (t *Target) open(ctx context.Context, row cairn.Image) (*image, error) {
	m, err := t.manifest(ctx, row.Digest)
	if err != nil {
		return nil, err
	}
	name := short(row.Digest)
	if len(row.Tags) > 0 {
		name = row.Tags[0]
	}
	if len(m.Manifests) > 0 {
		d, err := choose(name, m.Manifests)
		if err != nil {
			return nil, err
		}
		row = cairn.Image{Digest: d}
		if t.o.Image != nil {
			if child, err := t.o.Image(ctx, d); err == nil {
				row = *child
			}
		}
		if m, err = t.manifest(ctx, d); err != nil {
			return nil, err
		}
	}
	img := &image{name: name, digest: row.Digest, config: m.Config.Digest}
	if len(m.Layers) == 0 || len(m.Layers) > maxLayers {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the image %s has %d layers: it cannot be run", name, len(m.Layers))
	}
	text, err := t.read(ctx, name, m.Config.Digest)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &img.imageConfig); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the configuration of the image %s cannot be read: %w", name, err)
	}
	for i, l := range m.Layers {
		layer := cairn.ImageLayer{Digest: l.Digest, Size: l.Size, MediaType: l.MediaType}
		if i < len(row.Layers) && row.Layers[i].Digest == l.Digest {
			layer = row.Layers[i]
		}
		img.layers = append(img.layers, layer)
	}
	if a := img.Architecture; a != "" && a != runtime.GOARCH {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the image %s is for %s/%s; this machine is %s/%s", name, img.OS, a, runtime.GOOS, runtime.GOARCH).
			WithHint("build it for this machine: docker/build-push-action with platforms: linux/%s, or cairn image build --platform linux/%[1]s", runtime.GOARCH)
	}
	return img, nil
}

func (t *Target) manifest(ctx context.Context, d cairn.Digest) (*manifest, error) {
	text, err := t.read(ctx, short(d), d)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the manifest of the image %s cannot be read: %w", short(d), err)
	}
	return &m, nil
}

func (t *Target) read(ctx context.Context, name string, d cairn.Digest) ([]byte, error) {
	b, err := t.o.Blobs.ReadBlob(ctx, d, maxManifest)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, cairn.Errorf(cairn.CodeNotFound, "the image %s is not whole here: %s is missing", name, d).
			WithHint("push or build it again")
	}
	return b, err
}

// choose takes this machine's platform out of an index.
func choose(name string, all []descriptor) (cairn.Digest, error) {
	var there []string
	for _, d := range all {
		if d.Platform == nil {
			continue
		}
		if d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			return d.Digest, nil
		}
		if p := d.Platform.OS + "/" + d.Platform.Architecture; d.Platform.OS != "unknown" { // attestations
			there = append(there, p)
		}
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "the image %s is not there for linux/%s, only for %s", name, runtime.GOARCH, strings.Join(there, ", "))
}

// port is the first port that EXPOSE names; 0: none.
func (i *image) port() int {
	var ports []int
	for p := range i.Config.ExposedPorts {
		number, proto, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(number); err == nil && n > 0 && n < 65536 && (proto == "" || proto == "tcp") {
			ports = append(ports, n)
		}
	}
	if len(ports) == 0 {
		return 0
	}
	return slices.Min(ports)
}

// env is the image's environment with the PATH that is taken where it has none.
func (i *image) env() []string {
	if lookup(i.Config.Env, "PATH") != "" {
		return i.Config.Env
	}
	return append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, i.Config.Env...)
}

// key names the image in files.
func (i *image) key() string { return short(i.digest) }

// short is a digest for people and for names of files.
func short(d cairn.Digest) string {
	_, hex, _ := strings.Cut(string(d), ":")
	return fmt.Sprintf("%.12s", hex)
}
