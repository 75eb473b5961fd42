package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// Executor builds a Dockerfile in containers.
type Executor interface {
	Name() string
	// Ready reports whether it answers; env is the environment of the request.
	Ready(ctx context.Context, env []string) bool
	// Has reports whether it holds an image itself, so that no registry is needed.
	Has(ctx context.Context, env []string, name string) bool
	// Build leaves the image in an archive inside r.Dir, as docker save or as an OCI
	// layout, and returns its path.
	Build(ctx context.Context, r ExecRequest) (string, error)
}

// ExecRequest is what an executor is told.
type ExecRequest struct {
	Context, Dockerfile string
	Args, Labels        map[string]string
	Target, Platform    string
	NoCache, Pull       bool
	Secrets             map[string]string
	Extra               []string
	// Bases are images that Cairn has, so that nobody asks a registry for them.
	Bases []ExecBase
	Env   []string
	Dir   string // for whatever it writes; removed with the build
	Log   io.Writer
}

// ExecBase is an image that a Dockerfile stands on, for an executor to load.
type ExecBase struct {
	Name string // as FROM says it
	// Archive writes it as docker save would, Layout as a folder in the OCI layout;
	// both return where it is, Layout with the digest of the manifest.
	Archive func(ctx context.Context) (string, error)
	Layout  func(ctx context.Context) (string, cairn.Digest, error)
}

// noExecutor says what would help.
const noExecutor = "none of BuildKit, buildah, Docker and Podman answers here. Without one, Cairn does what needs no container: FROM, COPY, ADD of files, ENV " +
	"and the like, and RUN lines that only install packages with pip. Start Docker (or set DOCKER_HOST), set BUILDKIT_HOST, or install buildah or podman"

// execute hands a build to the first executor that answers. cause is the error of a
// base that cannot be had: then only an executor that holds it is of use.
func (j *job) execute(ctx context.Context, plan *dockerfile.Plan, platform string, needs []dockerfile.Need, cause error) (*assembled, error) {
	env := j.environ()
	var ex Executor
	for _, e := range j.o.Executors {
		if e.Ready(ctx, env) && (cause == nil || e.Has(ctx, env, j.lacking)) {
			ex = e
			break
		}
	}
	if ex == nil {
		if cause != nil {
			return nil, cause
		}
		return nil, j.file.NeedsError(needs).WithHint("%s", noExecutor)
	}
	for _, n := range needs {
		j.printf("line %d needs a container: %s", n.Line, n.Reason)
	}
	if cause != nil {
		j.printf("%s; %s has it", cairn.AsError(cause).Message, ex.Name())
	}
	j.printf("executor     %s", ex.Name())
	r := ExecRequest{
		Context: j.r.Context, Dockerfile: j.path, Args: j.r.BuildArgs, Labels: j.execLabels(plan), Target: j.r.Target, Platform: platform,
		NoCache: j.r.NoCache, Pull: j.r.Pull, Secrets: j.r.Secrets, Extra: j.r.Extra, Env: env, Dir: j.tmp, Log: j.log,
	}
	if len(j.r.Platforms) == 0 && platform == j.o.Platform {
		r.Platform = "" // as it would build by itself
	}
	r.Bases = j.execBases(platform)
	if len(r.Bases) > 0 && r.Pull {
		// What Cairn has was looked for anew by Cairn; the executor would ask again.
		r.Pull = false
	}
	archive, err := ex.Build(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if cause != nil {
			return nil, baseAnyway(cause, ex, err)
		}
		var ce *cairn.Error
		if errors.As(err, &ce) {
			return nil, err
		}
		return nil, cairn.Errorf(cairn.CodeFailed, "%s did not build the image: %w", ex.Name(), err).WithHint("its own output stands above")
	}
	var below *base
	if plan != nil {
		below = baseOf(plan.Target)
	}
	a, err := j.importArchive(ctx, archive, platform, below)
	if err != nil {
		return nil, err
	}
	a.builder = ex.Name()
	return a, nil
}

// baseAnyway is what is said when an executor was only tried because of a base, and
// failed: what is wrong is the base still, and where FROM names it.
func baseAnyway(cause error, ex Executor, err error) error {
	e := cairn.AsError(cause)
	out := cairn.Errorf(e.Code, "%s; %s, which has it, did not build the image: %w", e.Message, ex.Name(), err).WithHint("%s", e.Hint)
	out.Position = e.Position
	return out
}

// baseOf is the image at the bottom of a stage.
func baseOf(s *dockerfile.Stage) *base {
	for s.From != nil {
		s = s.From
	}
	if s.Base == nil {
		return nil
	}
	return s.Base.Handle.(*base)
}

// execLabels are the labels of the request and those of the run's commit, unless
// the Dockerfile sets them itself.
func (j *job) execLabels(plan *dockerfile.Plan) map[string]string {
	own := map[string]string{}
	if plan != nil {
		own = plan.Target.Image.Config.Labels
	}
	out := map[string]string{}
	for k, v := range j.originLabels() {
		if own[k] == "" {
			out[k] = v
		}
	}
	maps.Copy(out, j.r.Labels)
	return out
}

// originLabels say which commit a run builds.
func (j *job) originLabels() map[string]string {
	out := map[string]string{}
	if sha := j.r.Env["GITHUB_SHA"]; sha != "" {
		out[labelRevision] = sha
	}
	if repo := j.r.Env["GITHUB_REPOSITORY"]; repo != "" {
		out[labelSource] = repo
		if u := strings.TrimSuffix(j.r.Env["GITHUB_SERVER_URL"], "/"); u != "" && !loopback(u) {
			out[labelSource] = u + "/" + repo
		}
	}
	return out
}

// execBases are the images that Cairn had for this platform.
func (j *job) execBases(platform string) []ExecBase {
	var out []ExecBase
	for _, key := range slices.Sorted(maps.Keys(j.bases)) {
		name, ok := strings.CutPrefix(key, platform+" ")
		r, err := ref.Parse(name)
		if !ok || err != nil || r.Digest != "" {
			continue // a digest can be fetched, not loaded under a name
		}
		b := j.bases[key]
		dir := filepath.Join(j.tmp, fmt.Sprintf("base-%d", len(out)))
		out = append(out, ExecBase{Name: name,
			Archive: func(ctx context.Context) (string, error) { return j.writeArchive(ctx, b, r.Familiar(), dir+".tar") },
			Layout:  func(ctx context.Context) (string, cairn.Digest, error) { return j.writeLayout(ctx, b, dir) },
		})
	}
	return out
}

// loopback reports whether an address means something on this machine alone. It is
// left out of images: its port would make them differ from one start to the next.
func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	name := u.Hostname()
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && ip.IsLoopback()
}

func (j *job) environ() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(j.r.Env)) {
		out = append(out, k+"="+j.r.Env[k])
	}
	return out
}
