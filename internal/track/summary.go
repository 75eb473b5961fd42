package track

import (
	"context"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Summary is what a trace and a run's page show of a tracking run.
type Summary struct {
	cairn.MLRun
	ExperimentName string `json:"experiment_name"`
	// Artifacts are paths below the run's root, at most summaryFiles; More says
	// that there are others.
	Artifacts []string `json:"artifacts,omitempty"`
	More      bool     `json:"more,omitempty"`
	// ConfusionMatrix is the artifact that shows one, "" without.
	ConfusionMatrix string              `json:"confusion_matrix,omitempty"`
	Models          []cairn.LoggedModel `json:"models,omitempty"` // logged by it
}

// summaryFiles bounds the artifacts that a summary names.
const summaryFiles = 500

// RunsOfJob lists the tracking runs that a job made, oldest first, each with
// params and latest metrics.
func (s *Service) RunsOfJob(ctx context.Context, job cairn.JobID) ([]cairn.MLRun, error) {
	return s.store.MLRunsOfJob(ctx, job)
}

// Summary gathers what there is to show of a run.
func (s *Service) Summary(ctx context.Context, id string) (*Summary, error) {
	r, err := s.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &Summary{MLRun: *r}
	e, err := s.store.Experiment(ctx, r.Experiment)
	if err != nil {
		return nil, err
	}
	out.ExperimentName = e.Name
	files, err := s.store.MLFilesBelow(ctx, r.Root, summaryFiles+1)
	if err != nil {
		return nil, err
	}
	if len(files) > summaryFiles {
		files, out.More = files[:summaryFiles], true
	}
	for _, f := range files {
		out.Artifacts = append(out.Artifacts, strings.TrimPrefix(f.Path, r.Root+"/"))
	}
	out.ConfusionMatrix = confusionMatrix(out.Artifacts)
	out.Models, err = s.store.LoggedModels(ctx, nil, id)
	return out, err
}

// maxRunFiles bounds the artifacts that RunFiles lists.
const maxRunFiles = 10_000

// RunFiles lists the artifacts of a run with paths below its root, at most
// maxRunFiles.
func (s *Service) RunFiles(ctx context.Context, id string) ([]cairn.MLFile, error) {
	r, err := s.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	files, err := s.store.MLFilesBelow(ctx, r.Root, maxRunFiles)
	for i := range files {
		files[i].Path = strings.TrimPrefix(files[i].Path, r.Root+"/")
	}
	return files, err
}

// confusionMatrix finds the file that most likely shows one: an image before a
// table, and a test's before the training's.
func confusionMatrix(paths []string) string {
	best, rank := "", -1
	for _, p := range paths {
		base := strings.ToLower(path.Base(p))
		if !strings.Contains(strings.NewReplacer("-", "_", " ", "_").Replace(base), "confusion_matrix") &&
			!strings.Contains(base, "confusionmatrix") {
			continue
		}
		r := 0
		switch path.Ext(base) {
		case ".png", ".svg", ".jpg", ".jpeg":
			r = 2
		}
		if !strings.HasPrefix(base, "training") {
			r++
		}
		if r > rank {
			best, rank = p, r
		}
	}
	return best
}

// ModelSummary is what a trace shows of a model version: itself and the
// tracking run it was registered from.
type ModelSummary struct {
	Version ModelVersion `json:"version"`
	Run     *Summary     `json:"run,omitempty"` // nil where the version has none
	// MissingRun says why there is no run.
	MissingRun string `json:"missing_run,omitempty"`
}

// ModelSummary gathers what there is to show of a model version.
func (s *Service) ModelSummary(ctx context.Context, name, version string) (*ModelSummary, error) {
	v, err := s.Version(ctx, name, version)
	if err != nil {
		return nil, err
	}
	out := &ModelSummary{Version: *v}
	if v.SourceRun == "" {
		out.MissingRun = "it was registered without a tracking run"
		return out, nil
	}
	out.Run, err = s.Summary(ctx, v.SourceRun)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		out.MissingRun, err = "tracking run "+v.SourceRun+" is not there", nil
	}
	return out, err
}
