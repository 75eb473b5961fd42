package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// Request asks for a deployment; see client.DeployRequest.
type Request struct {
	Repository string // asked for by name
	Folder     string // the one it was typed in: where nothing else says which
	Stage      string
	Image      string
	Release    string
	Comment    string
	Key        string // "": it is no retry
	// Service and Config are there where something else than .cairn/stages.yml says what
	// the stage is: a deployment behind an endpoint.
	Service string
	Config  *cairn.StageConfig
}

// Deploy writes a deployment down and lets the loop carry it out. What may not go
// there is refused; what must wait, waits. A release whose checks fail is a failed
// deployment: what is live stays.
func (s *Service) Deploy(ctx context.Context, r Request, actor cairn.Principal) (*cairn.Deployment, error) {
	if d, err := s.again(ctx, actor, r.Key); d != nil || err != nil {
		return d, err
	}
	if err := checkStageName(r.Stage); err != nil {
		return nil, err
	}
	if r.Image != "" && r.Release != "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "an image and a release are named; one of them is deployed")
	}
	a, err := s.asker(ctx, actor)
	if err != nil {
		return nil, err
	}
	p, err := s.choose(ctx, &a, r)
	if err != nil {
		return nil, err
	}
	g, err := s.gate(ctx, &a, p.repository, &p.release, &p.config)
	if err != nil {
		return nil, err
	}
	st, err := s.ensureStage(ctx, p.repository, p.config.Name, actor)
	if err != nil {
		return nil, err
	}
	results, failed, err := s.check(ctx, &p.release, &st, &p.config)
	if err != nil {
		return nil, err
	}
	d := cairn.Deployment{
		Workspace: s.o.Workspace, Repository: p.repository, Stage: st.Name, StageID: st.ID, Release: p.release.ID,
		Status: cairn.DeployWaiting, Checks: results, Reviewers: g.reviewers, Required: g.required, ApprovedBy: g.approvedBy, Votes: g.votes, NotBefore: g.notBefore,
		Comment: clip(r.Comment, maxComment), URL: st.URL, By: actor.Name, CreatedAt: s.now(),
	}
	if a.run != nil {
		d.Run, d.Attempt, d.Job = a.run.ID, a.job.Attempt, a.job.ID
	}
	if failed != "" {
		d.Status, d.Reason, d.EndedAt = cairn.DeployFailed, failed, d.CreatedAt
	} else if w, ok := gated(&d, d.CreatedAt); ok {
		d.Reason = w.Reason
	}
	return s.create(ctx, d, r.Key, p.config)
}

// maxComment bounds what people write.
const maxComment = 2000

// again answers what a request of the same key made.
func (s *Service) again(ctx context.Context, actor cairn.Principal, key string) (*cairn.Deployment, error) {
	if key == "" {
		return nil, nil
	}
	d, err := s.o.Store.DeploymentByKey(ctx, actor.Name+":"+key)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &d, nil
}

