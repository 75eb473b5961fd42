package environment

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// azureOver has packages of azureml installed from wheels of Cairn's package.
type azureOver struct {
	file string // lines that lead from names to wheels
	said string
	// key tells the environment apart from one with the real packages, and from one of a
	// Cairn with another package: the name of the file carries both.
	key string
}

// azure looks for packages of azureml among lines of pip's; nil where there is none, and
// where the job leaves azureml alone.
func (h *Host) azure(c *runner.StepContext, reqs []string) (*azureOver, error) {
	if c.Env["CAIRN_AZURE"] == "original" {
		return nil, nil
	}
	file, said, err := python.AzureOverrides(filepath.Dir(h.Dir), reqs)
	if file == "" || err != nil {
		return nil, err
	}
	return &azureOver{file: file, said: said, key: "\n# azureml " + filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)}, nil
}

// bind has every pip below a program keep to the wheels.
func (o *azureOver) bind(environ []string) []string {
	const name = "PIP_CONSTRAINT="
	// pip takes several with spaces between them, so that a path with one has to be a URL.
	at := (&url.URL{Scheme: "file", Path: filepath.ToSlash(o.file)}).String()
	out, value := slices.Clone(environ), at
	out = slices.DeleteFunc(out, func(v string) bool {
		if old, ok := strings.CutPrefix(v, name); ok {
			value = strings.TrimSpace(old + " " + at)
			return true
		}
		return false
	})
	return append(out, name+value)
}
