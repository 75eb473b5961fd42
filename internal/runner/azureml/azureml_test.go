package azureml

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"": "1.60.0", "==1.36.0": "1.36.0", "== 1.36.0": "1.36.0", ">=1.20,<2": "1.60.0", "<=1.40": "1.40", "<1.40": "1.39.99", "~=1.36.0": "1.36.0",
		"~=1.36": "1.60.0", "==1.36.*": "1.36.0", ">1.60": "1.61", ">=1.70": "1.70", "!=1.60.0,>=1.5": "1.5",
	} {
		if got, err := versionFor(spec); err != nil || got != want {
			t.Errorf("%q: %s %v, want %s", spec, got, err, want)
		}
	}
	for _, bad := range []string{">=2,<1", "==1.0,==2.0", "==x"} {
		if got, err := versionFor(bad); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

func TestSatisfy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, err := Satisfy(dir, []string{"numpy", "azure-ai-ml", "azureml-mlflow==1.5", "-r other.txt", "# azureml-core"}); err != nil || got != nil {
		t.Fatalf("nothing of the SDK: %v %v", got, err)
	}
	got, err := Satisfy(dir, []string{"numpy", "AzureML_SDK[notebooks]==1.36.0  # the SDK", "azureml-defaults"})
	if err != nil || len(got) != len(standIns) || got[0].Version != "1.36.0" {
		t.Fatalf("%v %v", got, err)
	}
	first, err := os.ReadFile(got[0].Wheel)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Satisfy(t.TempDir(), []string{"azureml-core==1.36.0"})
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(again[0].Wheel); string(first) != string(second) {
		t.Error("a wheel is not the same each time")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	if exec.Command(python, "-m", "pip", "--version").Run() != nil {
		t.Skip("no pip")
	}
	to := filepath.Join(dir, "site")
	out, err := exec.Command(python, "-m", "pip", "install", "--no-index", "--no-compile", "--quiet", "--find-links", filepath.Dir(got[0].Wheel), "--target", to, "azureml-sdk[notebooks]==1.36.0").CombinedOutput()
	if err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	cmd := exec.Command(python, "-c", "from azureml.core import Workspace, Run; import azureml; print(azureml.__file__)")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+to, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), to) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ azure, old, want string }{
		{"", "", "/sdk"}, {"", "/mine", "/sdk:/mine"}, {"", "/sdk:/mine", "/sdk:/mine"}, {"original", "/mine", "/mine"},
	} {
		if got := First("/sdk", map[string]string{"CAIRN_AZURE": c.azure, "PYTHONPATH": c.old}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := Install(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Install(dir); err != nil || a != b {
		t.Errorf("%s %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(a, "azureml", "core", "run.py")); err != nil {
		t.Error(err)
	}
}

// BenchmarkImport is `import azureml.core` in a Python of its own, without its start: that
// of an empty program is taken off.
func BenchmarkImport(b *testing.B) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("no python3")
	}
	dir, err := Install(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for name, code := range map[string]string{"start": "pass", "start-and-import": "import azureml.core"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(python, "-c", code)
				cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}
