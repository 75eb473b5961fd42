package az

import "testing"

func TestDockerfileValues(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a/b.py": `ENV N="/a/b.py"`, "a b": `ENV N="a b"`, `x"y`: `ENV N="x\"y"`, "$HOME": `ENV N="\$HOME"`, `a\b`: `ENV N="a\\b"`,
	} {
		if got := environ("N", in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for name, ok := range map[string]bool{"score": true, "a.b-c_1": true, "a b": false, "-x": false, "a\nUSER root": false, "": false, "..": false} {
		if plainName.MatchString(name) != ok {
			t.Errorf("%q", name)
		}
	}
}

func TestServicePackages(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]bool{
		"azureml-defaults": true, "azureml-defaults==1.36.0": true, "azureml_core": true, "azureml-inference-server-http~=0.8": true,
		"azureml-mlflow": false, "azure-ai-ml": false, "numpy": false, "azureml-corex": false,
	} {
		if ofTheService.MatchString(name) != left {
			t.Errorf("%s", name)
		}
	}
}
