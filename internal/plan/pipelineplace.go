package plan

import (
	"path"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

var placeBinding = regexp.MustCompile(`^\$\{\{\s*parent\.inputs\.([A-Za-z0-9_]+)\s*\}\}$`)

// placeWithin is the place of a node: its own, else that of the pipeline around.
func placeWithin(j *pipeline.Job, sc *scope) string {
	if j.Compute.Value == "" {
		return sc.place
	}
	return placeName(j.Compute.Value, sc)
}

// placeName is the name of a compute in a file: azureml:NAME, the id that Azure gives it, or
// what an input of the pipeline around says. What is this machine itself (local), or has no
// name (serverless), is no place; nor is one that another job computes: nobody knows it when
// the order of jobs is planned.
func placeName(text string, sc *scope) string {
	text = strings.TrimSpace(text)
	if m := placeBinding.FindStringSubmatch(text); m != nil {
		in := sc.inputs[m[1]]
		if in.unset || in.value.Kind == cairn.TemplateExpr {
			return ""
		}
		text = strings.TrimSpace(in.value.Text)
	}
	text = strings.TrimPrefix(text, "azureml:")
	if strings.HasPrefix(text, "/") {
		text = path.Base(text)
	}
	text, _, _ = strings.Cut(text, ":")
	switch strings.ToLower(text) {
	case "local", "serverless":
		return ""
	}
	if strings.Contains(text, "{") {
		return ""
	}
	return text
}
