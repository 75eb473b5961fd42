package action

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// Deps is what the actions reach besides the context of their step.
type Deps struct {
	// Checkout makes dir a work tree of the job's code.
	Checkout func(ctx context.Context, code cairn.CodeRef, dir string, o CheckoutOptions) (cairn.Commit, error)
	// Other finds another repository of the same Cairn; CodeNotFound where it has none
	// of that name. nil: there are no others.
	Other func(code cairn.CodeRef, name string) (cairn.CodeRef, error)
	// Build makes an image and records it; srv is the step's server.
	Build func(ctx context.Context, srv runner.Server, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error)
	// Tools are the Pythons of this machine; Log and, per step, Environ are set here.
	Tools python.Tools
}

// Registry finds actions. It keeps no state of its own.
type Registry struct{ deps Deps }

// New returns the registry of everything that is built in.
func New(d Deps) *Registry { return &Registry{deps: d} }

// Info describes one action for lists: of what can be met, and of help.
type Info struct {
	Name string // actions/checkout
	// Versions are the major versions whose behaviour is built in.
	Versions []int
	Inputs   []string
}

// definition is one built-in action.
type definition struct {
	Info
	make func(d Deps, major int) runner.Action
	// surface says more of its inputs and outputs; nil: all versions have all inputs.
	surface *surface
}

func definitions() []definition {
	all := []definition{
		shown("actions/checkout", 7, checkoutSurface(), newCheckout),
		shown("actions/github-script", 9, githubScriptSurface(), func(d Deps, major int) runner.Action { return &githubScript{d, major} }),
		shown("actions/setup-node", 7, setupNodeSurface(), func(d Deps, major int) runner.Action { return &setupNode{d, major} }),
		shown("actions/setup-python", 7, setupPythonSurface(), func(d Deps, major int) runner.Action { return &setupPython{d, major} }),
		shown("azure/CLI", 2, azureCLISurface(), func(_ Deps, major int) runner.Action { return &azureCLI{major} }),
		shown("azure/login", 3, azureSurface(), func(_ Deps, major int) runner.Action { return &azureLogin{major} }),
		shown("azure/docker-login", 2, azureLoginSurface(), func(Deps, int) runner.Action { return &login{azure: true} }),
		shown("docker/build-push-action", 7, buildPushSurface(), func(d Deps, major int) runner.Action { return &buildPush{d, major} }),
		shown("docker/login-action", 4, loginSurface(), func(Deps, int) runner.Action { return &login{} }),
		shown("docker/metadata-action", 6, metadataSurface(), func(_ Deps, major int) runner.Action { return &metadata{major} }),
		shown("docker/setup-buildx-action", 4, buildxSurface(), func(Deps, int) runner.Action { return setupBuildx{} }),
		shown("docker/setup-qemu-action", 4, qemuSurface(), func(Deps, int) runner.Action { return setupQEMU{} }),
	}
	all = append(all, keeping()...)
	slices.SortFunc(all, func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// shown is an action with the versions 1 to newest.
func shown(name string, newest int, s *surface, make func(d Deps, major int) runner.Action) definition {
	d := definition{Info: Info{Name: name, Inputs: fieldNames(s.inputs)}, make: make, surface: s}
	for v := range newest {
		d.Versions = append(d.Versions, v+1)
	}
	return d
}

// Names lists what is built in, by name.
func Names() []Info {
	var out []Info
	for _, d := range definitions() {
		out = append(out, d.Info)
	}
	return out
}

var (
	usesRE  = regexp.MustCompile(`^([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)+)@(\S+)$`)
	majorRE = regexp.MustCompile(`^v(\d{1,3})(?:\.\d+){0,2}$`)
	shaRE   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Action returns the action for a `uses` value, or an error that says what
// there is. A commit id or a branch instead of a version means the newest.
func (r *Registry) Action(uses string) (runner.Action, error) {
	d, major, err := find(uses)
	if err != nil {
		return nil, err
	}
	a := checked{d, major, d.make(r.deps, major)}
	if p, ok := a.Action.(runner.PostAction); ok {
		return checkedPost{a, p}, nil
	}
	return a, nil
}

// Supported reports why an action cannot be met, or nil.
func Supported(uses string) error {
	_, _, err := find(uses)
	return err
}

func find(uses string) (definition, int, error) {
	m := usesRE.FindStringSubmatch(strings.TrimSpace(uses))
	if m == nil {
		return definition{}, 0, cairn.Errorf(cairn.CodeUnsupported, "%s is not the name of a built-in action", uses).
			WithHint("built in are %s", list())
	}
	name, ref := m[1], m[2]
	var known []string
	for _, d := range definitions() {
		known = append(known, d.Name)
		if !strings.EqualFold(d.Name, name) {
			continue
		}
		newest := d.Versions[len(d.Versions)-1]
		switch v := majorRE.FindStringSubmatch(ref); {
		case v != nil:
			n, _ := strconv.Atoi(v[1])
			if !slices.Contains(d.Versions, n) {
				return d, 0, cairn.Errorf(cairn.CodeUnsupported, "%s: version %s is not built in", uses, ref).
					WithHint("built in are %s", versions(d.Info))
			}
			return d, n, nil
		case shaRE.MatchString(ref), ref == "main", ref == "master":
			return d, newest, nil
		default:
			return d, 0, cairn.Errorf(cairn.CodeUnsupported, "%s: %q is neither a version nor a commit", uses, ref).
				WithHint("built in are %s", versions(d.Info))
		}
	}
	e := cairn.Errorf(cairn.CodeUnsupported, "%s is not built in", uses)
	if more := Instead(name); more != "" {
		return definition{}, 0, e.WithHint("%s", more)
	}
	if near := cairn.Nearest(name, known); near != "" {
		return definition{}, 0, e.WithHint("did you mean %s? Built in are %s", near, list())
	}
	return definition{}, 0, e.WithHint("built in are %s; what it does can often be written as a run step", list())
}

func list() string {
	var out []string
	for _, i := range Names() {
		out = append(out, i.Name)
	}
	return strings.Join(out, ", ")
}

func versions(i Info) string {
	var out []string
	for _, v := range i.Versions {
		out = append(out, fmt.Sprintf("%s@v%d", i.Name, v))
	}
	return strings.Join(out, ", ")
}

// checkedPost is a checked action with something to do at the end of the job.
type checkedPost struct {
	checked
	post runner.PostAction
}

// Post does it.
func (a checkedPost) Post(ctx context.Context, c *runner.StepContext) error {
	return a.post.Post(ctx, c)
}

// PostIf is the condition of it.
func (a checkedPost) PostIf() string {
	if p, ok := a.post.(runner.PostCondition); ok {
		return p.PostIf()
	}
	return "always()"
}

// boolInput reads a boolean as the toolkit does (YAML 1.2 core schema).
func boolInput(c *runner.StepContext, name string, def bool) (bool, error) {
	switch v := c.Input(name); v {
	case "":
		return def, nil
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	default:
		return false, cairn.Errorf(cairn.CodeInvalid, "input '%s' is %q", name, v).WithHint("allowed are true and false")
	}
}

// intInput reads a whole number.
func intInput(c *runner.StepContext, name string, def int) (int, error) {
	v := c.Input(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "input '%s' is %q", name, v).WithHint("allowed are whole numbers from 0")
	}
	return n, nil
}

// lines splits an input of several lines, without the empty ones.
func lines(s string) []string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
