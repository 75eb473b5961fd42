package docker

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/runner"
)

// mapping is a folder of this host and its name in a container.
type mapping struct{ host, inside string }

// mappings translate paths; the first that fits counts.
type mappings []mapping

// jobMappings are the names of the job's folders in the container of a job, as
// GitHub has them.
func jobMappings(d runner.Dirs) mappings {
	return mappings{
		{filepath.Join(d.Files, "event.json"), "/github/workflow/event.json"},
		{d.Files, "/github/file_commands"},
		{d.Home, "/github/home"},
		{d.Temp, "/__w/_temp"},
		{workOf(d), "/__w"},
		{d.ToolCache, "/__t"},
	}
}

// actionMappings are the names in the container of an action.
func actionMappings(d runner.Dirs) mappings {
	return mappings{
		{filepath.Join(d.Files, "event.json"), "/github/workflow/event.json"},
		{d.Files, "/github/file_commands"},
		{d.Home, "/github/home"},
		{d.Temp, "/github/runner_temp"},
		{d.Workspace, "/github/workspace"},
	}
}

// workOf is the folder above the workspace's: RUNNER_WORKSPACE's parent.
func workOf(d runner.Dirs) string { return filepath.Dir(filepath.Dir(d.Workspace)) }

// in is how a path of this host is called inside.
func (ms mappings) in(p string) string {
	for _, m := range ms {
		if p == m.host {
			return m.inside
		}
		if rest, ok := strings.CutPrefix(p, m.host+"/"); ok {
			return m.inside + "/" + rest
		}
	}
	return p
}

// out is where a path inside lies on this host. What is mounted under its own name
// is itself.
func (ms mappings) out(p string) (string, bool) {
	p = path.Clean(p)
	for _, m := range ms {
		if p == m.inside {
			return m.host, true
		}
		if rest, ok := strings.CutPrefix(p, m.inside+"/"); ok {
			return filepath.Join(m.host, rest), true
		}
	}
	for _, m := range ms {
		if p == m.host || strings.HasPrefix(p, m.host+"/") {
			return p, true
		}
	}
	return "", false
}

// mounts are the folders to mount: each under its name inside and, so that a path of
// this host that a step was given means the same, under its own.
func (ms mappings) mount(c *creation) {
	// Outer folders before those in them.
	for _, m := range slices.Backward(ms) {
		fi, err := os.Stat(m.host)
		if err != nil {
			continue // an event that nobody wrote
		}
		c.bind(m.host, m.inside, false)
		if fi.IsDir() {
			c.bind(m.host, m.host, false)
		}
	}
}

// translate changes the values of an environment that are paths of this host.
func (ms mappings) translate(env map[string]string, r rewriter) map[string]string {
	out := make(map[string]string, len(env))
	for k, v := range env {
		out[k] = r.text(ms.in(v))
	}
	return out
}
