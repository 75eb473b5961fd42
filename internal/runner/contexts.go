package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// prepareContexts evaluates everything that stays the same for all steps.
func (x *executor) prepareContexts() error {
	dirs, info := x.Machine.Dirs(), x.Machine.Info()
	c := map[string]expr.Value{}
	for _, name := range []string{"github", "inputs", "vars", "needs", "strategy", "matrix"} {
		c[name] = expr.Object()
		raw := x.Spec.Contexts[name]
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		v, err := expr.FromJSON(raw)
		if err != nil {
			return cairn.Errorf(cairn.CodeInternal, "the context %s of the job is damaged: %w", name, err)
		}
		c[name] = v
	}
	for _, name := range sortedKeys(x.Secrets.Vars) {
		c["vars"] = c["vars"].With(name, expr.String(x.Secrets.Vars[name]))
	}
	secrets := map[string]string{"GITHUB_TOKEN": x.Secrets.Token}
	maps.Copy(secrets, x.Secrets.Secrets)
	c["secrets"] = stringsObject(secrets)
	runnerFields := []expr.Field{
		{Name: "name", Value: expr.String(info.Name)},
		{Name: "os", Value: expr.String(info.OS)},
		{Name: "arch", Value: expr.String(info.Arch)},
		{Name: "environment", Value: expr.String(info.Environment)},
		{Name: "temp", Value: expr.String(dirs.Temp)},
		{Name: "tool_cache", Value: expr.String(dirs.ToolCache)},
		{Name: "workspace", Value: expr.String(filepath.Dir(dirs.Workspace))},
	}
	if x.Spec.Debug {
		runnerFields = append(runnerFields, expr.Field{Name: "debug", Value: expr.String("1")})
	}
	c["runner"] = expr.Object(runnerFields...)

	event := filepath.Join(dirs.Files, "event.json")
	if err := os.WriteFile(event, eventJSON(c["github"]), 0o600); err != nil {
		return fmt.Errorf("the event cannot be written: %w", err)
	}
	x.github = c["github"].
		With("workspace", expr.String(dirs.Workspace)).
		With("event_path", expr.String(event)).
		With("token", expr.String(x.Secrets.Token))
	c["github"] = x.github
	x.contexts = c
	x.prepareEnviron()
	return x.prepareEnv()
}

func eventJSON(github expr.Value) []byte {
	if e, ok := github.Get("event"); ok && e.Kind() == expr.KindObject {
		return e.Indented()
	}
	return []byte("{}\n")
}

// prepareEnviron builds what every process is told, apart from what files of the
// repository say.
func (x *executor) prepareEnviron() {
	dirs, info := x.Machine.Dirs(), x.Machine.Info()
	x.environ = map[string]string{}
	maps.Copy(x.environ, x.Machine.Environ())
	x.reserved = map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": dirs.Workspace,
		"RUNNER_OS": info.OS, "RUNNER_ARCH": info.Arch, "RUNNER_NAME": info.Name, "RUNNER_ENVIRONMENT": info.Environment,
		"RUNNER_TEMP": dirs.Temp, "RUNNER_TOOL_CACHE": dirs.ToolCache, "RUNNER_WORKSPACE": filepath.Dir(dirs.Workspace),
	}
	if x.Spec.Debug {
		x.reserved["RUNNER_DEBUG"] = "1"
	}
	for _, name := range githubVariables() {
		v, ok := x.github.Get(name)
		if ok && v.Primitive() {
			x.reserved["GITHUB_"+strings.ToUpper(name)] = v.ToString()
		}
	}
	x.environ["CI"] = "true"
	for k, v := range x.Spec.BaseEnv {
		if strings.HasPrefix(k, "GITHUB_") || strings.HasPrefix(k, "RUNNER_") {
			x.reserved[k] = v
		} else {
			x.environ[k] = v
		}
	}
	if x.Secrets.Token != "" {
		x.environ["CAIRN_TOKEN"] = x.Secrets.Token
		x.environ["MLFLOW_TRACKING_TOKEN"] = x.Secrets.Token
		if x.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] != "" {
			x.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = x.Secrets.Token
		}
	}
}

// githubVariables lists the properties of the github context that are given to
// steps as GITHUB_<NAME>.
func githubVariables() []string {
	return []string{
		"actor", "actor_id", "api_url", "base_ref", "event_name", "event_path", "graphql_url", "head_ref",
		"job", "ref", "ref_name", "ref_protected", "ref_type", "repository", "repository_id", "repository_owner",
		"repository_owner_id", "retention_days", "run_attempt", "run_id", "run_number", "server_url", "sha",
		"triggering_actor", "workflow", "workflow_ref", "workflow_sha", "workspace",
	}
}

