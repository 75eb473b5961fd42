package azureml

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"": "1.60.0", "==1.36.0": "1.36.0", "== 1.36.0": "1.36.0", ">=1.20,<2": "1.60.0", "<=1.40": "1.40", "<1.40": "1.39.99", "~=1.36.0": "1.36.0",
		"~=1.36": "1.60.0", "==1.36.*": "1.36.0", ">1.60": "1.61", ">=1.70": "1.70", "!=1.60.0,>=1.5": "1.5",
	} {
		if got, err := versionFor(spec, newest); err != nil || got != want {
			t.Errorf("%q: %s %v, want %s", spec, got, err, want)
		}
	}
	for _, bad := range []string{">=2,<1", "==1.0,==2.0", "==x"} {
		if got, err := versionFor(bad, newest); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

func TestSatisfy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, err := Satisfy(dir, []string{"numpy", "azure-ai-ml", "azureml-mlflow==1.5", "-r other.txt", "# azureml-core"}, []string{"azureml-core==1.0"}); err != nil || got != nil {
		t.Fatalf("nothing of the SDK: %v %v", got, err)
	}
	got, err := Satisfy(dir, []string{"numpy", "AzureML_SDK[notebooks]==1.36.0  # the SDK", "azureml-defaults"}, nil)
	if err != nil || len(got) != len(standIns()) || got[0].Version != "1.36.0" {
		t.Fatalf("%v %v", got, err)
	}
	first, err := os.ReadFile(got[0].Wheel)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Satisfy(t.TempDir(), []string{"azureml-core==1.36.0"}, nil)
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

// Each distribution has the version that is asked of it; those that count for themselves
// say nothing of the others.
func TestVersionsOfEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lines, core, sdk, dataprep string }{
		{"azureml-core", "1.60.0", "1.60.0", "5.1.0"},
		{"azureml-core==1.36.0|azureml-dataprep==2.22.2", "1.36.0", "1.36.0", "2.22.2"},
		{"azureml-dataprep==2.22.2|azureml-inference-server-http==0.7.0", "1.60.0", "1.60.0", "2.22.2"},
		{"azureml-core==1.36.0.post2|azureml-sdk==1.36.0", "1.36.0.post2", "1.36.0", "5.1.0"},
		{"azureml-sdk>=1.20,<2|azureml-core<=1.40.0", "1.40.0", "1.40.0", "5.1.0"},
		{"azureml-core==1.36.0 --hash=sha256:00ff|azureml_sdk (==1.36.0)", "1.36.0", "1.36.0", "5.1.0"},
		{`azureml-core==1.20.0; python_version < "3.8"|azureml-core==1.48.0; python_version >= "3.8"`, "1.48.0", "1.48.0", "5.1.0"},
		{"AzureML.Widgets~=1.36.0 # shows runs", "1.36.0", "1.36.0", "5.1.0"},
	} {
		got, err := versions(asks(strings.Split(c.lines, "|")))
		if err != nil || got[core] != c.core || got["azureml-sdk"] != c.sdk || got["azureml-dataprep"] != c.dataprep {
			t.Errorf("%s: %v %v", c.lines, got, err)
		}
	}
	for lines, want := range map[string]string{
		"azureml-core==1.30.0|azureml-sdk==1.36.0": "azureml-core==1.30.0, azureml-sdk==1.36.0: no version is ==1.30.0,==1.36.0",
		"azureml-core>=2,<1":                       "no version is >=2,<1",
		"azureml-core==latest":                     `"==latest" asks for no version that is known here`,
	} {
		_, err := versions(asks(strings.Split(lines, "|")))
		if e := cairn.AsError(err); err == nil || e.Code != cairn.CodeInvalid || !strings.Contains(e.Message, want) || e.Hint == "" {
			t.Errorf("%s: %+v", lines, err)
		}
	}
	if got := asks([]string{"azureml-core @ https://example.com/a.whl", "azureml-mlflow==1.5", "azureml-inference-server-http", "azureml"}); got != nil {
		t.Errorf("%v", got)
	}
}

// Jobs that ask for other versions at the same time do not change each other's files.
func TestLines(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a folder#1")
	var files []string
	for _, line := range []string{"azureml-core==1.36.0", "azureml-core==1.40.0", "azureml-core==1.36.0"} {
		got, err := Satisfy(dir, []string{line}, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Lines(got, nil)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if files[0] == files[1] || files[0] != files[2] {
		t.Errorf("%v", files)
	}
	got, err := Satisfy(dir, []string{"azureml-core==1.36.0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	held, err := Lines(got, map[string]string{core: "1.36.0", "azureml-sdk": "1.30.0"})
	if err != nil || held == files[0] {
		t.Fatalf("%s %v", held, err)
	}
	if text, err := os.ReadFile(held); err != nil || !strings.HasPrefix(string(text), "azureml-core==1.36.0\nazureml-sdk @ file:///") {
		t.Errorf("%s %v", text, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "azureml-core @ file:///") || !strings.Contains(string(text), "/a%20folder%231/") {
		t.Errorf("%s %v", text, err)
	}
}

func TestWheels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got, err := Wheels(dir, "1.36.0")
	if err != nil || len(got) != len(standIns()) || got[0].Wheel != filepath.Join(dir, "azureml_core-1.36.0-py3-none-any.whl") {
		t.Fatalf("%v %v", got, err)
	}
	for _, bad := range []string{"1.36.0,1.37", "latest", ">=1", "1.*"} {
		if _, err := Wheels(dir, bad); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
	z, err := zip.OpenReader(got[0].Wheel)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	held := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		held[f.Name] = string(b)
	}
	for line := range strings.Lines(held["azureml_core-1.36.0.dist-info/RECORD"]) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if strings.HasSuffix(f[0], "/RECORD") {
			continue
		}
		sum := sha256.Sum256([]byte(held[f[0]]))
		if want := "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]); f[1] != want || f[2] != strconv.Itoa(len(held[f[0]])) {
			t.Errorf("%s: %v", f[0], f)
		}
		delete(held, f[0])
	}
	if len(held) != 1 {
		t.Errorf("not in RECORD: %d files", len(held)-1)
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
