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

// The lock of an environment with wheels of Cairn's azureml is the same in every home, and has
// their hashes.
func TestLockAzure(t *testing.T) {
	t.Parallel()
	var locks []string
	for range 2 {
		home := t.TempDir()
		file, _, err := azureWheels(home, []string{"azureml-core==1.36.0"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		whl := filepath.Join(filepath.Dir(file), "azureml_core-1.36.0-py3-none-any.whl")
		info := filepath.Join(home, "venv", "lib", "python3.11", "site-packages", "azureml_core-1.36.0.dist-info")
		if err := os.MkdirAll(info, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(info, "METADATA"), "Name: azureml-core\nVersion: 1.36.0\n", 0o600)
		write(t, filepath.Join(info, "direct_url.json"), `{"url": "file://`+whl+`", "archive_info": {}}`, 0o600)
		tools := Tools{}
		l, err := tools.Lock(t.Context(), Venv{Dir: filepath.Join(home, "venv")}, Interpreter{})
		if err != nil || l.Props["hashed"] != "1" || strings.Contains(string(l.Text), home) {
			t.Fatalf("%v %v\n%s", err, l.Props, l.Text)
		}
		if !strings.Contains(string(l.Text), `wheels = [{ path = "azureml_core-1.36.0-py3-none-any.whl", size = `) {
			t.Errorf("%s", l.Text)
		}
		locks = append(locks, string(l.Text))
	}
	if locks[0] != locks[1] {
		t.Errorf("%s\n%s", locks[0], locks[1])
	}
	if standIn("file:///nowhere/azureml-wheels-x/a-1-py3-none-any.whl") != nil || standIn("https://e/azureml-wheels-x/a.whl") != nil {
		t.Error("what is not there has a hash")
	}
}
