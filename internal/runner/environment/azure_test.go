package environment

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// A program of conda's kind gets wheels of Cairn's azureml, unless the job leaves azureml
// alone; the two are different environments.
func TestCondaAzure(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	h, c, log := host(t)
	h.Dir = filepath.Join(t.TempDir(), "a folder", "envs")
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"constraint:$PIP_CONSTRAINT:\"\nwhile [ \"$1\" != --prefix ]; do shift; done\nmkdir -p \"$2/bin\" && ln -s " + program + " \"$2/bin/python\"\n"
	if err := os.WriteFile(filepath.Join(bin, "micromamba"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h.Tools.Environ = append(h.Tools.Environ, "PATH="+bin+":"+os.Getenv("PATH"), "PIP_CONSTRAINT=mine.txt")
	env := cairn.TaskEnvironment{Name: "e", Conda: "dependencies: [{pip: ['azureml-defaults==1.36.0']}]"}
	for _, c.Env["CAIRN_AZURE"] = range []string{"", "original"} {
		if err := h.Prepare(context.Background(), c, env); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
	}
	got := log.String()
	file := "constraint:mine.txt file://" + strings.ReplaceAll(filepath.Dir(h.Dir), " ", "%20") + "/azureml/azureml-wheels-"
	if !strings.Contains(got, "azureml-core 1.36.0: Cairn's own package") || !strings.Contains(got, file) || !strings.Contains(got, "constraint:mine.txt:\n") || strings.Contains(got, "built already") {
		t.Error(got)
	}
	bad := cairn.TaskEnvironment{Name: "bad", Conda: "dependencies: [{pip: ['azureml-core>=2,<1']}]"}
	c.Env["CAIRN_AZURE"] = ""
	if err := h.Prepare(context.Background(), c, bad); cairn.CodeOf(err) != cairn.CodeInvalid || cairn.AsError(err).Hint == "" {
		t.Errorf("%v", err)
	}
}
