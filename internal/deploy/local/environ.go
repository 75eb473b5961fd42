package local

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

func lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// environment collects variables: a later one of the same name wins, and takes
// the place of the first.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
		return // no environment can hold it
	}
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) add(list []string) {
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok {
			e.set(name, value)
		}
	}
}

func (e *environment) list() []string {
	var out []string
	for _, n := range e.names {
		out = append(out, n+"="+e.values[n])
	}
	return out
}

// facts are what a service is told of itself.
func facts(e *environment, r deploy.TargetRequest) {
	for _, f := range []cairn.NamedText{
		{Name: "API_VERSION", Value: r.Facts.APIVersion},
		{Name: "MODEL_NAME", Value: r.Facts.ModelName},
		{Name: "MODEL_VERSION", Value: r.Facts.ModelVersion},
		{Name: "GIT_SHA", Value: r.Facts.Commit},
		{Name: "CAIRN_RELEASE", Value: r.Release.ID},
	} {
		if f.Value != "" {
			e.set(f.Name, f.Value)
		}
	}
}

// told is the environment of a service: where Cairn is, what the image says, what
// the service is, what the stage sets, the port; a later one wins.
func (t *Target) told(r deploy.TargetRequest, image []string, port string) *environment {
	var e environment
	if t.o.URL != nil {
		if url := t.o.URL(); url != "" {
			e.set("CAIRN_URL", url)
			e.set("MLFLOW_TRACKING_URI", url)
		}
	}
	e.add(image)
	own(&e, r, port)
	e.set(markVariable, t.markOf(r.Stage.ID))
	return &e
}

// own adds what does not come from the image.
func own(e *environment, r deploy.TargetRequest, port string) {
	facts(e, r)
	for _, v := range r.Config.Variables {
		e.set(v.Name, v.Value)
	}
	e.set("PORT", port)
}
