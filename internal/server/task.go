package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// runTracking is the id of the tracking run that a run of a job's file has, jobTracking
// that of one of its jobs: the same each time that they are asked for.
func runTracking(id cairn.RunID, name string) string {
	return trackingID(fmt.Sprintf("run %d %s", id, name))
}

func jobTracking(r *cairn.Run, j *cairn.Job) string {
	return trackingID(fmt.Sprintf("job %d %d %s", j.ID, j.Epoch, r.Submitted.Name))
}

func trackingID(of string) string {
	sum := sha256.Sum256([]byte("cairn tracking " + of))
	return hex.EncodeToString(sum[:16])
}

// Task makes the tracking run of a job that carries out a task, and answers the
// variables that scripts written for Azure Machine Learning look for.
func (r *resolver) Task(ctx context.Context, run *cairn.Run, job *cairn.Job, t *cairn.TaskRun) (map[string]string, error) {
	if run.Submitted == nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "run %d carries out a task and was not started from a job's file", run.ID)
	}
	s := r.s
	alone := job.Path == mainNode && run.Submitted.Type != "pipeline"
	t.Root, t.Name = run.Submitted.Name, childName(run.Submitted.Name, job.Path)
	if alone {
		t.Name = t.Root
	}
	exp, err := s.experiment(ctx, cmpOr(t.Task.Experiment, run.Submitted.Experiment))
	if err != nil {
		return nil, err
	}
	parent := run.Submitted.Tracking
	if err := s.ensureTracked(ctx, s.trackedRun(ctx, run, exp)); err != nil {
		return nil, err
	}
	if alone && job.Attempt == 1 && len(t.Trial) == 0 {
		// A command of its own is one run, not a parent with a child.
		t.Tracking = parent
		if err := s.adoptTracked(ctx, run, job, exp); err != nil {
			return nil, err
		}
	} else {
		t.Tracking = jobTracking(run, job)
		if err := s.ensureTracked(ctx, s.trackedJob(ctx, run, job, t, exp)); err != nil {
			return nil, err
		}
	}
	return s.taskVariables(run, t, exp)
}

// experiment finds an experiment of the tracking interface, or makes it.
func (s *Server) experiment(ctx context.Context, name string) (*cairn.Experiment, error) {
	e, err := s.track.ExperimentByName(ctx, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		if e, err = s.track.CreateExperiment(ctx, name, "", nil); cairn.CodeOf(err) == cairn.CodeConflict {
			e, err = s.track.ExperimentByName(ctx, name) // another job was faster
		}
	}
	if err == nil && e.Deleted {
		err = cairn.Errorf(cairn.CodeConflict, "experiment %q was deleted: nothing can be logged to it", name).
			WithHint("restore it, or give the job another experiment_name")
	}
	return e, err
}

// tracked is a tracking run with what accompanies its row.
type tracked struct {
	row   cairn.MLRun
	links []cairn.Link
}

// trackedRun is the tracking run of a whole job's file.
func (s *Server) trackedRun(ctx context.Context, run *cairn.Run, exp *cairn.Experiment) tracked {
	x := run.Submitted
	now := s.now().UTC()
	row := cairn.MLRun{
		ID: x.Tracking, Experiment: exp.ID, Name: cmpOr(x.DisplayName, x.Name), User: run.Actor, Status: cairn.MLRunning,
		StartTime: now.UnixMilli(), Root: exp.Root + "/" + x.Tracking + "/artifacts", Run: run.ID, By: run.Actor, CreatedAt: now, UpdatedAt: now,
		Tags: maps.Clone(x.Tags),
	}
	if row.Tags == nil {
		row.Tags = map[string]string{}
	}
	s.sourceTags(ctx, run, row.Tags)
	row.Tags["mlflow.runName"], row.Tags["mlflow.rootRunId"], row.Tags["mlflow.user"] = row.Name, row.ID, run.Actor
	row.Tags["azureml.runname"], row.Tags["azureml.jobtype"] = x.Name, x.Type
	row.Tags["cairn.run"] = strconv.FormatInt(int64(run.ID), 10)
	return tracked{row: row, links: []cairn.Link{{From: row.Ref(), Relation: cairn.RelPartOf, To: cairn.RunRef(run.ID)}}}
}

