package server

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/runner/environment"
)

// curated is a curated environment of the registry azureml.
func (s *Server) curated(name string) (cairn.TaskEnvironment, bool) {
	env, ok := cairn.TaskEnvironment{Name: name}, name == hostEnvironment
	if !ok {
		env, ok = environment.Curated(name)
	}
	env.Digest = plan.EnvironmentDigest(env)
	return env, ok
}

func (s *Server) curatedNames() []string { return environment.CuratedNames() }

// environmentMaps are the Pythons of this machine that environments are mapped to, by
// the name of the environment in lower case.
type environmentMaps map[string]string

func (s *Server) readMaps(ctx context.Context) (environmentMaps, error) {
	all, err := s.store.EnvironmentMaps(ctx, Workspace)
	out := environmentMaps{}
	for _, m := range all {
		out[strings.ToLower(m.Name)] = m.Python
	}
	return out, err
}

// python finds the mapping of a name, the narrowest first: a version, a name with or
// without what curated ones begin with, an image.
func (m environmentMaps) python(names ...string) string {
	for _, n := range names {
		n = strings.ToLower(n)
		bare := strings.TrimPrefix(n, "azureml-")
		for _, try := range []string{n, bare, "azureml-" + bare} {
			if p := m[try]; n != "" && p != "" {
				return p
			}
		}
	}
	return ""
}

// put lets an environment run with the Python that it is mapped to.
func (m environmentMaps) put(env cairn.TaskEnvironment) cairn.TaskEnvironment {
	if env.Python != "" || len(m) == 0 {
		return env
	}
	version := ""
	if env.Name != "" && env.Version != "" {
		version = env.Name + ":" + env.Version
	}
	image := env.Image
	if env.Conda != "" {
		image = "" // the image alone is not what it asks for
	}
	env.Python = m.python(version, env.Name, image)
	return env
}

// EnvironmentMaps lists what environments are mapped to.
func (s *Server) EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error) {
	return s.store.EnvironmentMaps(ctx, Workspace)
}

// MapEnvironment lets jobs of an environment run with a Python of this machine: given
// as its program, or as the folder of its environment.
func (s *Server) MapEnvironment(ctx context.Context, name, python string) (*cairn.EnvironmentMap, error) {
	if !filepath.IsAbs(python) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an absolute path", clipText(python, 200))
	}
	python = filepath.Clean(python)
	if fi, err := os.Stat(python); err == nil && fi.IsDir() {
		python = filepath.Join(python, "bin", "python")
	}
	fi, err := os.Stat(python)
	if err != nil || !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no program at %s", python).
			WithHint("the path of a python on the server's machine, or of a venv or conda environment")
	}
	m := cairn.EnvironmentMap{Name: strings.TrimPrefix(name, "azureml:"), Python: python, By: auth.Actor(ctx).Name, CreatedAt: s.now().UTC()}
	return &m, s.store.PutEnvironmentMap(ctx, Workspace, m, mapChange(m.By, m.Name, m))
}

// UnmapEnvironment ends that.
func (s *Server) UnmapEnvironment(ctx context.Context, name string) error {
	err := s.store.DeleteEnvironmentMap(ctx, Workspace, strings.TrimPrefix(name, "azureml:"), mapChange(auth.Actor(ctx).Name, name, nil))
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	all, lerr := s.store.EnvironmentMaps(ctx, Workspace)
	if lerr != nil {
		return lerr
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	return cairn.AsError(err).WithHint("mapped are %s", cmpOr(firstOf(names), "none"))
}

func mapChange(by, name string, row any) cairn.Change {
	b, err := json.Marshal(row)
	if err != nil {
		b = nil // plain fields always encode
	}
	return cairn.Change{By: by, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef("environment-map", name), Data: b}}}
}
