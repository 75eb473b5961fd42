package auth

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/go-jose/go-jose/v4/jwt"
)

// IDClaims are what an identity token says of its job, under GitHub's names: rules
// that were written for GitHub's tokens read these. Numbers are texts there.
type IDClaims struct {
	ID                   string `json:"jti"`
	Subject              string `json:"sub"`
	Audience             string `json:"aud"`
	Ref                  string `json:"ref"`
	SHA                  string `json:"sha"`
	Repository           string `json:"repository"`
	Owner                string `json:"repository_owner"`
	RunID                string `json:"run_id"`
	RunNumber            string `json:"run_number"`
	RunAttempt           string `json:"run_attempt"`
	RepositoryVisibility string `json:"repository_visibility"`
	Actor                string `json:"actor"`
	Workflow             string `json:"workflow"`
	HeadRef              string `json:"head_ref"`
	BaseRef              string `json:"base_ref"`
	EventName            string `json:"event_name"`
	RefProtected         string `json:"ref_protected"`
	RefType              string `json:"ref_type"`
	WorkflowRef          string `json:"workflow_ref"`
	WorkflowSHA          string `json:"workflow_sha"`
	JobWorkflowRef       string `json:"job_workflow_ref"`
	JobWorkflowSHA       string `json:"job_workflow_sha"`
	Environment          string `json:"environment,omitempty"`
	RunnerEnvironment    string `json:"runner_environment"`
	// Dirty is "true" where the code is not that of the commit; GitHub has no such runs.
	Dirty     string           `json:"dirty,omitempty"`
	Issuer    string           `json:"iss"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Expires   *jwt.NumericDate `json:"exp"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// claimNames lists the claims for the discovery document.
func claimNames() []string {
	var out []string
	t := reflect.TypeFor[IDClaims]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// ClaimsOf are the claims of a job. file is the workflow file that its node stands
// in, another one than the run's where that was called, and sha the commit that it
// was read from; "" for those of the run.
func ClaimsOf(run *cairn.Run, job *cairn.Job, file, sha string) IDClaims {
	owner, _, _ := strings.Cut(run.Repository, "/")
	at := func(file string) string {
		// A file of another repository names that and its version itself.
		if strings.Contains(file, "@") {
			return file
		}
		return run.Repository + "/" + file + "@" + run.Ref
	}
	refType := "branch"
	if strings.HasPrefix(run.Ref, "refs/tags/") {
		refType = "tag"
	}
	if file == "" {
		file = run.Path
	}
	dirty := ""
	if run.Dirty {
		dirty = "true"
	}
	if sha == "" {
		sha = run.Commit.SHA
	}
	return IDClaims{
		Dirty: dirty, Subject: subject(run, job), Ref: run.Ref, SHA: run.Commit.SHA, Repository: run.Repository, Owner: owner,
		RunID: strconv.FormatInt(int64(run.ID), 10), RunNumber: strconv.FormatInt(run.Number, 10), RunAttempt: strconv.Itoa(job.Attempt),
		RepositoryVisibility: "private", Actor: run.Actor, Workflow: run.Workflow, HeadRef: run.HeadRef, BaseRef: run.BaseRef,
		EventName: run.Event, RefProtected: "false", RefType: refType, WorkflowRef: at(run.Path), WorkflowSHA: run.Commit.SHA,
		JobWorkflowRef: at(file), JobWorkflowSHA: sha, Environment: job.Environment, RunnerEnvironment: "self-hosted",
	}
}

// subject names the job for rules of trust: by its environment, else as a pull
// request, else by its ref. A colon in a name must not pass for one between names.
func subject(run *cairn.Run, job *cairn.Job) string {
	of := "repo:" + strings.ReplaceAll(run.Repository, ":", "%3A") + ":"
	switch {
	case job.Environment != "":
		return of + "environment:" + strings.ReplaceAll(job.Environment, ":", "%3A")
	case run.Event == "pull_request":
		return of + "pull_request"
	}
	return of + "ref:" + run.Ref
}
