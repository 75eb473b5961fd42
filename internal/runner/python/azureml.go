package python

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn/internal/runner/azureml"
)

// azureWheels looks for packages of the retired SDK of Azure Machine Learning in what pip
// is asked for, and writes a file with a line for the wheel that stands in for each; ""
// where there is none. said is for the log.
func azureWheels(cache string, requirements []string) (file, said string, err error) {
	got, err := azureml.Satisfy(filepath.Join(cache, "azureml"), requirements)
	if err != nil || len(got) == 0 {
		return "", "", err
	}
	var b strings.Builder
	for _, s := range got {
		fmt.Fprintf(&b, "%s @ file://%s\n", s.Name, s.Wheel)
	}
	file = filepath.Join(filepath.Dir(got[0].Wheel), "overrides.txt")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return "", "", err
	}
	return file, fmt.Sprintf("azureml %s: Cairn's own package takes its place (azure: original in config.yaml leaves it alone)", got[0].Version), nil
}

// AzureOverrides are arguments for `uv pip install` that do the same for a list of
// requirements.
func AzureOverrides(cache string, requirements []string) (args []string, said string, err error) {
	file, said, err := azureWheels(cache, requirements)
	if file == "" || err != nil {
		return nil, "", err
	}
	return []string{"--overrides", file}, said, nil
}

const (
	maxRequirements = 10_000 // lines that are looked at
	maxNested       = 8      // files that name files
)

// asked are the requirements of a command line of pip's, with those of its files.
func asked(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case (a == "-r" || a == "--requirement" || a == "--requirements") && i+1 < len(args):
			i++
			out = readRequirements(out, args[i], 0)
		case strings.HasPrefix(a, "--requirement="):
			out = readRequirements(out, strings.TrimPrefix(a, "--requirement="), 0)
		case strings.HasPrefix(a, "-r") && len(a) > 2 && a[1] == 'r':
			out = readRequirements(out, a[2:], 0)
		case !strings.HasPrefix(a, "-"):
			out = append(out, a)
		}
	}
	return out
}

// readRequirements reads a file; one that cannot be read is pip's to complain of.
func readRequirements(out []string, name string, depth int) []string {
	if depth > maxNested {
		return out
	}
	f, err := os.Open(name)
	if err != nil {
		return out
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() && len(out) < maxRequirements {
		line := strings.TrimSpace(lines.Text())
		for _, flag := range []string{"-r ", "--requirement ", "--requirement="} {
			if rest, ok := strings.CutPrefix(line, flag); ok {
				out = readRequirements(out, filepath.Join(filepath.Dir(name), strings.TrimSpace(rest)), depth+1)
			}
		}
		if line != "" && line[0] != '-' && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}