// create writes a deployment with its links.
func (s *Service) create(ctx context.Context, d cairn.Deployment, key string, c cairn.StageConfig) (*cairn.Deployment, error) {
	config, digest, err := c.Encode()
	if err != nil {
		return nil, err
	}
	d.Config = digest
	if key != "" {
		key = d.By + ":" + key
	}
	made, _, err := s.o.Store.CreateDeployment(ctx, d, key, config, func(d cairn.Deployment) cairn.Change {
		ch := cairn.Change{By: d.By, Links: []cairn.Link{{
			From: d.Ref(), Relation: cairn.RelDeployed, To: cairn.NewRef(cairn.KindRelease, d.Release), Note: "on " + d.Stage,
		}}}
		if d.Job != 0 {
			ch.Links = append(ch.Links, cairn.Link{From: d.Ref(), Relation: cairn.RelPartOf, To: cairn.JobRef(d.Job)})
		}
		for _, v := range d.Votes {
			ch.Links = append(ch.Links, voteLink(&d, &v))
		}
		return ch
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return &made, nil
}

func voteLink(d *cairn.Deployment, v *cairn.Vote) cairn.Link {
	relation := cairn.RelApproved
	if !v.Approve {
		relation = cairn.RelRejected
	}
	return cairn.Link{From: d.Ref(), Relation: relation, To: cairn.NewRef(cairn.KindUser, v.By), Note: v.Comment, By: v.By}
}

// chosen is what a request means.
type chosen struct {
	repository string
	release    cairn.Release
	config     cairn.StageConfig
}

// choose finds the repository, the release and the configuration that a request
// means. A job deploys to the stages of its own repository alone.
func (s *Service) choose(ctx context.Context, a *asker, r Request) (*chosen, error) {
	c := &chosen{repository: r.Repository}
	if a.run != nil {
		if r.Repository != "" && !strings.EqualFold(r.Repository, a.run.Repository) {
			return nil, cairn.Errorf(cairn.CodeForbidden, "a job of %s may not deploy to a stage of %s", a.run.Repository, r.Repository).
				WithHint("give the step a person's token as a secret, in CAIRN_TOKEN")
		}
		c.repository = a.run.Repository
	}
	if r.Release != "" {
		return c, s.chooseRelease(ctx, r, c)
	}
	img, err := s.image(ctx, a, r, c.repository)
	if err != nil {
		return nil, err
	}
	if c.repository == "" {
		c.repository = img.Repository
	}
	if c.repository == "" {
		c.repository = r.Folder
	}
	if c.repository == "" {
		return nil, noRepository()
	}
	if r.Config != nil {
		c.config = *r.Config
		if err := s.rules(ctx, c.repository, &c.config); err != nil {
			return nil, err
		}
		c.release, err = s.releaseOf(ctx, img, c.repository, nameOf(r.Image, img), &stageFile{File: &stages.File{Service: r.Service}}, a.Principal)
		return c, err
	}
	revision, err := s.revisionOf(ctx, img.Run, img.Commit, img.Dirty)
	if err != nil {
		return nil, err
	}
	file, err := s.file(ctx, c.repository, revision)
	if err != nil {
		return nil, err
	}
	if c.config, err = s.config(ctx, c.repository, r.Stage, file); err != nil {
		return nil, err
	}
	c.release, err = s.releaseOf(ctx, img, c.repository, nameOf(r.Image, img), file, a.Principal)
	return c, err
}

func noRepository() error {
	return cairn.Errorf(cairn.CodeInvalid, "a stage belongs to a repository, and none is known here").
		WithHint("name it with --repo owner/name, or type the command in its folder")
}

// nameOf is what people call the image.
func nameOf(asked string, img *cairn.Image) string {
	if asked != "" && !strings.HasPrefix(asked, "sha256:") {
		return clip(asked, 500)
	}
	if len(img.Tags) > 0 {
		return img.Tags[0]
	}
	return ""
}

// chooseRelease takes a release that is there, with what its own commit says of
// the stage.
func (s *Service) chooseRelease(ctx context.Context, r Request, c *chosen) error {
	in := c.repository
	if in == "" {
		in = r.Folder
	}
	found, err := s.FindRelease(ctx, in, r.Release)
	if err != nil {
		return err
	}
	c.release = *found
	if c.repository == "" {
		c.repository = found.Repository
	}
	revision, err := s.revisionOf(ctx, found.Run, found.Commit, found.Dirty)
	if err != nil {
		return err
	}
	file, err := s.file(ctx, c.repository, revision)
	if err != nil {
		return err
	}
	c.config, err = s.config(ctx, c.repository, r.Stage, file)
	return err
}

// image finds the image that is meant: the one that is named; in a job the one
// that its run made; else the newest that runs of the repository made.
func (s *Service) image(ctx context.Context, a *asker, r Request, repository string) (*cairn.Image, error) {
	if r.Image != "" {
		return s.o.Images.Resolve(ctx, r.Image)
	}
	if repository == "" {
		repository = r.Folder
	}
	if repository == "" {
		return nil, noRepository()
	}
	revision := ""
	if a.run != nil {
		revision = a.run.TreeGit
	}
	file, err := s.file(ctx, repository, revision)
	if err != nil {
		return nil, err
	}
	c, err := s.config(ctx, repository, r.Stage, file)
	if err != nil {
		return nil, err
	}
	f := cairn.ImageFilter{Name: c.Image}
	if a.run != nil {
		f.Run = a.run.ID
	}
	imgs, err := s.made(ctx, f, repository)
	switch {
	case err != nil:
		return nil, err
	case len(imgs) == 0:
		return nil, noImage(a, repository, c.Name, c.Image)
	}
	if names := choices(imgs); a.run != nil && len(names) > 1 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "run %d made several images: %s", a.run.ID, strings.Join(names, ", ")).
			WithHint("say which: cairn deploy IMAGE --to %s; or give the stage an image in .cairn/stages.yml", c.Name)
	}
	return &imgs[0], nil
}

// imagePages bounds how far back the images are looked through.
const imagePages = 20

// made lists images that runs of a repository made, the newest first: all of one
// run, else one.
func (s *Service) made(ctx context.Context, f cairn.ImageFilter, repository string) ([]cairn.Image, error) {
	f.Limit = 200
	var out []cairn.Image
	for range imagePages {
		page, err := s.o.Store.Images(ctx, s.o.Workspace, f)
		if err != nil {
			return nil, err
		}
		for _, img := range page {
			if img.Run == 0 || img.Repository != repository {
				continue
			}
			if out = append(out, img); f.Run == 0 {
				return out, nil
			}
		}
		if len(page) < f.Limit {
			return out, nil
		}
		f.Before = page[len(page)-1].Seq
	}
	return out, nil
}

// choices names images that share no name with each other: whoever asks must
// say which of them is meant. One that lost its tags was built anew since.
func choices(imgs []cairn.Image) []string {
	var out, seen []string
	for _, img := range imgs {
		names := repositories(img.Tags)
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(seen, n) }) {
			out = append(out, names[0])
		}
		seen = append(seen, names...)
	}
	return out
}

// repositories are names without their tags.
func repositories(names []string) []string {
	var out []string
	for _, n := range names {
		if i := strings.LastIndexByte(n, ':'); i > strings.LastIndexByte(n, '/') {
			n = n[:i]
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func noImage(a *asker, repository, stage, name string) error {
	called := ""
	if name != "" {
		called = " called " + name
	}
	if a.run != nil {
		return cairn.Errorf(cairn.CodeNotFound, "run %d made no image%s before this step", a.run.ID, called).
			WithHint("build one first (docker/build-push-action), or name one: cairn deploy IMAGE --to %s", stage)
	}
	return cairn.Errorf(cairn.CodeNotFound, "no run of %s made an image%s yet", repository, called).
		WithHint("name one: cairn deploy IMAGE --to %s; cairn image list shows them", stage)
}
