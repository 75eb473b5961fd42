package run

import (
	"context"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// contexts are github, inputs and vars as the conditions of a run's jobs see them.
func (e *Engine) contexts(ctx context.Context, run *cairn.Run) (map[string]expr.Value, error) {
	vars, err := e.o.Resolver.Vars(ctx, run, "")
	if err != nil {
		return nil, err
	}
	server, api := e.o.Resolver.Addresses()
	return map[string]expr.Value{
		"github": githubContext(run, server, api),
		"inputs": inputsContext(run.Inputs),
		"vars":   expr.FromGo(vars),
	}, nil
}

func inputsContext(inputs []cairn.Input) expr.Value {
	fields := make([]expr.Field, 0, len(inputs))
	for _, in := range inputs {
		fields = append(fields, expr.Field{Name: in.Name, Value: decodeJSON(in.Value)})
	}
	return expr.Object(fields...)
}

// githubContext is the github context as GitHub documents it, save what only a
// job or its runner knows. Numbers are texts there.
func githubContext(run *cairn.Run, server, api string) expr.Value {
	owner, _, _ := strings.Cut(run.Repository, "/")
	refType := ""
	switch {
	case strings.HasPrefix(run.Ref, "refs/tags/"):
		refType = "tag"
	case strings.HasPrefix(run.Ref, "refs/heads/"):
		refType = "branch"
	}
	event := decodeJSON(run.Payload)
	if event.Kind() != expr.KindObject {
		event = expr.Object()
	}
	workflowRef := run.Repository + "/" + run.Path
	if run.Ref != "" {
		workflowRef += "@" + run.Ref
	}
	var fields []expr.Field
	text := func(name, value string) {
		fields = append(fields, expr.Field{Name: name, Value: expr.String(value)})
	}
	text("ref", run.Ref)
	text("sha", run.Commit.SHA)
	text("repository", run.Repository)
	text("repository_owner", owner)
	text("repositoryUrl", strings.TrimSuffix(server, "/")+"/"+run.Repository+".git")
	text("run_id", strconv.FormatInt(int64(run.ID), 10))
	text("run_number", strconv.FormatInt(run.Number, 10))
	text("run_attempt", strconv.Itoa(run.Attempt))
	text("retention_days", "90")
	text("artifact_cache_size_limit", "10")
	text("actor", run.Actor)
	text("triggering_actor", run.Actor)
	text("workflow", run.Workflow)
	text("workflow_ref", workflowRef)
	text("workflow_sha", run.Commit.SHA)
	text("head_ref", run.HeadRef)
	text("base_ref", run.BaseRef)
	text("event_name", run.Event)
	fields = append(fields, expr.Field{Name: "event", Value: event})
	text("server_url", server)
	text("api_url", api)
	// As on a GitHub server of one's own: /api/v3 and /api/graphql.
	text("graphql_url", strings.TrimSuffix(strings.TrimSuffix(api, "/"), "/v3")+"/graphql")
	text("ref_name", refName(run.Ref))
	fields = append(fields, expr.Field{Name: "ref_protected", Value: expr.Bool(false)})
	text("ref_type", refType)
	text("secret_source", "Actions")
	return expr.Object(fields...)
}

func refName(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/pull/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			return rest
		}
	}
	return ref
}
