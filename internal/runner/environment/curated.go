package environment

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// curated is an environment that Azure Machine Learning offers, by what scripts find in it.
type curated struct {
	match    *regexp.Regexp
	name     string // for lists
	python   string
	packages []string
}

// table is the mapping of curated environments to packages of PyPI. A version in a name
// takes the place of {v}.
func table() []curated {
	re := func(s string) *regexp.Regexp { return regexp.MustCompile(`(?i)^(?:azureml-)?` + s + `$`) }
	common := []string{"mlflow-skinny", "numpy", "pandas", "matplotlib"}
	with := func(ps ...string) []string { return append(slices.Clone(common), ps...) }
	return []curated{
		{re(`sklearn-(\d+\.\d+)(?:-ubuntu[\d.]+-py[\d.]+-cpu)?`), "sklearn-1.5", "", with("scikit-learn=={v}.*", "joblib", "scipy")},
		{re(`lightgbm-(\d+\.\d+)(?:-.*)?`), "lightgbm-3.3", "", with("lightgbm", "scikit-learn", "joblib")},
		{re(`xgboost-(\d+\.\d+)(?:-.*)?`), "xgboost-1.7", "", with("xgboost", "scikit-learn", "joblib")},
		{re(`tensorflow-(\d+\.\d+)(?:-.*)?`), "tensorflow-2.16-cuda12", "", with("tensorflow-cpu=={v}.*")},
		{re(`pytorch-(\d+\.\d+)(?:-.*)?`), "pytorch-1.13-ubuntu20.04-py38-cuda11-gpu", "", with("torch=={v}.*", "torchvision")},
		{re(`acpt-pytorch-(\d+\.\d+)(?:-.*)?`), "acpt-pytorch-2.2-cuda12.1", "", with("torch=={v}.*", "torchvision", "transformers", "datasets", "accelerate")},
		{re(`acft-(?:hf-nlp-gpu|transformers-image-gpu|.*)()`), "acft-hf-nlp-gpu", "", with("torch", "transformers", "datasets", "accelerate")},
		{re(`(?:minimal-ubuntu[\d.]+-py([\d.]+)-(?:cpu|cuda.*)|minimal.*)`), "minimal-ubuntu22.04-py39-cpu-inference", "", []string{"mlflow-skinny"}},
		{re(`(?:python-sdk-v2|azureml-.*sdk.*|designer.*)()`), "python-sdk-v2", "", with("scikit-learn", "joblib")},
		{re(`ai-ml-automl(?:-.*)?()`), "ai-ml-automl", "", with("scikit-learn", "lightgbm", "joblib")},
		{re(`responsibleai(?:-.*)?()`), "responsibleai-ubuntu20.04-py38-cpu", "", with("scikit-learn", "responsibleai")},
	}
}

var pythonInName = regexp.MustCompile(`(?i)(?:^|[-_.:/])py(?:thon)?[-_]?(\d)\.?(\d{1,2})(?:[-_.]|$)`)

// Curated finds a curated environment by its name, with or without AzureML- before it.
func Curated(name string) (cairn.TaskEnvironment, bool) {
	for _, c := range table() {
		m := c.match.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		env := cairn.TaskEnvironment{Name: name, PythonVersion: pythonOf(name)}
		for _, p := range c.packages {
			if len(m) > 1 && m[1] != "" {
				p = strings.ReplaceAll(p, "{v}", m[1])
			}
			p, _, _ = strings.Cut(p, "=={v}")
			env.Packages = append(env.Packages, p)
		}
		return env, true
	}
	return cairn.TaskEnvironment{}, false
}

// CuratedNames are examples of the curated environments that are known.
func CuratedNames() []string {
	var out []string
	for _, c := range table() {
		out = append(out, c.name)
	}
	return out
}

// pythonOf is the version of Python that the name of an image or environment says; "" where
// it says none.
func pythonOf(name string) string {
	if m := pythonInName.FindStringSubmatch(name); m != nil {
		return m[1] + "." + m[2]
	}
	// python:3.10-slim
	base := name[strings.LastIndexByte(name, '/')+1:]
	if v, ok := strings.CutPrefix(base, "python:"); ok {
		if m := regexp.MustCompile(`^(\d\.\d{1,2})`).FindString(v); m != "" {
			return m
		}
	}
	return ""
}
