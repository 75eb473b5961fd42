// Package build makes images from a build context: in this process where the
// Dockerfile needs no container to run in, else with an executor that is there.
//
// An assembled image is its base's layers, one layer of packages, one of code and
// one for each model, data or artifact version whose files were copied. The layers
// do not depend on each other, so a new model moves one layer, and the same inputs
// give the same digest on any machine: times are zero, owners are what the
// Dockerfile says, and nothing is compressed.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// Server is what a build reaches of the owner; the API client satisfies it by
// way of a small adapter.
type Server interface {
	MissingBlobs(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	// UploadBlobs sends blobs; when it returns without error they are on disk.
	UploadBlobs(ctx context.Context, blobs []Blob) error
	GetBlob(ctx context.Context, d cairn.Digest) (io.ReadCloser, int64, error)
	HeldFiles(ctx context.Context, qs []cairn.HeldQuery) (map[cairn.Digest][]cairn.Ref, error)
	RecordImage(ctx context.Context, b cairn.ImageBuild) (*cairn.Image, error)
	Image(ctx context.Context, ref string) (*cairn.Image, error)
	RecordEnvironment(ctx context.Context, name string, lock []byte, props map[string]string) (cairn.Ref, error)
}

// Blob is bytes to send; Open is called when their turn comes.
type Blob struct {
	Digest cairn.Digest
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// Puller fetches an image from the registry that its reference names, stores it
// in Cairn and returns it. log gets lines about its way.
type Puller interface {
	Pull(ctx context.Context, srv Server, r ref.Reference, platform string, env map[string]string, log io.Writer) (*cairn.Image, error)
}

// Pusher sends an image that Cairn holds to the registry that a name belongs to.
// Missing credentials are no error: the result says so.
type Pusher interface {
	Push(ctx context.Context, srv Server, img *cairn.Image, r ref.Reference, env map[string]string, jobToken string, log io.Writer) (cairn.PushResult, error)
}

// Limits bound what a build takes in; a zero field means the default.
type Limits struct {
	Files int   // files of an image besides those of its base: 500,000
	Bytes int64 // their bytes: 100 GiB
}

// Options are what a builder needs from its process.
type Options struct {
	// Cache is a folder for what can be had again: facts about bases, packages.
	Cache string
	// Platform is that of this machine; "": what this binary was built for.
	Platform string
	Deps     Dependencies // nil: pip lines need an executor
	Puller   Puller       // nil: only images of Cairn are bases
	Pusher   Pusher       // nil: nothing is pushed
	// Executors are tried in their order; nil: those that are usual.
	Executors []Executor
	Limits    Limits
	Log       *slog.Logger
}

// Builder builds images. It keeps no state between builds besides its cache.
type Builder struct{ o Options }

// New returns a builder.
func New(o Options) *Builder {
	if o.Platform == "" {
		o.Platform = "linux/" + runtime.GOARCH
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Executors == nil {
		o.Executors = Executors()
	}
	if o.Limits.Files == 0 {
		o.Limits.Files = 500_000
	}
	if o.Limits.Bytes == 0 {
		o.Limits.Bytes = 100 << 30
	}
	return &Builder{o: o}
}

// job is one build under way.
type job struct {
	o     Options
	srv   Server
	r     cairn.BuildRequest
	log   io.Writer
	file  *dockerfile.File
	ctx   *buildContext
	path  string // of the Dockerfile
	names []ref.Reference
	tmp   string // removed at the end
	res   *cairn.BuildResult
	bases map[string]*base
	// lacking is a base that could not be had.
	lacking string

	stages  map[*dockerfile.Stage]*stage
	spooled *spool
}

// Build makes the image, stores it and records it. log gets lines for people.
func (b *Builder) Build(ctx context.Context, srv Server, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
	if log == nil {
		log = io.Discard
	}
	j := &job{o: b.o, srv: srv, r: r, log: log, res: &cairn.BuildResult{}, bases: map[string]*base{}, stages: map[*dockerfile.Stage]*stage{}}
	if err := j.open(); err != nil {
		return nil, err
	}
	defer j.ctx.close()
	var err error
	if j.tmp, err = os.MkdirTemp("", "cairn-build-"); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for a build: %w", err)
	}
	defer j.clean()
	platforms, err := j.platforms()
	if err != nil {
		return nil, err
	}
	made := make([]*assembled, 0, len(platforms))
	for _, p := range platforms {
		if len(platforms) > 1 {
			j.printf("platform     %s", p)
		}
		a, err := j.platform(ctx, p)
		if err != nil {
			return nil, err
		}
		made = append(made, a)
	}
	if err := j.record(ctx, made, platforms); err != nil {
		return nil, err
	}
	if r.Push {
		if err := j.push(ctx); err != nil {
			return j.res, err
		}
	}
	return j.res, nil
}

// clean removes what the build kept on disk.
func (j *job) clean() {
	if j.spooled != nil {
		j.spooled.f.Close()
	}
	os.RemoveAll(j.tmp)
}

// platform builds for one platform: without an executor where that is possible.
func (j *job) platform(ctx context.Context, p string) (*assembled, error) {
	plan, err := j.file.Evaluate(ctx, dockerfile.Options{
		Args: j.r.BuildArgs, Target: j.r.Target, Platform: p, BuildPlatform: j.o.Platform,
		Base: func(ctx context.Context, name, platform string) (*dockerfile.Base, error) {
			return j.base(ctx, name, platform)
		},
	})
	if err != nil {
		if cairn.CodeOf(err) == codeBase {
			// An executor may have a base that Cairn has not.
			return j.execute(ctx, nil, p, nil, err)
		}
		return nil, err
	}
	for _, w := range plan.Warnings {
		j.warn("%s", w)
	}
	needs := append(j.syntaxNeeds(), plan.Needs()...)
	needs = append(needs, j.pipNeeds(plan)...)
	if len(needs) == 0 && len(j.r.Extra) > 0 {
		j.warn("these options are for executors, and this build needs none: %s", strings.Join(j.r.Extra, " "))
	}
	if len(needs) > 0 {
		return j.execute(ctx, plan, p, needs, nil)
	}
	a, err := j.assemble(ctx, plan, p)
	var n *needError
	if errors.As(err, &n) {
		return j.execute(ctx, plan, p, []dockerfile.Need{n.need}, nil)
	}
	return a, err
}

// syntaxNeeds refuses a frontend that is not that of Dockerfiles.
func (j *job) syntaxNeeds() []dockerfile.Need {
	s := j.file.Syntax
	name, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	if name == "" {
		return nil
	}
	r, err := ref.Parse(name)
	if err == nil && (r.Name == "docker.io/docker/dockerfile" || r.Name == "docker.io/docker/dockerfile-upstream") {
		return nil
	}
	return []dockerfile.Need{{Line: 1, Text: "# syntax=" + s, Reason: "it names a frontend of its own"}}
}

// pipNeeds are the pip lines where nobody can install packages without one.
func (j *job) pipNeeds(plan *dockerfile.Plan) []dockerfile.Need {
	if j.o.Deps != nil {
		return nil
	}
	var out []dockerfile.Need
	for _, s := range plan.Stages {
		for _, op := range s.Ops {
			if op.Pip != nil {
				out = append(out, dockerfile.Need{Line: op.Line, Text: op.Text, Reason: "it installs packages"})
			}
		}
	}
	return out
}

// open checks the request and reads the Dockerfile.
func (j *job) open() error {
	own := j.own()
	for _, n := range j.r.Names {
		r, err := ref.ParseLocal(n, own)
		if err != nil {
			return err
		}
		if r.Digest != "" {
			return cairn.Errorf(cairn.CodeInvalid, "%s has a digest: a new image cannot be given one", n).WithHint("name it with a tag: %s:latest", r.Name)
		}
		if !slices.Contains(j.names, r) {
			j.names = append(j.names, r)
		}
	}
	if fi, err := os.Stat(j.r.Context); err != nil || !fi.IsDir() {
		return cairn.Errorf(cairn.CodeNotFound, "the build context %s is not a folder", j.r.Context)
	}
	j.path = j.r.Dockerfile
	if j.path == "" {
		j.path = filepath.Join(j.r.Context, "Dockerfile")
		if _, err := os.Lstat(j.path); err != nil {
			if _, err := os.Lstat(filepath.Join(j.r.Context, "dockerfile")); err == nil {
				j.path = filepath.Join(j.r.Context, "dockerfile")
			}
		}
	}
	shown := j.path
	if rel, err := filepath.Rel(j.r.Context, j.path); err == nil && !strings.HasPrefix(rel, "..") {
		shown = filepath.ToSlash(rel)
	}
	src, err := readFile(j.path, dockerfile.MaxSize+1)
	if os.IsNotExist(err) {
		return j.noDockerfile(shown)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "%s cannot be read: %w", shown, err)
	}
	if j.file, err = dockerfile.Parse(shown, src); err != nil {
		return err
	}
	j.ctx, err = openContext(j.r.Context, j.path, j.o.Limits, j.warn)
	return err
}

// noDockerfile says what else may have been meant.
func (j *job) noDockerfile(shown string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no %s", shown)
	names := []string{}
	entries, _ := os.ReadDir(filepath.Dir(j.path)) // only for the hint
	for _, d := range entries {
		if d.Type().IsRegular() && (strings.Contains(strings.ToLower(d.Name()), "dockerfile") || d.Name() == "Containerfile") && !strings.HasSuffix(d.Name(), ".dockerignore") {
			names = append(names, d.Name())
		}
	}
	if len(names) > 0 {
		return e.WithHint("there is %s: name it with --file", strings.Join(names, ", "))
	}
	return e.WithHint("write one into the build context, or name it with --file")
}

// platforms are those asked for, each once.
func (j *job) platforms() ([]string, error) {
	var out []string
	for _, p := range j.r.Platforms {
		for part := range strings.SplitSeq(p, ",") {
			q, err := dockerfile.ParsePlatform(strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			if !slices.Contains(out, q) {
				out = append(out, q)
			}
		}
	}
	if len(out) == 0 {
		out = []string{j.o.Platform}
	}
	if len(out) > 16 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%d platforms at once", len(out)).WithHint("at most 16 are built into one index")
	}
	return out, nil
}

// own are the addresses of Cairn's own registry.
func (j *job) own() []string {
	var out []string
	if r := j.r.Env["CAIRN_REGISTRY"]; r != "" {
		out = append(out, r)
	}
	if u := j.r.Env["CAIRN_URL"]; u != "" {
		_, rest, _ := strings.Cut(u, "://")
		host, _, _ := strings.Cut(rest, "/")
		if host != "" {
			out = append(out, host)
		}
	}
	return out
}

func (j *job) printf(format string, args ...any) { fmt.Fprintf(j.log, format+"\n", args...) }

func (j *job) warn(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if slices.Contains(j.res.Warnings, msg) {
		return
	}
	j.res.Warnings = append(j.res.Warnings, msg)
	j.printf("warning: %s", msg)
}

// needError says that a line turned out to need an executor.
type needError struct{ need dockerfile.Need }

func (e *needError) Error() string { return e.need.Reason }

// readFile reads a file of at most limit-1 bytes.
func readFile(name string, limit int64) ([]byte, error) {
	// Looked at before it is opened: a pipe without a writer would never open.
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "it is no regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
