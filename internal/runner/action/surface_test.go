package action

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// TestSurfacesAsOriginals: every major version of every built-in action that is ours
// here has the inputs, defaults and outputs of the original.
func TestSurfacesAsOriginals(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/originals.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	name := ""
	for l := range strings.Lines(string(b)) {
		switch l = strings.TrimRight(l, "\n"); {
		case strings.HasPrefix(l, "#"), l == "":
		case strings.HasPrefix(l, "  "):
			want[name] += l + "\n"
		default:
			name = l
			want[name] = ""
		}
	}
	seen := 0
	for _, d := range definitions() {
		if d.surface == nil {
			continue
		}
		for _, v := range d.Versions {
			var got strings.Builder
			for _, f := range at(d.surface.inputs, v) {
				def := ""
				if f.def != "" {
					def = "=" + f.def
				}
				fmt.Fprintf(&got, "  in %s%s\n", f.name, def)
			}
			for _, f := range at(d.surface.outputs, v) {
				fmt.Fprintf(&got, "  out %s\n", f.name)
			}
			version := fmt.Sprintf("%s@v%d", d.Name, v)
			w, ok := want[version]
			if !ok {
				t.Errorf("%s is not in testdata/originals.txt", version)
			} else if got.String() != w {
				t.Errorf("%s:\n%s\nwant\n%s", version, got.String(), w)
			}
			seen++
		}
	}
	if seen != len(want) {
		t.Errorf("%d versions are built in, testdata/originals.txt has %d", seen, len(want))
	}
}

// silent is an action that remembers its inputs.
type silent struct{ got map[string]string }

func (s *silent) Run(_ context.Context, c *runner.StepContext) error {
	for k, v := range c.Inputs {
		s.got[k] = v
	}
	return nil
}

// TestInputWarnings: unknown and old inputs warn in the words of GitHub's runner;
// defaults are filled in.
func TestInputWarnings(t *testing.T) {
	t.Parallel()
	d := shown("actions/x", 3, &surface{
		inputs: join(since(1, "path=.", "token=${{ github.token }}", "clean"), between(1, 2, "version"), []field{{name: "old", from: 1, old: "use path"}}), fill: true,
	}, nil)
	s := &silent{got: map[string]string{}}
	c, log := step(t, nil, t.TempDir(), "clean", "true", "old", "1", "version", "2", "pth", "x")
	if err := (checked{d, 3, s}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Unexpected input(s) 'pth', 'version', valid inputs are ['clean', 'old', 'path', 'token'] (did you mean 'path'?)",
		"Input 'old' has been deprecated with message: use path",
	} {
		if !strings.Contains(log.String(), "Warning: "+want+"\n") {
			t.Errorf("%s", log)
		}
	}
	if len(c.Annotations) != 2 || s.got["path"] != "." || s.got["clean"] != "true" {
		t.Errorf("%v %v", c.Annotations, s.got)
	}
	if _, ok := s.got["token"]; ok {
		t.Error("an expression is no default here")
	}
}

// TestRetired: a version that GitHub refuses works, with a warning.
func TestRetired(t *testing.T) {
	t.Parallel()
	for uses, want := range map[string]bool{"actions/upload-artifact@v3": true, "actions/upload-artifact@v4": false, "actions/checkout@v1": false} {
		d, major, err := find(uses)
		if err != nil {
			t.Fatal(err)
		}
		if why := d.retired(major); (why != "") != want || want && !strings.Contains(why, "no longer works on GitHub") {
			t.Errorf("%s: %q", uses, why)
		}
	}
}

// TestFind: versions, branches and commits of what is built in, and what is said of
// what is not.
func TestFind(t *testing.T) {
	t.Parallel()
	for uses, want := range map[string]int{
		"actions/checkout@v1": 1, "Actions/Checkout@v4.2.2": 4, "actions/checkout@main": 7, "actions/checkout@master": 7,
		"actions/checkout@" + strings.Repeat("a", 40): 7, "actions/github-script@v9": 9, "actions/setup-node@v7.0.1": 7,
	} {
		if _, major, err := find(uses); err != nil || major != want {
			t.Errorf("%s: %d %v", uses, major, err)
		}
	}
	for uses, hint := range map[string]string{
		"actions/checkout@v99": "actions/checkout@v7", "actions/checkot@v4": "did you mean actions/checkout?", "actions/setup-go@v5": "go", "docker/bake-action@v5": "docker/build-push-action",
		"aws-actions/amazon-ecr-login@v2": "secrets", "someone/something@v1": "",
	} {
		_, _, err := find(uses)
		if cairn.CodeOf(err) != cairn.CodeUnsupported || !strings.Contains(cairn.AsError(err).Hint, hint) {
			t.Errorf("%s: %v %s", uses, err, cairn.AsError(err).Hint)
		}
	}
}
