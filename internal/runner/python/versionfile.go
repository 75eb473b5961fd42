package python

import (
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

var (
	requiresRE = regexp.MustCompile(`(?m)^\s*requires-python\s*=\s*["']([^"'\n]+)["']`)
	poetryRE   = regexp.MustCompile(`(?m)^\s*python\s*=\s*["']([^"'\n]+)["']`)
	pipfileRE  = regexp.MustCompile(`(?m)^\s*python_(?:full_)?version\s*=\s*["']([^"'\n]+)["']`)
	toolRE     = regexp.MustCompile(`(?m)^\s*python\s+(\S+)`)
)

// VersionFile takes the versions out of a file that python-version-file names:
// .python-version, pyproject.toml, Pipfile, .tool-versions, or a file that holds
// nothing but a version.
func VersionFile(name, text string) ([]string, error) {
	none := func() ([]string, error) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s names no Python version", name)
	}
	one := func(res ...*regexp.Regexp) ([]string, error) {
		for _, re := range res {
			if m := re.FindStringSubmatch(text); m != nil {
				return []string{strings.TrimPrefix(strings.TrimSpace(m[1]), "python-")}, nil
			}
		}
		return none()
	}
	switch {
	case strings.HasSuffix(name, ".toml"):
		return one(requiresRE, poetryRE)
	case name == "Pipfile":
		return one(pipfileRE)
	case name == ".tool-versions":
		return one(toolRE)
	}
	var out []string
	for _, l := range strings.Split(text, "\n") {
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, strings.TrimPrefix(l, "python-"))
		}
	}
	if len(out) == 0 || len(out) > 20 {
		return none()
	}
	// pyenv lists the preferred version first; setup-python takes the last as the default.
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, nil
}