// trackedJob is the tracking run of one job below it.
func (s *Server) trackedJob(ctx context.Context, run *cairn.Run, job *cairn.Job, t *cairn.TaskRun, exp *cairn.Experiment) tracked {
	now := s.now().UTC()
	row := cairn.MLRun{
		ID: t.Tracking, Experiment: exp.ID, Name: cmp.Or(t.Task.DisplayName, job.Name, job.Path), User: run.Actor, Status: cairn.MLRunning,
		StartTime: now.UnixMilli(), Root: exp.Root + "/" + t.Tracking + "/artifacts", Job: job.ID, Run: run.ID,
		By: string(cairn.JobRef(job.ID)), CreatedAt: now, UpdatedAt: now, Tags: map[string]string{},
	}
	for _, set := range append(t.Task.Properties, t.Task.Tags...) {
		row.Tags[set.Name] = set.Value
	}
	s.sourceTags(ctx, run, row.Tags)
	row.Tags["mlflow.runName"], row.Tags["mlflow.user"] = row.Name, run.Actor
	row.Tags["mlflow.parentRunId"], row.Tags["mlflow.rootRunId"] = run.Submitted.Tracking, run.Submitted.Tracking
	row.Tags["azureml.runname"] = t.Name
	row.Tags["cairn.run"], row.Tags["cairn.job"] = strconv.FormatInt(int64(run.ID), 10), strconv.FormatInt(int64(job.ID), 10)
	return tracked{row: row, links: trackedLinks(&row, job, exp)}
}

func trackedLinks(row *cairn.MLRun, job *cairn.Job, exp *cairn.Experiment) []cairn.Link {
	return []cairn.Link{
		{From: row.Ref(), Relation: cairn.RelPartOf, To: cairn.JobRef(job.ID)},
		{From: cairn.JobRef(job.ID), Relation: cairn.RelMade, To: row.Ref(), Note: "run " + row.Name + " of experiment " + exp.Name},
	}
}

// sourceTags say which code runs, as git and MLflow name it.
func (s *Server) sourceTags(ctx context.Context, run *cairn.Run, tags map[string]string) {
	if run.Commit.SHA == "" {
		return
	}
	tags["mlflow.source.git.commit"] = run.Commit.SHA
	url := s.url + "/git/" + run.Repository + ".git"
	if repo, err := s.store.Repository(ctx, Workspace, run.Repository); err == nil && repo.Origin != "" {
		url = repo.Origin
	}
	tags["mlflow.source.git.repoURL"] = url
	if b, ok := strings.CutPrefix(run.Ref, "refs/heads/"); ok {
		tags["mlflow.source.git.branch"] = b
	}
	tags["azureml.git.dirty"] = "False"
	if run.Dirty {
		tags["azureml.git.dirty"] = "True"
		tags["mlflow.source.git.dirty"] = "true"
		if run.TreeDigest != "" {
			tags["cairn.tree"] = string(run.TreeDigest)
		}
	}
}

