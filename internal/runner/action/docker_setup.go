package action

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/runner"
)

// hostPlatform is what images are built for here.
func hostPlatform() string { return "linux/" + runtime.GOARCH }

// setupBuildx is docker/setup-buildx-action. Nothing is set up: images are put
// together without a daemon.
type setupBuildx struct{}

// Run does the step.
func (setupBuildx) Run(_ context.Context, c *runner.StepContext) error {
	name := c.Input("name")
	if name == "" {
		name = "cairn"
	}
	nodes, err := json.Marshal([]map[string]any{{"name": name + "0", "status": "running", "platforms": hostPlatform()}})
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"name": name, "driver": "cairn", "platforms": hostPlatform(), "nodes": string(nodes), "endpoint": "", "status": "running", "flags": "",
	} {
		c.SetOutput(k, v)
	}
	c.Logf("Nothing is set up: Cairn puts images together itself, and asks BuildKit, buildah, Docker or Podman only for what needs one")
	return nil
}

// setupQEMU is docker/setup-qemu-action. Nothing is emulated.
type setupQEMU struct{}

// Run does the step.
func (setupQEMU) Run(_ context.Context, c *runner.StepContext) error {
	c.SetOutput("platforms", hostPlatform())
	asked := splitList(c.Input("platforms"))
	if slices.ContainsFunc(asked, func(p string) bool { return strings.TrimPrefix(p, "linux/") != runtime.GOARCH && p != "all" }) {
		c.Logf("No emulator is set up: images for %s are put together without one, where nothing has to be run for them", strings.Join(asked, ", "))
		return nil
	}
	c.Logf("No emulator is set up: none is needed")
	return nil
}
