package server

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/track"
)

// jobInfo tells the asset room how labels are resolved for a job.
func (s *Server) jobInfo(ctx context.Context, p cairn.Principal) (asset.JobInfo, error) {
	j, err := s.store.Job(ctx, p.Job)
	if err != nil {
		return asset.JobInfo{}, err
	}
	info := asset.JobInfo{Path: j.Path}
	as, err := s.store.Attempts(ctx, j.Run)
	for _, a := range as {
		if a.Number == j.Attempt {
			info.Refresh = a.Refresh
		}
	}
	return info, err
}

// trackJobs tells the tracking room whose job a run belongs to.
type trackJobs struct{ s *Server }

func (t *trackJobs) JobInfo(ctx context.Context, id cairn.JobID) (track.JobInfo, error) {
	j, err := t.s.store.Job(ctx, id)
	if err != nil {
		return track.JobInfo{}, err
	}
	r, err := t.s.store.Run(ctx, j.Run)
	if err != nil {
		return track.JobInfo{}, err
	}
	info := track.JobInfo{Job: j, Run: r, RepoURL: t.s.url + "/git/" + r.Repository + ".git"}
	if b, ok := strings.CutPrefix(r.Ref, "refs/heads/"); ok {
		info.Branch = b
	}
	return info, nil
}

// models are the registered models of the tracking room: assets of kind model.
type models struct{ *asset.Service }

func (m *models) CreateModel(ctx context.Context, v track.NewModelVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return m.Create(ctx, asset.NewVersion{
		Kind: cairn.AssetModel, Name: v.Name, Type: "folder", Digest: v.Digest, Size: v.Size, Files: v.Files,
		Description: v.Description, Tags: v.Tags, Properties: v.Properties, SourceRun: v.SourceRun, SourceURI: v.SourceURI,
	}, actor)
}

func update(p track.ModelPatch) asset.Update {
	return asset.Update{Description: p.Description, Stage: p.Stage, SetTags: p.SetTags, DeleteTags: p.DeleteTags}
}

func (m *models) PatchName(ctx context.Context, name string, p track.ModelPatch, actor cairn.Principal) (*cairn.Asset, error) {
	return m.UpdateName(ctx, cairn.AssetModel, name, update(p), actor)
}

func (m *models) PatchModel(ctx context.Context, name, version string, p track.ModelPatch, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return m.UpdateVersion(ctx, cairn.AssetModel, name, version, update(p), actor)
}

// UseModel records that a job fetched a version: resolving it does.
func (m *models) UseModel(ctx context.Context, name, version string, actor cairn.Principal) error {
	if actor.Job == 0 {
		return nil
	}
	_, err := m.Resolve(ctx, cairn.AssetModel, name+":"+version, actor)
	return err
}
