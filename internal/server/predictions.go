package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/cli/status"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
	"github.com/cairn-ml/cairn/internal/trace"
	"github.com/cairn-ml/cairn/internal/trace/diff"
	"github.com/cairn-ml/cairn/internal/trace/feedback"
)

// openLineage makes the rooms that tell where things come from: traces,
// comparisons, predictions and what people say of them.
func (s *Server) openLineage() {
	s.reports = feedback.New(feedback.Options{
		Log: &predictionLogs{s.o.Home}, Rows: s.store, Blobs: s.blobs, CreateData: s.createFeedback, Logger: s.log,
	})
	s.tracer = &trace.Tracer{
		Reader: s.store, Delivery: s.store, Workspace: Workspace, Commit: s.findCommit, Prediction: s.reports.Show,
		FindImage: s.images.Resolve, NewestModel: s.newestModel, CodeChange: s.codeChange, Source: s.sourceOf,
		BuiltIn: builtinRef, Named: s.namedJob,
	}
	s.differ = &diff.Gatherer{Tracer: s.tracer, Rows: s.store, Blobs: s.blobs, Git: s.host, Workspace: Workspace}
}

// predictionLogs are the logs of all stages of a home.
type predictionLogs struct{ home string }

func (l *predictionLogs) dir(stage int64) string {
	return filepath.Join(l.home, "stages", strconv.FormatInt(stage, 10), "predictions")
}

func (l *predictionLogs) Read(ctx context.Context, stage int64, id cairn.PredictionID) (*cairn.Prediction, error) {
	return predlog.Read(ctx, l.dir(stage), id)
}

func (l *predictionLogs) List(ctx context.Context, stage int64, f cairn.PredictionFilter, visit func(cairn.Prediction) error) error {
	return predlog.List(ctx, l.dir(stage), f, false, visit)
}

func (l *predictionLogs) Erase(ctx context.Context, stage int64, id cairn.PredictionID) error {
	return predlog.Erase(ctx, l.dir(stage), id)
}

// createFeedback registers reported answers as data, linked to them.
func (s *Server) createFeedback(ctx context.Context, n feedback.NewData, actor cairn.Principal) (*cairn.AssetVersion, error) {
	v := asset.NewVersion{
		Kind: cairn.AssetData, Name: n.Name, Type: asset.TypeFolder, Digest: n.Tree, Description: n.Description, Tags: n.Tags,
	}
	for _, e := range n.Of {
		v.Derived = append(v.Derived, cairn.Link{To: e.Prediction.Ref(), Note: e.Path})
	}
	return s.assets.Create(ctx, v, actor)
}

// newestModel is the newest model that the runs of a repository made.
func (s *Server) newestModel(ctx context.Context, repository string) (cairn.Ref, error) {
	vs, _, err := s.store.AssetVersions(ctx, Workspace, cairn.AssetFilter{Kind: cairn.AssetModel, Limit: 200})
	for i := range vs {
		if repository == "" {
			return vs[i].Ref(), err
		}
		if vs[i].Run == 0 {
			continue
		}
		if r, rerr := s.store.Run(ctx, vs[i].Run); rerr == nil && r.Repository == repository {
			return vs[i].Ref(), err
		}
	}
	return "", err
}

// Bounds of looking for the files that an API is built from.
const (
	filesLooked     = 50_000
	dockerfileBytes = 1 << 20
)

