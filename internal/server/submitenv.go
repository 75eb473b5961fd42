package server

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/plan"
)

// curated is a curated environment of the registry azureml.
func (s *Server) curated(name string) (cairn.TaskEnvironment, bool) {
	if name == hostEnvironment {
		env := cairn.TaskEnvironment{Name: name}
		env.Digest = plan.EnvironmentDigest(env)
		return env, true
	}
	return cairn.TaskEnvironment{}, false
}

func (s *Server) curatedNames() []string { return nil }

// mapped puts the Python of this machine in that somebody mapped an environment to.
func (s *Server) mapped(env cairn.TaskEnvironment) cairn.TaskEnvironment { return env }
