package cairn

import "time"

// Image is an image that Cairn holds: a manifest or an index of manifests with
// all that they name. Its identity is the digest of the manifest; names and tags
// only point to it.
type Image struct {
	Workspace string `json:"workspace"`
	// Seq orders the images of a workspace; it is Cairn's own, never reused.
	Seq       int64  `json:"seq"`
	Digest    Digest `json:"digest"`           // of the manifest or index
	Config    Digest `json:"config,omitempty"` // of the configuration: what docker shows as image id; "" for an index
	MediaType string `json:"media_type"`
	Platform  string `json:"platform,omitempty"` // "linux/amd64"; "" for an index
	// Size is the bytes of the configuration and of all layers, as stored.
	Size   int64        `json:"size"`
	Layers []ImageLayer `json:"layers,omitempty"`
	// Manifests are the images of an index.
	Manifests []Digest `json:"manifests,omitempty"`
	// Subject and ArtifactType are those of the manifest: a referrer has a subject.
	Subject      Digest `json:"subject,omitempty"`
	ArtifactType string `json:"artifact_type,omitempty"`
	// Labels are those of the configuration; annotations of the manifest win.
	Labels map[string]string `json:"labels,omitempty"`
	// Base is the image that it was built on, and BaseName what FROM said.
	Base     Digest `json:"base,omitempty"`
	BaseName string `json:"base_name,omitempty"`
	// Packed are the things that were found in it, by the digests of their files.
	Packed []Packed `json:"packed,omitempty"`
	// Repository and Commit (40 hex) are those of the run that made it; of an image
	// that was pushed by hand, what its label org.opencontainers.image.revision says.
	Repository string `json:"repository,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Dirty      bool   `json:"dirty,omitempty"`
	// Builder says what executed it: "cairn", "docker", "buildah", or how else it
	// came here (BuilderPush and the like).
	Builder   string    `json:"builder,omitempty"`
	Job       JobID     `json:"job,omitempty"` // the job that made it; 0: by hand
	Run       RunID     `json:"run,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	// Deleted says that its names and bytes are gone; the row stays for the trace.
	Deleted bool `json:"deleted,omitempty"`
	// Tags are the names that point to it now, "ghcr.io/acme/api:main"; filled by
	// reads.
	Tags []string `json:"tags,omitempty"`
}

// How an image came here that no build made.
const (
	BuilderPush       = "push"
	BuilderPull       = "pull"
	BuilderLoad       = "load"
	BuilderHostPython = "host-python" // the Python of this machine, as a base
)

// Ref is the image's name in the lineage graph.
func (i *Image) Ref() Ref { return ImageRef(i.Digest) }

// ImageRef is the ref of an image by the digest of its manifest.
func ImageRef(d Digest) Ref { return NewRef(KindImage, string(d)) }

// ImageLayer is one layer of an image.
type ImageLayer struct {
	Digest    Digest `json:"digest"`            // of the bytes as stored
	DiffID    Digest `json:"diff_id,omitempty"` // of the tar inside
	Size      int64  `json:"size"`
	MediaType string `json:"media_type"`
	// Role says what the layer holds, where Cairn made it; see the Layer constants.
	Role string `json:"role,omitempty"`
	// Note is for people: "COPY . .", "23 packages", "model/digits:1".
	Note string `json:"note,omitempty"`
}

// The roles of layers.
const (
	LayerBase  = "base"
	LayerDeps  = "dependencies"
	LayerCode  = "code"
	LayerModel = "model"
)

// Packed is a file of an image that is known by its digest: it belongs to a
// model, data or artifact version.
type Packed struct {
	Path   string `json:"path"` // in the image: "app/model.joblib"
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
	// Ref is the version that holds the file. Where several could be meant it is
	// the likeliest, and Others are all the rest: the link says ambiguous.
	Ref    Ref   `json:"ref"`
	Others []Ref `json:"others,omitempty"`
}

