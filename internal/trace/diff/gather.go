package diff

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

// Rows are the rows that are compared; *store.Store satisfies it.
type Rows interface {
	Release(ctx context.Context, workspace, id string) (cairn.Release, error)
	Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error)
	Deployment(ctx context.Context, id cairn.DeploymentID) (cairn.Deployment, error)
	Stages(ctx context.Context, repository string) ([]cairn.Stage, error)
	StageConfig(ctx context.Context, d cairn.Digest) (cairn.StageConfig, error)
	Image(ctx context.Context, workspace string, d cairn.Digest) (cairn.Image, error)
	AssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error)
	MLRun(ctx context.Context, id string) (*cairn.MLRun, error)
}

// Blobs reads what is stored; *cas.Store satisfies it.
type Blobs interface {
	ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error)
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
}

// Git reads hosted repositories; *git.Host satisfies it.
type Git interface {
	Between(ctx context.Context, repo, from, to string, limit int) ([]cairn.Commit, bool, error)
	FileChanges(ctx context.Context, repo, from, to string, limit int) ([]cairn.FileChange, int, error)
}

// Tracer finds what is meant and where it comes from; *trace.Tracer satisfies it.
type Tracer interface {
	Resolve(ctx context.Context, repository, asked string) ([]trace.Found, error)
	Trace(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error)
}

// Gatherer compares releases of one workspace.
type Gatherer struct {
	Tracer    Tracer
	Rows      Rows
	Blobs     Blobs
	Git       Git
	Workspace string
}

// Bounds of one answer.
const (
	commitsShown = 50
	filesShown   = 100
	lockBytes    = 4 << 20
	configBytes  = 8 << 20
)

// Diff compares two releases. Each is a release (r3, v1.2.3, its id), a stage
// (what is live there), a deployment or an image that was released.
func (g *Gatherer) Diff(ctx context.Context, repository, from, to string) (*cairn.ReleaseDiff, error) {
	a, err := g.facts(ctx, repository, from)
	if err != nil {
		return nil, err
	}
	b, err := g.facts(ctx, repository, to)
	if err != nil {
		return nil, err
	}
	d := Compare(*a, *b)
	if err := g.code(ctx, d); err != nil {
		return nil, err
	}
	return d, g.files(ctx, d, a, b)
}

