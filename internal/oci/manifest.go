package oci

import (
	"encoding/json"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The media types of manifests.
const (
	TypeManifest       = "application/vnd.oci.image.manifest.v1+json"
	TypeIndex          = "application/vnd.oci.image.index.v1+json"
	TypeConfig         = "application/vnd.oci.image.config.v1+json"
	TypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	TypeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	TypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// Limits of what is read of an image.
const (
	// MaxManifest bounds a manifest; the specification asks for 4 MB.
	MaxManifest = 8 << 20
	maxConfig   = 8 << 20
	maxLayers   = 10_000
)

// Descriptor names content inside a manifest.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// Foreign reports whether layers of a media type may not be distributed, and so
// need not be stored here.
func Foreign(mediaType string) bool {
	return strings.Contains(mediaType, "nondistributable") || strings.Contains(mediaType, "foreign")
}

// Platform is what an image runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// String is "linux/amd64" or "linux/arm/v7", "" for nothing known.
func (p *Platform) String() string {
	if p == nil || p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Manifest is a manifest of an image or an index of manifests.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *Descriptor       `json:"config,omitempty"`
	Layers        []Descriptor      `json:"layers,omitempty"`
	Manifests     []Descriptor      `json:"manifests,omitempty"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Index reports whether m is an index of manifests.
func (m *Manifest) Index() bool {
	return m.MediaType == TypeIndex || m.MediaType == TypeDockerIndex
}

// Kind is the type of the artifact as referrers show it: that of its configuration
// where the manifest itself says none.
func (m *Manifest) Kind() string {
	if m.ArtifactType == "" && m.Config != nil {
		return m.Config.MediaType
	}
	return m.ArtifactType
}

// ParseManifest reads a manifest, which may come from anywhere. contentType is what
// its sender called it; "" takes its own word.
func ParseManifest(b []byte, contentType string) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "a manifest of %d bytes; at most %d are taken", len(b), MaxManifest)
	}
	m := &Manifest{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, badManifest("it is not JSON of the right form: %v", err)
	}
	contentType, _, _ = strings.Cut(contentType, ";")
	contentType = strings.TrimSpace(contentType)
	if m.SchemaVersion != 2 {
		return nil, badManifest("its schemaVersion is %d; 2 is read here", m.SchemaVersion)
	}
	if m.MediaType != "" && contentType != "" && m.MediaType != contentType {
		return nil, badManifest("it calls itself %q and was sent as %q", clip(m.MediaType), clip(contentType))
	}
	if m.MediaType == "" {
		m.MediaType = contentType
	}
	if m.MediaType == "" {
		m.MediaType = TypeManifest
		if m.Config == nil && m.Manifests != nil {
			m.MediaType = TypeIndex
		}
	}
	switch m.MediaType {
	case TypeManifest, TypeDockerManifest:
		if m.Config == nil {
			return nil, badManifest("it names no configuration")
		}
		if m.Manifests != nil {
			return nil, badManifest("it is an image and an index at once")
		}
	case TypeIndex, TypeDockerIndex:
		if m.Config != nil || m.Layers != nil {
			return nil, badManifest("it is an image and an index at once")
		}
	default:
		return nil, badManifest("its media type is %q", clip(m.MediaType)).WithHint("images and indexes of OCI and of Docker (version 2) are taken")
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	if len(m.Layers) > maxLayers || len(m.Manifests) > maxLayers {
		return cairn.Errorf(cairn.CodeTooLarge, "a manifest of %d parts; at most %d are taken", len(m.Layers)+len(m.Manifests), maxLayers)
	}
	if len(m.ArtifactType) > 255 {
		return badManifest("its artifactType has %d bytes", len(m.ArtifactType))
	}
	all := append(append([]Descriptor(nil), m.Layers...), m.Manifests...)
	for _, d := range []*Descriptor{m.Config, m.Subject} {
		if d != nil {
			all = append(all, *d)
		}
	}
	for _, d := range all {
		if strings.HasPrefix(d.Digest, "sha512:") {
			return cairn.Errorf(cairn.CodeUnsupported, "the manifest names %s; content is kept by sha256 here", clip(d.Digest)).
				WithHint("build the image with sha256 digests")
		}
		if _, err := cairn.ParseDigest(d.Digest); err != nil {
			return badManifest("it names %q", clip(d.Digest)).WithHint("a digest is sha256: followed by 64 lower-case hex digits")
		}
		if d.Size < 0 {
			return badManifest("%s has a size of %d", d.Digest, d.Size)
		}
	}
	return nil
}

// ImageConfig is what is read of an image's configuration.
type ImageConfig struct {
	Platform
	Config struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

func badManifest(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "the manifest cannot be used: "+format, args...)
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
