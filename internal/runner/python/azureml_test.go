package python

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What pip is asked for is found in arguments of every form, and in files that name others.
func TestAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "r.txt"), "\ufeffnumpy\n-r sub/more.txt # these too\n--constraint=bounds.txt\n--index-url https://e/\nazureml-core \\\n  ==1.36.0\n", 0o600)
	write(t, filepath.Join(dir, "bounds.txt"), "pandas<3\n", 0o600)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sub", "more.txt"), "scipy\n-r ../r.txt\n", 0o600) // around in a circle
	r, c := filepath.Join(dir, "r.txt"), filepath.Join(dir, "bounds.txt")
	for _, x := range []struct {
		args         string
		wants, bound string
	}{
		{"azureml-core numpy", "azureml-core numpy", ""},
		{"-i https://azureml-core/ -t azureml-core x", "x", ""},
		{"-q -- azureml-sdk", "azureml-sdk", ""},
		{"-Ur " + r, "numpy scipy azureml-core  ==1.36.0", "pandas<3"},
		{"-r" + r, "numpy scipy azureml-core  ==1.36.0", "pandas<3"},
		{"--requirement=" + r, "numpy scipy azureml-core  ==1.36.0", "pandas<3"},
		{"x -c " + c, "x", "pandas<3"},
		{"-r /nowhere/r.txt x", "x", ""},
		{"-r", "", ""},
	} {
		reqs, bounds := asked(strings.Fields(x.args))
		slices.Sort(reqs)
		reqs, bounds = slices.Compact(reqs), slices.Compact(bounds)
		want := strings.Split(x.wants, " ")
		if strings.Contains(x.wants, "==") {
			want = []string{"azureml-core  ==1.36.0", "numpy", "scipy"}
		}
		if strings.Join(reqs, "|") != strings.Join(want, "|") || strings.Join(bounds, "|") != x.bound {
			t.Errorf("%s: %q %q", x.args, reqs, bounds)
		}
	}
}

func TestAzureWheels(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	if file, said, err := azureWheels(cache, []string{"numpy"}, []string{"azureml-core==1.36.0"}, nil); file+said != "" || err != nil {
		t.Errorf("others: %s %s %v", file, said, err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) != 0 {
		t.Errorf("others leave %v %v", left, err)
	}
	file, said, err := azureWheels(cache, []string{"azureml-sdk[notebooks]"}, []string{"azureml-core==1.36.0"}, nil)
	if err != nil || said != "azureml-core 1.36.0: Cairn's own package in its place (azure: original in config.yaml leaves it alone)" {
		t.Errorf("%s %v", said, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "azureml_sdk-1.36.0-py3-none-any.whl\n") {
		t.Errorf("%s %v", text, err)
	}
}