// side finds the release that is meant.
func (g *Gatherer) side(ctx context.Context, repository, asked string) (*cairn.ReleaseSide, *cairn.Deployment, error) {
	found, err := g.Tracer.Resolve(ctx, repository, asked)
	if err != nil {
		return nil, nil, err
	}
	s := &cairn.ReleaseSide{Asked: asked}
	var d *cairn.Deployment
	id := ""
	switch ref := found[0].Ref; ref.Kind() {
	case cairn.KindRelease:
		id = ref.ID()
	case cairn.KindImage:
		rs, err := g.Rows.Releases(ctx, cairn.ReleaseFilter{Workspace: g.Workspace, Image: cairn.Digest(ref.ID()), Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		if len(rs) == 0 {
			return nil, nil, cairn.Errorf(cairn.CodeNotFound, "the image %s is of no release", asked).WithHint("cairn deploy makes it one")
		}
		id = rs[0].ID
	case cairn.KindDeployment, cairn.KindStage:
		n, err := g.deploymentOf(ctx, ref, asked)
		if err != nil {
			return nil, nil, err
		}
		row, err := g.Rows.Deployment(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		d, id = &row, row.Release
		s.Stage, s.Deployment = row.Stage, row.ID
	default:
		return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%s is a %s, which is not compared", asked, ref.Kind()).
			WithHint("name two releases (r3, v1.2.3), stages (production) or deployments (deployment/7)")
	}
	r, err := g.Rows.Release(ctx, g.Workspace, id)
	if err != nil {
		return nil, nil, err
	}
	s.Release, s.Service, s.Seq, s.Repository = r.ID, r.Service, r.Seq, r.Repository
	s.Image, s.Commit, s.Dirty, s.CreatedAt = r.Image, r.Commit, r.Dirty, r.CreatedAt
	return s, d, nil
}

func (g *Gatherer) deploymentOf(ctx context.Context, ref cairn.Ref, asked string) (cairn.DeploymentID, error) {
	if ref.Kind() == cairn.KindDeployment {
		n, err := strconv.ParseInt(ref.ID(), 10, 64)
		return cairn.DeploymentID(n), err
	}
	sts, err := g.Rows.Stages(ctx, "")
	for _, st := range sts {
		if st.Ref() == ref && st.Live != 0 {
			return st.Live, nil
		}
	}
	if err != nil {
		return 0, err
	}
	return 0, cairn.Errorf(cairn.CodeNotFound, "nothing is live on %s", asked).WithHint("name a release: cairn release list shows them")
}

func (g *Gatherer) facts(ctx context.Context, repository, asked string) (*Facts, error) {
	s, d, err := g.side(ctx, repository, asked)
	if err != nil {
		return nil, err
	}
	f := &Facts{Side: *s, Packages: map[string]map[string]string{}}
	tr, err := g.Tracer.Trace(ctx, s.Repository, "release/"+s.Release, false)
	if err != nil {
		return nil, err
	}
	o := trace.OriginOf(tr)
	for _, m := range o.Models {
		model, err := g.model(ctx, m)
		if err != nil {
			return nil, err
		}
		f.Models = append(f.Models, *model)
	}
	for _, v := range o.Data {
		f.Data = append(f.Data, Version{v.Ref, v.Digest})
	}
	image, training := trace.EnvironmentsOf(tr)
	if err := g.packages(ctx, f, InImage, image); err != nil {
		return nil, err
	}
	if err := g.packages(ctx, f, InTraining, training); err != nil {
		return nil, err
	}
	if err := g.imageSettings(ctx, f, s.Image); err != nil {
		return nil, err
	}
	if d != nil {
		c, err := g.Rows.StageConfig(ctx, d.Config)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
		if err == nil {
			f.Config = append(f.Config, StageSettings(&c)...)
			f.Staged = true
		}
	}
	return f, nil
}

func (g *Gatherer) model(ctx context.Context, t cairn.OriginThing) (*Model, error) {
	m := &Model{Version: Version{t.Ref, t.Digest}}
	if t.Ref.Kind() != cairn.KindModel {
		return m, nil
	}
	name, version := t.Ref.NameVersion()
	v, err := g.Rows.AssetVersion(ctx, g.Workspace, cairn.AssetModel, name, version)
	if err != nil || v.SourceRun == "" {
		return m, notFoundIsNothing(err)
	}
	r, err := g.Rows.MLRun(ctx, v.SourceRun)
	if err != nil {
		return m, notFoundIsNothing(err)
	}
	m.Metrics, m.Params = r.Metrics, r.Params
	return m, nil
}

func notFoundIsNothing(err error) error {
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil
	}
	return err
}

// packages reads the locks of one place together.
func (g *Gatherer) packages(ctx context.Context, f *Facts, where string, refs []cairn.Ref) error {
	for _, ref := range refs {
		name, version := ref.NameVersion()
		v, err := g.Rows.AssetVersion(ctx, g.Workspace, cairn.AssetEnvironment, name, version)
		var lock []byte
		if err == nil {
			lock, err = g.Blobs.ReadBlob(ctx, v.Digest, lockBytes)
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			f.Notes = append(f.Notes, "the packages of "+string(ref)+" cannot be read")
			return nil
		}
		if f.Packages[where] == nil {
			f.Packages[where] = map[string]string{}
		}
		for k, p := range Packages(lock) {
			f.Packages[where][k] = p
		}
	}
	if len(refs) == 0 && where == InImage {
		f.Notes = append(f.Notes, "the packages in its image are not recorded")
	}
	return nil
}

// imageConfig is what is compared of the configuration of an image.
type imageConfig struct {
	Config struct {
		Env        []string `json:"Env"`
		Entrypoint []string `json:"Entrypoint"`
		Cmd        []string `json:"Cmd"`
		WorkingDir string   `json:"WorkingDir"`
		User       string   `json:"User"`
		StopSignal string   `json:"StopSignal"`
	} `json:"config"`
}

func (g *Gatherer) imageSettings(ctx context.Context, f *Facts, d cairn.Digest) error {
	img, err := g.Rows.Image(ctx, g.Workspace, d)
	if err != nil {
		return notFoundIsNothing(err)
	}
	set := func(name, value string) {
		if value != "" {
			f.Config = append(f.Config, Setting{"image", name, clip(value, 200)})
		}
	}
	base := img.BaseName
	if img.Base != "" {
		base = strings.TrimSpace(base + " " + img.Base.Short())
	}
	set("base", base)
	if img.Config == "" {
		return nil // an index: its images have one each
	}
	b, err := g.Blobs.ReadBlob(ctx, img.Config, configBytes)
	var c imageConfig
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		f.Notes = append(f.Notes, "the configuration of its image cannot be read")
		return nil
	}
	set("command", strings.Join(append(c.Config.Entrypoint, c.Config.Cmd...), " "))
	set("workdir", c.Config.WorkingDir)
	set("user", c.Config.User)
	set("stop signal", c.Config.StopSignal)
	for _, kv := range c.Config.Env {
		name, value, _ := strings.Cut(kv, "=")
		set("env "+name, value)
	}
	return nil
}

// code asks git what lies between the two commits.
func (g *Gatherer) code(ctx context.Context, d *cairn.ReleaseDiff) error {
	a, b := d.From.Commit, d.To.Commit
	switch {
	case a == "" || b == "":
		d.Notes = append(d.Notes, "the code cannot be compared: one of the images names no commit")
		return nil
	case d.From.Repository != d.To.Repository:
		d.Notes = append(d.Notes, "the code cannot be compared: the releases are of different repositories")
		return nil
	case a == b:
		return nil
	}
	if d.From.Dirty || d.To.Dirty {
		d.Notes = append(d.Notes, "uncommitted changes were part of the code: the commits do not tell all")
	}
	repo := d.To.Repository
	var more, moreUndone bool
	var err error
	if d.Code.Commits, more, err = g.Git.Between(ctx, repo, a, b, commitsShown); err == nil {
		d.Code.Undone, moreUndone, err = g.Git.Between(ctx, repo, b, a, commitsShown)
	}
	d.Code.More = more || moreUndone
	if err == nil {
		d.Code.Files, d.Code.FileCount, err = g.Git.FileChanges(ctx, repo, a, b, filesShown)
	}
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		d.Notes = append(d.Notes, "the code cannot be compared: "+cairn.AsError(err).Message)
		return nil
	}
	return err
}

// files counts what differs inside of data versions.
func (g *Gatherer) files(ctx context.Context, d *cairn.ReleaseDiff, a, b *Facts) error {
	digest := func(vs []Version, ref cairn.Ref) cairn.Digest {
		for _, v := range vs {
			if v.Ref == ref {
				return v.Digest
			}
		}
		return ""
	}
	for i := range d.Data {
		x := &d.Data[i]
		from, to := digest(a.Data, x.From), digest(b.Data, x.To)
		if x.Same || from == "" || to == "" {
			continue
		}
		err := Trees(ctx, g.Blobs.ReadTree, from, to, x)
		switch cairn.CodeOf(err) {
		case "":
		case cairn.CodeNotFound, cairn.CodeInvalid:
			// A file instead of a folder, or content that is gone: that they differ is known.
			x.Added, x.Removed, x.Changed, x.Examples = 0, 0, 0, nil
		default:
			return err
		}
	}
	return nil
}
