package runner

import (
	"maps"
	"slices"
	"sync"
)

// variables are what steps leave to the ones after them through GITHUB_ENV and
// GITHUB_PATH. Commands of a step change them while its processes run.
type variables struct {
	mu    sync.Mutex
	env   map[string]string
	paths []string // the newest last
	// own are the changes since fork, in order: what a step in the background set.
	own []func(*variables)
}

func newVariables() *variables { return &variables{env: map[string]string{}} }

// fork is a copy whose changes are kept apart.
func (v *variables) fork() *variables {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &variables{env: maps.Clone(v.env), paths: slices.Clone(v.paths)}
}

// join carries out on v what was changed in a fork of it.
func (v *variables) join(fork *variables) {
	fork.mu.Lock()
	own := fork.own
	fork.own = nil
	fork.mu.Unlock()
	for _, change := range own {
		change(v)
	}
}

func (v *variables) setEnv(name, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.env[name] = value
	v.own = append(v.own, func(to *variables) { to.setEnv(name, value) })
}

// addPath puts a folder first.
func (v *variables) addPath(dir string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.paths = slices.DeleteFunc(v.paths, func(p string) bool { return p == dir })
	v.paths = append(v.paths, dir)
	v.own = append(v.own, func(to *variables) { to.addPath(dir) })
}

// environ is a copy of what GITHUB_ENV holds.
func (v *variables) environ() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.env)
}

// folders is a copy of what GITHUB_PATH holds, the newest last.
func (v *variables) folders() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.paths)
}

// variables are those that the steps of a level read and change.
func (sc *scope) variables() *variables {
	for sc.outer != nil {
		sc = sc.outer.scope
	}
	return sc.set
}
