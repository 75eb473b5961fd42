package stages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// GateFacts are what the condition of an environment looks at. What is nil is not
// there (yet).
type GateFacts struct {
	Environment string
	Run         *cairn.Run
	Tests       map[string]string // results of the run's jobs, by name
	// Model is the one that the run made last, else the one that it used last.
	Model *ModelFacts
	// Models are the metrics of all models that the run made or used, by name.
	Models  map[string]map[string]float64
	Release *cairn.Release
}

// ModelFacts describe a model version.
type ModelFacts struct {
	Name, Version string
	Metrics       map[string]float64
}

// vars are the facts as the evaluator reads them: what is not there has no entry.
func (f *GateFacts) vars() map[string]any {
	tests, models := f.Tests, f.Models
	if tests == nil {
		tests = map[string]string{}
	}
	if models == nil {
		models = map[string]map[string]float64{}
	}
	out := map[string]any{gateEnvironment: f.Environment, gateTests: tests, gateModels: models, "model.metrics": map[string]float64{}}
	if r := f.Run; r != nil {
		branch, isBranch := strings.CutPrefix(r.Ref, "refs/heads/")
		tag, isTag := strings.CutPrefix(r.Ref, "refs/tags/")
		if !isBranch {
			branch = ""
		}
		if !isTag {
			tag = ""
		}
		for name, v := range map[string]any{
			"actor": r.Actor, "event": r.Event, "ref": r.Ref, "branch": branch, "tag": tag, "commit": r.Commit.SHA,
			"author": r.Commit.Author, "workflow": r.Workflow, "repository": r.Repository, "number": r.Number,
			"attempt": int64(r.Attempt), "dirty": r.Dirty, "untrusted": r.Untrusted,
		} {
			out[gateRun+"."+name] = v
		}
	}
	if m := f.Model; m != nil {
		out["model.name"], out["model.version"] = m.Name, m.Version
		if m.Metrics != nil {
			out["model.metrics"] = m.Metrics
		}
	}
	if r := f.Release; r != nil {
		for name, v := range map[string]any{
			"service": r.Service, "id": r.ID, "name": r.Name, "image": string(r.Image), "commit": r.Commit, "dirty": r.Dirty,
		} {
			out[gateRelease+"."+name] = v
		}
	}
	return out
}

// look follows a path into the variables.
func look(vars map[string]any, path []string) (any, bool) {
	at, ok := vars[path[0]]
	rest := path[1:]
	if !ok && len(path) > 1 {
		at, ok = vars[path[0]+"."+path[1]]
		rest = path[2:]
	}
	for _, key := range rest {
		if !ok {
			return nil, false
		}
		switch m := at.(type) {
		case map[string]float64:
			at, ok = m[key]
		case map[string]string:
			at, ok = m[key]
		case map[string]map[string]float64:
			at, ok = m[key]
		default:
			return nil, false
		}
	}
	return at, ok
}

// shown is `run.actor = "ana", model.metrics.accuracy = 0.94 (model/digits:3)`.
func (f *GateFacts) shown(vars map[string]any, uses []gateUse) string {
	var out []string
	for _, u := range uses {
		v, ok := look(vars, u.parts())
		if !ok {
			continue
		}
		switch v.(type) {
		case string, bool, float64, int64:
			text := u.String() + " = " + show(v)
			if f.Model != nil && strings.HasPrefix(u.path, "model\x00metrics") {
				text += " (model/" + f.Model.Name + ":" + f.Model.Version + ")"
			}
			out = append(out, text)
		}
	}
	if len(out) > maxShown {
		out = append(out[:maxShown], fmt.Sprintf("… %d more", len(out)-maxShown))
	}
	return strings.Join(out, ", ")
}

// lacks says in words what is not there.
func (f *GateFacts) lacks(u gateUse) string {
	path := u.parts()
	var what string
	var have []string
	switch {
	case path[0] == gateRelease:
		return "no release holds an image of this run yet (" + u.String() + " is asked for)"
	case path[0] == gateModel && f.Model == nil:
		return "the run has made and used no model yet (" + u.String() + " is asked for)"
	case path[0] == gateModel && len(path) == 3:
		what = fmt.Sprintf("model/%s:%s has no metric %s", f.Model.Name, f.Model.Version, quote(path[2]))
		have = slices.Sorted(maps.Keys(f.Model.Metrics))
	case path[0] == gateModels && len(path) > 1 && f.Models[path[1]] == nil:
		what, have = "the run has made and used no model "+quote(path[1]), slices.Sorted(maps.Keys(f.Models))
	case path[0] == gateModels && len(path) == 3:
		what, have = "the model "+path[1]+" has no metric "+quote(path[2]), slices.Sorted(maps.Keys(f.Models[path[1]]))
	case path[0] == gateTests && len(path) == 2:
		what, have = "the run has no job "+quote(path[1]), slices.Sorted(maps.Keys(f.Tests))
	default:
		return "there is no " + u.String()
	}
	if near := cairn.Nearest(path[len(path)-1], have); near != "" {
		return what + ": did you mean " + near + "?"
	}
	if len(have) > maxShown {
		have = append(have[:maxShown:maxShown], "…")
	}
	if len(have) > 0 {
		what += "; there are " + strings.Join(have, ", ")
	}
	return what
}
