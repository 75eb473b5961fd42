package server

import (
	"encoding/json"

	"github.com/cairn-ml/cairn"
)

// environmentDigest names what an environment holds, without what it is called.
func environmentDigest(env *cairn.TaskEnvironment) cairn.Digest {
	e := *env
	e.Name, e.Version, e.Ref, e.Digest = "", "", "", ""
	if e.Build != nil {
		e.Build = &cairn.DataValue{Type: e.Build.Type, Digest: e.Build.Digest}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return "" // plain fields always encode
	}
	return cairn.SumBytes(b)
}

// curated is a curated environment of the registry azureml.
func (s *Server) curated(name string) (cairn.TaskEnvironment, bool) {
	if name == hostEnvironment {
		env := cairn.TaskEnvironment{Name: name}
		env.Digest = environmentDigest(&env)
		return env, true
	}
	return cairn.TaskEnvironment{}, false
}

func (s *Server) curatedNames() []string { return nil }

// mapped puts the Python of this machine in that somebody mapped an environment to.
func (s *Server) mapped(env cairn.TaskEnvironment) cairn.TaskEnvironment { return env }
