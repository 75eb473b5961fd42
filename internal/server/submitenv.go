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

// environmentsDir is where environments of tasks are built.
func environmentsDir(home string) string { return filepath.Join(home, "cache", "environments") }

// curated is a curated environment of the registry azureml.
func (s *Server) curated(name string) (cairn.TaskEnvironment, bool) {
	env, ok := cairn.TaskEnvironment{Name: name}, name == hostEnvironment
	if !ok {
		env, ok = environment.Curated(name)
	}
	env.Digest = plan.EnvironmentDigest(env)
	return env, ok
}

// environmentNeeds is what an environment asks for, in the words of pip.
func environmentNeeds(env cairn.TaskEnvironment) (python string, requirements, notes []string, err error) {
	n, err := environment.NeedsOf(env)
	return n.Python, n.Requirements, n.Notes, err
}

func (s *Server) curatedNames() []string { return environment.CuratedNames() }

// environmentMaps say where jobs of environments run, by the name of the environment in
// lower case.
type environmentMaps map[string]cairn.EnvironmentMap

func (s *Server) readMaps(ctx context.Context) (environmentMaps, error) {
	all, err := s.store.EnvironmentMaps(ctx, Workspace)
	out := environmentMaps{}
	for _, m := range all {
		out[strings.ToLower(m.Name)] = m
	}
	return out, err
}

// find is the line of a name, the narrowest first: a version, a name with or without what
// curated ones begin with, an image; else that of all environments.
func (m environmentMaps) find(names ...string) cairn.EnvironmentMap {
	for _, n := range names {
		n = strings.ToLower(n)
		bare := strings.TrimPrefix(n, "azureml-")
		for _, try := range []string{n, bare, "azureml-" + bare} {
			if line, ok := m[try]; n != "" && ok {
				return line
			}
		}
	}
	return m[cairn.AllEnvironments]
}

// python is the interpreter that a name is mapped to; "" is none.
func (m environmentMaps) python(names ...string) string { return m.find(names...).Python }

// put lets an environment run where its line says. One that is built from a Dockerfile can
// only run in a container; one without an image only on this machine.
func (m environmentMaps) put(env cairn.TaskEnvironment) cairn.TaskEnvironment {
	if env.Python != "" {
		return env
	}
	version := ""
	if env.Name != "" && env.Version != "" {
		version = env.Name + ":" + env.Version
	}
	line := m.find(version, env.Name, env.Image)
	if env.Conda != "" && line.Python != "" && !strings.EqualFold(line.Name, env.Name) && !strings.EqualFold(line.Name, version) {
		line = m.find(version, env.Name) // a Python for the image alone is not what it asks for
	}
	env.Python = line.Python
	env.Docker = env.Python == "" && (env.Build != nil || line.Where == cairn.MapDocker && env.Image != "")
	return env
}

// EnvironmentMaps lists what environments are mapped to.
func (s *Server) EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error) {
	return s.store.EnvironmentMaps(ctx, Workspace)
}

// MapEnvironment lets jobs of an environment run elsewhere than in what is built for it on
// this machine. A Python is given as its program, or as the folder of its environment.
func (s *Server) MapEnvironment(ctx context.Context, m cairn.EnvironmentMap) (*cairn.EnvironmentMap, error) {
	if m.Name = strings.TrimPrefix(m.Name, "azureml:"); m.Name == cairn.AllEnvironments && m.Where == cairn.MapPython {
		return nil, cairn.Errorf(cairn.CodeInvalid, "one Python does not stand for all environments").WithHint("name the environment, or an image")
	}
	switch {
	case m.Where == cairn.MapPython:
		python, err := interpreterAt(m.Python)
		if err != nil {
			return nil, err
		}
		m.Python = python
	case m.Where != cairn.MapDocker && m.Where != cairn.MapHost:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is nowhere that jobs run", clipText(m.Where, 50)).WithHint("python, docker or host")
	case m.Python != "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "a Python is given, and %s", m.Where)
	}
	m.By, m.CreatedAt = auth.Actor(ctx).Name, s.now().UTC()
	return &m, s.store.PutEnvironmentMap(ctx, Workspace, m, mapChange(m.By, m.Name, m))
}

// interpreterAt is the program of a Python.
func interpreterAt(python string) (string, error) {
	if !filepath.IsAbs(python) {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is not an absolute path", clipText(python, 200))
	}
	python = filepath.Clean(python)
	if fi, err := os.Stat(python); err == nil && fi.IsDir() {
		python = filepath.Join(python, "bin", "python")
	}
	fi, err := os.Stat(python)
	if err != nil || !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return "", cairn.Errorf(cairn.CodeNotFound, "there is no program at %s", python).
			WithHint("the path of a python on the server's machine, or of a venv or conda environment")
	}
	return python, nil
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
	if name == cairn.AllEnvironments {
		err = cairn.Errorf(cairn.CodeNotFound, "nothing is said of all environments")
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
