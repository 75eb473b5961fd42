package server

import (
	"github.com/cairn-ml/cairn"
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

// mapped puts the Python of this machine in that somebody mapped an environment to.
func (s *Server) mapped(env cairn.TaskEnvironment) cairn.TaskEnvironment { return env }
