package action

import (
	"regexp"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// FuzzDockerTags feeds what a workflow may hold to everything that reads it.
func FuzzDockerTags(f *testing.F) {
	for _, s := range []string{
		"type=semver,pattern={{version}}", `type=match,"pattern=/v(\d)/i",group=1`, "type=raw,value={{date 'YYYY' tz='UTC'}}",
		"latest=auto\nprefix=a,onlatest=true", "name=ghcr.io/a/b,enable=true", "manifest:a=b", "\"multi=a\nb\"", "v1.2.3-rc.1+x", "1!2.0rc1.post2.dev3",
	} {
		f.Add(s)
	}
	tag := regexp.MustCompile(`^[a-zA-Z0-9._-]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		rules, err := parseTags(s)
		if err == nil {
			for i := range rules {
				m := &meta{git: gitFacts{Ref: "refs/tags/" + s, SHA: s}, c: newStep(), now: time.Unix(0, 0), flavor: flavor{latest: "auto"}}
				_ = m.apply(&rules[i])
				for _, n := range append(m.partial, m.main) {
					if !tag.MatchString(n) {
						t.Errorf("%q makes the tag %q", s, n)
					}
				}
			}
		}
		_, _ = parseFlavor(s)
		_, _ = parseImages(s, 5)
		_, _ = renderTemplate(s, map[string]helper{"date": dated(time.Unix(0, 0))})
		_, _ = annotationsOf(lines(s))
		_ = secretLines(s)
		_, _ = registryHost(s)
		if v, ok := parseSemver(s); ok && v.version == "" {
			t.Errorf("%q: no version", s)
		}
		_, _ = parsePep440(s)
	})
}

func newStep() *runner.StepContext { return &runner.StepContext{Spec: &cairn.JobSpec{}} }
