package deploy

import "github.com/cairn-ml/cairn"

// What the tests look at inside.
var (
	FactsOf  = factsOf
	LastGood = lastGood
)

// Followed counts the deployments whose events are kept.
func (s *Service) Followed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.progress)
}

// Look does what following a deployment does first.
func (s *Service) Look(id cairn.DeploymentID) { s.progressOf(id) }
