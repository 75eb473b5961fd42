package track

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// NewRun is what a client says when it starts a run.
type NewRun struct {
	Experiment string // "": the default one
	Name       string
	User       string
	StartTime  int64
	Tags       []cairn.Param
}

// Tags that this server sets on runs of jobs; clients look for the mlflow ones.
const (
	tagRunName   = "mlflow.runName"
	tagCommit    = "mlflow.source.git.commit"
	tagBranch    = "mlflow.source.git.branch"
	tagRepoURL   = "mlflow.source.git.repoURL"
	tagDirty     = "mlflow.source.git.dirty"
	tagCairnRun  = "cairn.run"
	tagCairnJob  = "cairn.job"
	tagCairnTree = "cairn.tree"
	tagUser      = "mlflow.user"
)

// CreateRun starts a run. With a job's token the run belongs to the job: linked,
// and tagged with the commit that the job runs.
func (s *Service) CreateRun(ctx context.Context, n NewRun) (*cairn.MLRun, error) {
	if n.Experiment == "" {
		n.Experiment = DefaultExperiment
	}
	e, err := s.store.Experiment(ctx, n.Experiment)
	if err != nil {
		return nil, err
	}
	if err := activeExperiment(e); err != nil {
		return nil, err
	}
	tags, err := checkTags(n.Tags)
	if err != nil {
		return nil, err
	}
	if n.StartTime < 0 {
		return nil, InvalidValue("start_time", n.StartTime, "it must be a time in milliseconds since 1970.")
	}
	id, err := s.id(16)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	who := s.actor(ctx)
	r := cairn.MLRun{ID: id, Experiment: e.ID, User: n.User, Status: cairn.MLRunning, StartTime: n.StartTime,
		Root: e.Root + "/" + id + "/artifacts", Job: who.Job, Run: who.Run, By: who.Name, CreatedAt: now, UpdatedAt: now,
		Tags: map[string]string{}}
	for _, t := range tags {
		r.Tags[t.Key] = t.Value
	}
	if r.Name, err = s.nameOf(n.Name, r.Tags); err != nil {
		return nil, err
	}
	r.Tags[tagRunName] = r.Name
	if r.StartTime == 0 {
		r.StartTime = now.UnixMilli()
	}
	if r.User == "" {
		r.User = r.Tags[tagUser]
	}
	if r.User == "" {
		r.User = who.Name
	}
	ch := s.change(ctx, cairn.EvMLRun, r.Ref())
	if who.Job != 0 {
		if err := s.tagFromJob(ctx, who.Job, r.Tags); err != nil {
			return nil, err
		}
		ch.Links = append(ch.Links,
			cairn.Link{From: r.Ref(), Relation: cairn.RelPartOf, To: cairn.JobRef(who.Job)},
			cairn.Link{From: cairn.JobRef(who.Job), Relation: cairn.RelMade, To: r.Ref(), Note: "run " + r.Name + " of experiment " + e.Name})
	}
	if err := s.store.CreateMLRun(ctx, r, ch); err != nil {
		return nil, err
	}
	return &r, nil
}

func (s *Service) nameOf(name string, tags map[string]string) (string, error) {
	tagged := tags[tagRunName]
	switch {
	case name == "" && tagged == "":
		return s.runName()
	case name == "":
		return tagged, nil
	case tagged != "" && tagged != name:
		return "", invalid("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='%s', mlflow.runName='%s').", name, tagged)
	}
	return cut(name, MaxTagValue), nil
}

// tagFromJob writes what the server knows of the job's code over what the
// client guessed.
func (s *Service) tagFromJob(ctx context.Context, job cairn.JobID, tags map[string]string) error {
	tags[tagCairnJob] = strconv.FormatInt(int64(job), 10)
	if s.jobs == nil {
		return nil
	}
	info, err := s.jobs.JobInfo(ctx, job)
	if err != nil {
		return err
	}
	set := func(key, value string) {
		if value != "" {
			tags[key] = value
		}
	}
	set(tagCairnRun, strconv.FormatInt(int64(info.Run.ID), 10))
	set(tagCommit, info.Run.Commit.SHA)
	set(tagBranch, info.Branch)
	set(tagRepoURL, info.RepoURL)
	if info.Run.Dirty {
		tags[tagDirty] = "true"
		set(tagCairnTree, string(info.Run.TreeDigest))
	}
	return nil
}