// prepareEnv evaluates the env of workflow, called workflow and job, each with
// the ones before it. Below them all lies what an env file gave: it fills the
// names that the workflow leaves open.
func (x *executor) prepareEnv() error {
	x.jobEnv = map[string]string{}
	maps.Copy(x.jobEnv, x.Secrets.Env)
	for _, layer := range x.Spec.Env {
		env := x.env(nil, "")
		values := map[string]string{}
		for _, nv := range layer {
			v, err := expr.EvalString(nv.Value, env)
			if err != nil {
				return evalFailed("env."+nv.Name, nv.Value, err)
			}
			values[nv.Name] = v
		}
		maps.Copy(x.jobEnv, values)
	}
	return nil
}

// statusFunctions are success() and its kin over the job's status so far.
func statusFunctions(status func() cairn.Conclusion, hashFiles expr.Func) map[string]expr.Func {
	is := func(test func(c cairn.Conclusion) bool) expr.Func {
		return func([]expr.Value) (expr.Value, error) { return expr.Bool(test(status())), nil }
	}
	f := map[string]expr.Func{
		"always":  is(func(cairn.Conclusion) bool { return true }),
		"success": is(func(c cairn.Conclusion) bool { return c == cairn.Success }),
		"failure": is(func(c cairn.Conclusion) bool { return c == cairn.Failure }),
		// A job that timed out is stopped in the way of a cancelled one.
		"cancelled": is(func(c cairn.Conclusion) bool { return c == cairn.Cancelled || c == cairn.TimedOut }),
	}
	if hashFiles != nil {
		f["hashfiles"] = hashFiles
	}
	return f
}

// processEnv is the whole environment of a step's processes.
func (x *executor) processEnv(set *variables, stepEnv, files map[string]string) map[string]string {
	env := make(map[string]string, len(x.environ)+len(x.jobEnv)+len(x.reserved)+len(files)+16)
	for _, layer := range []map[string]string{x.environ, x.jobEnv, set.environ(), stepEnv, x.reserved, files} {
		maps.Copy(env, layer)
	}
	for _, p := range set.folders() {
		if env["PATH"] == "" {
			env["PATH"] = p
		} else {
			env["PATH"] = p + string(os.PathListSeparator) + env["PATH"]
		}
	}
	// The token goes to Cairn only: a step that names another tracking server does
	// not get it.
	if env["MLFLOW_TRACKING_URI"] != x.environ["MLFLOW_TRACKING_URI"] && env["MLFLOW_TRACKING_TOKEN"] == x.Secrets.Token {
		delete(env, "MLFLOW_TRACKING_TOKEN")
	}
	return env
}

func evalFailed(what string, t cairn.Template, err error) error {
	e := cairn.Errorf(cairn.CodeInvalid, "%s: %w", what, err)
	if t.Line > 0 {
		return e.At(cairn.Position{Line: t.Line, Column: t.Col})
	}
	return e
}

func stringsObject(m map[string]string) expr.Value { return expr.Object(stringFields(m)...) }

// exactObject is for variables, whose names differ by case.
func exactObject(m map[string]string) expr.Value { return expr.ExactObject(stringFields(m)...) }

func stringFields(m map[string]string) []expr.Field {
	fields := make([]expr.Field, 0, len(m))
	for _, k := range sortedKeys(m) {
		fields = append(fields, expr.Field{Name: k, Value: expr.String(m[k])})
	}
	return fields
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// explain says which condition was false and what it saw: "if: inputs.x was
// false: inputs.x = false".
func explain(condition string, status cairn.Conclusion, env *expr.Env) string {
	if asked, err := expr.Parse(condition); status != cairn.Success && (strings.TrimSpace(condition) == "" || err == nil && !expr.UsesStatusFunction(asked)) {
		if status == cairn.Failure {
			return "an earlier step failed"
		}
		return "the job was cancelled"
	}
	text := "if: " + strings.Join(strings.Fields(condition), " ") + " was false"
	n, err := expr.ParseCondition(condition)
	if err != nil {
		return text
	}
	var seen []string
	for _, r := range n.References() {
		if r.Path[0] == "secrets" || r.Open || len(seen) == 5 {
			continue
		}
		v, err := expr.Eval(r.String(), env)
		if err != nil || !v.Primitive() {
			continue
		}
		show, err := json.Marshal(v)
		if err == nil {
			if s := r.String() + " = " + string(show); !slices.Contains(seen, s) {
				seen = append(seen, s)
			}
		}
	}
	if len(seen) > 0 {
		text += ": " + strings.Join(seen, ", ")
	}
	return text
}
