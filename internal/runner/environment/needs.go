package environment

import (
	"regexp"

	"github.com/cairn-ml/cairn"
)

// Needs is what an environment asks for, in the words of pip.
type Needs struct {
	Python       string // "3.11"; "" where it says none
	Requirements []string
	Notes        []string // what was left out, and why
}

var pythonMinor = regexp.MustCompile(`\d\.\d{1,2}`)

// NeedsOf reads them off a conda file, a curated environment or the name of an image. An
// image itself is nothing that pip could install.
func NeedsOf(env cairn.TaskEnvironment) (Needs, error) {
	n := Needs{Python: env.PythonVersion, Requirements: env.Packages}
	if n.Python == "" {
		n.Python = pythonOf(env.Image)
	}
	if env.Conda == "" {
		return n, nil
	}
	c, err := ParseConda(env.Conda)
	if err != nil {
		return n, err
	}
	reqs, notes, err := c.requirements()
	if err != nil {
		return n, err
	}
	if v := pythonMinor.FindString(c.Python); v != "" {
		n.Python = v
	}
	n.Requirements, n.Notes = append(n.Requirements, reqs...), notes
	return n, nil
}
