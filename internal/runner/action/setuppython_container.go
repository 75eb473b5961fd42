package action

import (
	"bytes"
	"context"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// whichPython prints where a Python of the container is, and its version.
const whichPython = "import sys; print(sys.executable); print('%d.%d.%d' % sys.version_info[:3])"

// inContainer takes a Python that the job's container has: those of this machine are
// not there, and would find other libraries.
func (a *setupPython) inContainer(ctx context.Context, c *runner.StepContext) error {
	texts, err := a.wanted(c)
	if err != nil {
		return err
	}
	spec, err := python.ParseSpec(texts[len(texts)-1])
	if err != nil {
		return err
	}
	var seen []string
	for _, name := range pythonNames(texts[len(texts)-1]) {
		where, v, ok := askPython(ctx, c, name)
		if !ok {
			continue
		}
		if !spec.Match(v) {
			seen = append(seen, v.String())
			continue
		}
		c.Logf("Python %s of the container: %s", v, where)
		c.SetOutput("python-version", v.String())
		if a.major >= 4 {
			c.SetOutput("python-path", where)
		}
		root := path.Dir(path.Dir(where))
		for _, n := range []string{"pythonLocation", "Python_ROOT_DIR", "Python3_ROOT_DIR"} {
			c.SetEnv(n, root)
		}
		return addMatchers(ctx, c, "python.json", pythonMatchers)
	}
	e := cairn.Errorf(cairn.CodeUnsupported, "the job's container has no Python %s", texts[len(texts)-1])
	if len(seen) > 0 {
		e = cairn.Errorf(cairn.CodeUnsupported, "the job's container has Python %s, not %s", strings.Join(seen, " and "), texts[len(texts)-1])
	}
	return e.WithHint("use an image with it, such as python:3.12, or run the job without container: Pythons of this machine are not lent to containers")
}

// pythonNames are the programs to ask.
func pythonNames(text string) []string {
	names := []string{"python3", "python"}
	if v, ok := python.ParseVersion(text); ok {
		names = append([]string{"python" + strings.Join(strings.SplitN(v.String(), ".", 3)[:2], ".")}, names...)
	}
	return names
}

func askPython(ctx context.Context, c *runner.StepContext, name string) (where string, v python.Version, ok bool) {
	var out, ignored bytes.Buffer
	code, err := c.Exec(ctx, runner.Process{Args: []string{name, "-c", whichPython}, Stdout: &out, Stderr: &ignored})
	if err != nil || code != 0 {
		return "", python.Version{}, false
	}
	where, version, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	v, ok = python.ParseVersion(strings.TrimSpace(version))
	return where, v, ok && path.IsAbs(where)
}