// ensureTracked writes a tracking run unless it is there.
func (s *Server) ensureTracked(ctx context.Context, x tracked) error {
	_, err := s.store.MLRunInfo(ctx, x.row.ID)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	unlock, err := s.submits.lock(ctx, "tracking\x00"+x.row.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.store.MLRunInfo(ctx, x.row.ID); cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	return s.store.CreateMLRun(ctx, x.row, cairn.Change{By: x.row.By, Links: x.links,
		Events: []cairn.Event{{Run: x.row.Run, Kind: cairn.EvMLRun, Subject: x.row.Ref()}}})
}

// adoptTracked makes the tracking run of a file with one job that job's own.
func (s *Server) adoptTracked(ctx context.Context, run *cairn.Run, job *cairn.Job, exp *cairn.Experiment) error {
	row := cairn.MLRun{ID: run.Submitted.Tracking, Name: cmpOr(run.Submitted.DisplayName, run.Submitted.Name)}
	tags := []cairn.Param{{Key: "cairn.job", Value: strconv.FormatInt(int64(job.ID), 10)}}
	if err := s.store.LogParams(ctx, row.ID, nil, tags); err != nil {
		return err
	}
	return s.store.AddLinks(ctx, cairn.Change{By: run.Actor, Links: trackedLinks(&row, job, exp)})
}

// What stands for a subscription and a resource group where scripts ask for one.
const (
	noSubscription = "00000000-0000-0000-0000-000000000000"
	noGroup        = "cairn"
)

// taskVariables are the variables that a job of Azure Machine Learning has.
func (s *Server) taskVariables(run *cairn.Run, t *cairn.TaskRun, exp *cairn.Experiment) (map[string]string, error) {
	scope := "/subscriptions/" + noSubscription + "/resourceGroups/" + noGroup + "/providers/Microsoft.MachineLearningServices/workspaces/" + Workspace
	about, err := json.Marshal(map[string]string{
		"subscription_id": noSubscription, "resource_group": noGroup, "workspace_name": Workspace, "workspace_id": noSubscription,
		"experiment_id": exp.ID, "experiment_name": exp.Name, "run_id": t.Name, "root_run_id": t.Root, "run_uuid": t.Tracking,
		"service_endpoint": s.url, "discovery_endpoint": s.url + "/discovery", "mlflow_tracking_uri": s.url,
	})
	if err != nil {
		return nil, err
	}
	out := map[string]string{
		"AZUREML_RUN_ID": t.Name, "AZUREML_ROOT_RUN_ID": t.Root,
		"AZUREML_EXPERIMENT_ID": exp.ID, "AZUREML_EXPERIMENT_NAME": exp.Name, "AZUREML_EXPERIMENT_SCOPE": scope + "/experiments/" + exp.Name,
		"AZUREML_ARM_SUBSCRIPTION": noSubscription, "AZUREML_ARM_RESOURCEGROUP": noGroup, "AZUREML_ARM_WORKSPACE_NAME": Workspace,
		"AZUREML_ARM_PROJECT_NAME": exp.Name, "AZUREML_WORKSPACE_ID": noSubscription, "AZUREML_WORKSPACE_SCOPE": scope,
		"AZUREML_SERVICE_ENDPOINT": s.url, "AZUREML_DISCOVERY_SERVICE_ENDPOINT": s.url + "/discovery", "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": s.url,
		"AZUREML_CR_AZUREML_CONTEXT": string(about), "AZUREML_CR_COMPUTE_CONTEXT": `{"cluster_name":"local","node_id":{},"gpu_id":{}}`,
		"AZUREML_CR_CORRELATION_ID": t.Tracking,
		"MLFLOW_RUN_ID":             t.Tracking, "MLFLOW_EXPERIMENT_ID": exp.ID, "MLFLOW_EXPERIMENT_NAME": exp.Name,
	}
	if t.Task.Environment.Name == hostEnvironment {
		out["CAIRN_EXE"] = s.exe // what built-in components call
	}
	return out, nil
}

// taskResults are what earlier tasks left, as far as its bytes are kept.
type taskResults struct{ s *Server }

// Result finds the outputs of an earlier task of the same key.
func (t *taskResults) Result(ctx context.Context, workspace string, key cairn.Digest) (*cairn.TaskResult, error) {
	r, err := t.s.store.Result(ctx, workspace, key)
	if err != nil {
		return nil, err
	}
	for name, text := range r.Outputs {
		v, ok := cairn.DecodeData(text)
		if !ok {
			continue
		}
		there, err := t.s.blobs.Has(ctx, v.Digest)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, cairn.Errorf(cairn.CodeNotFound, "output %s of job %d is not kept any more", name, r.Job)
		}
	}
	return r, nil
}