// Run reads a run with all that belongs to it; its cost grows with the number
// of its metrics, not with their history.
func (s *Service) Run(ctx context.Context, id string) (*cairn.MLRun, error) {
	if err := checkRunID(id); err != nil {
		return nil, err
	}
	return s.store.MLRun(ctx, id)
}

// RunPatch is what an update says; nil fields stay.
type RunPatch struct {
	Status  *string
	EndTime *int64
	Name    *string
}

// UpdateRun changes a run's own row.
func (s *Service) UpdateRun(ctx context.Context, id string, p RunPatch) (*cairn.MLRun, error) {
	if err := checkRunID(id); err != nil {
		return nil, err
	}
	var status cairn.MLRunStatus
	if p.Status != nil {
		var err error
		if status, err = parseStatus(*p.Status); err != nil {
			return nil, err
		}
	}
	return s.store.SaveMLRun(ctx, id, func(r *cairn.MLRun) error {
		if r.Deleted {
			return invalid("The run %s must be in the 'active' state. Current state is deleted.", id)
		}
		if p.Status != nil {
			r.Status = status
		}
		if p.EndTime != nil {
			r.EndTime = *p.EndTime
		}
		if p.Name != nil && *p.Name != "" {
			r.Name = cut(*p.Name, MaxTagValue)
		}
		r.UpdatedAt = s.now().UTC()
		return nil
	}, s.change(ctx, cairn.EvMLRun, cairn.NewRef(cairn.KindMLRun, id)))
}

func parseStatus(text string) (cairn.MLRunStatus, error) {
	all := []cairn.MLRunStatus{cairn.MLRunning, cairn.MLScheduled, cairn.MLFinished, cairn.MLFailed, cairn.MLKilled}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(all) { // the enum's number
		return all[n-1], nil
	}
	if st := cairn.MLRunStatus(strings.ToUpper(text)); slices.Contains(all, st) {
		return st, nil
	}
	return "", InvalidValue("status", text, fmt.Sprintf("it must be one of %s.", joinStatuses(all)))
}

func joinStatuses(all []cairn.MLRunStatus) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// DeleteRun hides a run; RestoreRun brings it back.
func (s *Service) DeleteRun(ctx context.Context, id string) error { return s.setDeleted(ctx, id, true) }

// RestoreRun brings a deleted run back.
func (s *Service) RestoreRun(ctx context.Context, id string) error {
	return s.setDeleted(ctx, id, false)
}

func (s *Service) setDeleted(ctx context.Context, id string, deleted bool) error {
	if err := checkRunID(id); err != nil {
		return err
	}
	_, err := s.store.SaveMLRun(ctx, id, func(r *cairn.MLRun) error {
		r.Deleted, r.UpdatedAt = deleted, s.now().UTC()
		return nil
	}, s.change(ctx, cairn.EvMLRun, cairn.NewRef(cairn.KindMLRun, id)))
	return err
}

// SearchRuns returns a page of runs and the token of the next.
func (s *Service) SearchRuns(ctx context.Context, q Search) ([]cairn.MLRun, string, error) {
	n, err := pageSize(q.Max, 1000, MaxSearch)
	if err != nil {
		return nil, "", err
	}
	where, err := runGrammar.parseFilter(q.Filter)
	if err != nil {
		return nil, "", err
	}
	for i, c := range where {
		if c.Subject == cairn.OfAttribute && c.Key == "artifact_uri" { // rows have the path alone
			where[i].Text = strings.TrimPrefix(c.Text, s.uri)
		}
	}
	order, err := runGrammar.parseOrders(q.Order)
	if err != nil {
		return nil, "", err
	}
	if len(q.Experiments) > 1000 {
		return nil, "", invalid("a search can be of at most 1000 experiments; got %d", len(q.Experiments))
	}
	pg, err := parseToken(q.Token, questionOf("runs", q.Experiments, q.Filter, q.Order, q.View))
	if err != nil {
		return nil, "", err
	}
	runs, err := s.store.SearchMLRuns(ctx, cairn.TrackQuery{Experiments: q.Experiments, View: q.View, Where: where, Order: order,
		Limit: n + 1, Offset: pg.Offset})
	if err != nil || len(runs) <= n {
		return runs, "", err
	}
	pg.Offset += n
	return runs[:n], pg.token(), nil
}