// codeChange is the last commit that changed what an API is built from: its
// Dockerfile and the files that it copies. Where the repository has several
// Dockerfiles nobody knows which of them it was.
func (s *Server) codeChange(ctx context.Context, repository, commit string) (*cairn.Commit, error) {
	files, err := s.host.Files(ctx, repository, commit, filesLooked)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range files {
		if b := strings.ToLower(path.Base(f)); b == "dockerfile" || strings.HasPrefix(b, "dockerfile.") || strings.HasSuffix(b, ".dockerfile") {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s has %d Dockerfiles: which files the API is built from is not known", repository, len(found))
	}
	text, err := s.host.ReadFile(ctx, repository, commit, found[0])
	if err != nil || len(text) > dockerfileBytes {
		return nil, err
	}
	c, err := s.host.LastChange(ctx, repository, commit, copied(found[0], text, files))
	return &c, err
}

// copied lists the paths of a repository that a Dockerfile brings into an image,
// and itself. Its context is its own folder, or the top where what it copies lies
// there.
func copied(dockerfile string, text []byte, files []string) []string {
	out := []string{dockerfile}
	dir := path.Dir(dockerfile)
	text = bytes.ReplaceAll(text, []byte("\\\n"), []byte(" "))
	for line := range strings.SplitSeq(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.EqualFold(f[0], "COPY") && !strings.EqualFold(f[0], "ADD") {
			continue
		}
		args, elsewhere := f[1:], false
		for len(args) > 0 && strings.HasPrefix(args[0], "--") {
			elsewhere = elsewhere || strings.HasPrefix(args[0], "--from")
			args = args[1:]
		}
		if elsewhere || len(args) < 2 {
			continue
		}
		for _, src := range args[:len(args)-1] {
			src = strings.Trim(src, `[]",`)
			for _, base := range []string{dir, "."} {
				if p, ok := lies(path.Join(base, src), files); ok {
					out = append(out, p...)
					break
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// copiedLimit bounds the paths that one pattern stands for.
const copiedLimit = 500

// lies finds a path or pattern among the files. The top of the repository stands
// for all of it but what never is part of an API.
func lies(p string, files []string) (out []string, ok bool) {
	for _, f := range files {
		match, err := path.Match(p, f)
		switch {
		case p == "." && (strings.HasPrefix(f, ".") || strings.EqualFold(path.Ext(f), ".md")):
		case p == "." || match && err == nil:
			out = append(out, f)
		case strings.HasPrefix(f, p+"/"):
			return []string{p}, true
		}
		if len(out) > copiedLimit {
			return []string{p}, true
		}
	}
	return out, len(out) > 0
}

// stageLogs reads the output of services.
type stageLogs struct{ s *Server }

func (l *stageLogs) Logs(ctx context.Context, repository, stage string, r deploy.LogRequest, w io.Writer) error {
	return l.s.deploys.Logs(ctx, repository, stage, r, w)
}

// servedPages is what the pages show of stages.
type servedPages struct{ s *Server }

func (p *servedPages) Stages(ctx context.Context, repository string) ([]cairn.StageInfo, error) {
	return p.s.deploys.Stages(ctx, repository)
}

func (p *servedPages) PendingApprovals(ctx context.Context) ([]cairn.PendingApproval, error) {
	return p.s.PendingApprovals(ctx, auth.Actor(ctx))
}

func (p *servedPages) Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error) {
	return p.s.store.Deployments(ctx, f)
}

func (p *servedPages) Predictions(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error) {
	return p.s.reports.List(ctx, f)
}

func (p *servedPages) Trace(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error) {
	return p.s.tracer.Trace(ctx, repository, asked, down)
}

// reportRoots lists the inputs that are kept for reports; false ends the listing.
func (s *Server) reportRoots(ctx context.Context, yield func(cas.Root, error) bool) bool {
	more := true
	err := s.store.ReportInputs(ctx, func(id cairn.PredictionID, input cairn.Digest) bool {
		more = yield(cas.Root{Digest: input, Name: string(id.Ref())}, nil)
		return more
	})
	if err != nil && more {
		more = yield(cas.Root{}, err)
	}
	return more
}

// awayPatience bounds how long a stage may take to say how it is.
const awayPatience = 2 * time.Second

// stagesAway asks the processes of stages themselves, where no server runs.
func stagesAway(ctx context.Context, env func(string) string) []status.Away {
	home, err := Home(env)
	if err != nil {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(home, "stages", "*", "stage.json"))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awayPatience)
	defer cancel()
	var out []status.Away
	for _, f := range files {
		var a status.Away
		b, err := os.ReadFile(f)
		if err != nil || json.Unmarshal(b, &a.File) != nil {
			continue // somebody else's, or being written
		}
		if a.Status, err = local.Ask(ctx, a.File.Socket); err != nil {
			a.Status = nil // it does not answer: nothing is said of it
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b status.Away) int { return int(a.File.ID - b.File.ID) })
	return out
}