// ImageTag is a name that points to an image; it can be moved. Without Tag it says
// only that the repository Name holds the image.
type ImageTag struct {
	Workspace string `json:"workspace"`
	// Name is the repository part, with its registry where it has one:
	// "ghcr.io/acme/api", "docker.io/library/python", "api".
	Name   string    `json:"name"`
	Tag    string    `json:"tag"`
	Digest Digest    `json:"digest"`
	By     string    `json:"by"`
	Job    JobID     `json:"job,omitempty"`
	At     time.Time `json:"at"`
}

// String is the reference as people write it.
func (t *ImageTag) String() string { return t.Name + ":" + t.Tag }

// ImageBuild is what a builder tells of the image that it made, once all blobs
// are stored. The server looks up what the files belong to and writes the rows,
// tags and links of it in one transaction.
type ImageBuild struct {
	Manifest Digest `json:"manifest"` // its bytes are a stored blob
	// Names are the references that shall point to it, in full ("ghcr.io/a/b:tag").
	Names  []string     `json:"names,omitempty"`
	Layers []ImageLayer `json:"layers"` // in the order of the manifest, with roles
	// Packed are files whose versions the builder asked for (HeldFiles).
	Packed   []Packed `json:"packed,omitempty"`
	Base     Digest   `json:"base,omitempty"`
	BaseName string   `json:"base_name,omitempty"`
	// Environment is the recorded lock of its packages ("environment/name:3").
	Environment Ref    `json:"environment,omitempty"`
	Dockerfile  Digest `json:"dockerfile,omitempty"`
	Builder     string `json:"builder,omitempty"`
}

// HeldQuery asks which versions hold files. Sum is the SHA-1 of the file as a
// git blob: what lies in the run's own code is code, whoever uploaded it too.
type HeldQuery struct {
	Digest Digest `json:"digest"`
	Sum    string `json:"sum,omitempty"`
}

// ImageFilter narrows a listing of images; zero fields do not.
type ImageFilter struct {
	Name   string // repository, in full or its last part
	Run    RunID
	Commit string // SHA or prefix
	Digest Digest // of the manifest or of the configuration
	Limit  int    // 0: 100
	Before int64  // Seq: the next page
	// All includes referrers and the parts of indexes.
	All bool
}

// BuildRequest asks for an image from a build context, as `docker build` and
// docker/build-push-action take it. Paths are absolute.
type BuildRequest struct {
	Context    string // folder of the build context
	Dockerfile string // "": Dockerfile of the context
	// Names are full references (ParseReference has been applied): "ghcr.io/a/b:tag".
	Names       []string
	BuildArgs   map[string]string
	Labels      map[string]string
	Annotations map[string]string // of the manifest
	Target      string            // stage to build; "": the last
	Platforms   []string          // "linux/amd64"; none: this machine's
	NoCache     bool
	Pull        bool // look for a newer base where its registry can be reached
	// Push sends the image to the registries of Names that credentials are there for.
	Push bool
	// Secrets and SSH are those of RUN --mount; only executors know them.
	Secrets map[string]string
	// Extra are further options that only an executor knows, as flags of docker build.
	Extra []string
	// Env is the environment that credentials (HOME, DOCKER_CONFIG), executors
	// (DOCKER_HOST, BUILDKIT_HOST) and pip settings are looked up in.
	Env map[string]string
	// JobToken is the password that stands for no registry outside.
	JobToken string
}

// BuildResult says what came of a BuildRequest.
type BuildResult struct {
	Image *Image `json:"image"`
	// Sent and Kept are the bytes of layers that were stored anew and that were there.
	Sent     int64    `json:"sent"`
	Kept     int64    `json:"kept"`
	Warnings []string `json:"warnings,omitempty"`
	// Pushed says of each registry outside what became of the push.
	Pushed []PushResult `json:"pushed,omitempty"`
}

// PushResult is what became of one reference that belongs to a registry outside.
type PushResult struct {
	Name    string `json:"name"` // the reference
	Pushed  bool   `json:"pushed"`
	Reason  string `json:"reason,omitempty"` // why it was not: "no credentials for ghcr.io"
	Bytes   int64  `json:"bytes"`            // sent
	Skipped int64  `json:"skipped"`          // bytes that the registry had
}
