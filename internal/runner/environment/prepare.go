package environment

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// Host prepares environments on this machine.
type Host struct {
	Tools python.Tools
	// Dir is where built environments lie: below $CAIRN_HOME/cache.
	Dir string
	// Layers lays packages into images; nil: only images that bring conda can be built on.
	Layers Layers
}

// base is an environment that was built, or an interpreter as it is.
type base struct {
	// Python is its program; Dir the environment that holds it, "" for an interpreter.
	Python string         `json:"python"`
	Dir    string         `json:"dir,omitempty"`
	Home   string         `json:"home"`    // folder of the interpreter below
	Real   string         `json:"real"`    // that interpreter itself, no shim and no link
	Ver    string         `json:"version"` // 3.11.7
	Site   []string       `json:"site"`    // folders of packages
	Lock   string         `json:"lock,omitempty"`
	Props  map[string]any `json:"props,omitempty"`
	Made   time.Time      `json:"made"`
}

// Prepare leaves the programs and variables of an environment in c, for the steps after it.
func (h *Host) Prepare(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment) error {
	if c.InContainer {
		return h.inImage(ctx, c, env)
	}
	if asksNothing(env) {
		c.Logf("it runs on this machine as it is")
		return nil
	}
	tools := h.Tools
	tools.Log = c.Log
	b, err := h.base(ctx, &tools, c, env)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Dirs.Temp, "_task", "env")
	if err := overlay(dir, b); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the job's own layer of the environment cannot be made: %w", err)
	}
	if b.Dir != "" {
		c.AddPath(filepath.Join(b.Dir, "bin"))
	} else if b.Home != "" {
		c.AddPath(b.Home)
	}
	c.AddPath(filepath.Join(dir, "bin"))
	c.SetEnv("VIRTUAL_ENV", dir)
	name := env.Name
	if name == "" {
		name = "task"
	}
	c.SetEnv("CONDA_DEFAULT_ENV", name)
	c.Logf("Python %s at %s", b.Ver, b.Python)
	if b.Lock != "" && c.Server != nil {
		props := map[string]string{}
		for k, v := range b.Props {
			props[k] = fmt.Sprint(v)
		}
		// Which packages a job had is for its trace; that it cannot be kept stops no job.
		if ref, err := c.Server.RecordEnvironment(ctx, name+".packages", []byte(b.Lock), props); err != nil {
			c.Warn("the packages of the environment are not recorded: %v", err)
		} else {
			c.Logf("packages: %s", ref)
		}
	}
	return nil
}

// asksNothing reports whether an environment asks for no Python and no packages: that of
// what is built into this program.
func asksNothing(env cairn.TaskEnvironment) bool {
	return env.Python == "" && env.PythonVersion == "" && env.Image == "" && env.Conda == "" && env.Build == nil && len(env.Packages) == 0
}

// base finds or builds what the job's own layer stands on.
func (h *Host) base(ctx context.Context, tools *python.Tools, c *runner.StepContext, env cairn.TaskEnvironment) (*base, error) {
	switch {
	case env.Python != "":
		c.Logf("environment %s is mapped to %s", env.Name, env.Python)
		return h.interpreterBase(ctx, env.Python)
	case env.Build != nil:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "environment %s is built from a Dockerfile, and this job was planned without a container", shown(env)).
			WithHint("start the job again")
	}
	reqs, notes, version := env.Packages, []string(nil), env.PythonVersion
	var conda *Conda
	if env.Conda != "" {
		var err error
		if conda, err = ParseConda(env.Conda); err != nil {
			return nil, err
		}
		version = pythonSpec(conda.Python)
		if program := h.conda(tools); program != "" {
			content := conda.Raw
			var over *azureOver
			if over, err = h.azure(c, conda.Pip); err != nil {
				return nil, err
			}
			if over != nil {
				content += over.key
			}
			return h.build(ctx, c, env, "conda", content, func(ctx context.Context, dir string) error {
				return h.condaCreate(ctx, c, program, conda, over, dir)
			})
		}
		if reqs, notes, err = conda.requirements(); err != nil {
			return nil, err
		}
	}
	if env.Image != "" {
		if version == "" {
			version = pythonOf(env.Image)
		}
		c.Logf("the image %s itself is not used: the command runs on this machine (cairn environment map %s --docker)", env.Image, mapName(env))
	}
	py, err := h.interpreter(ctx, tools, version, env)
	if err != nil {
		return nil, err
	}
	if len(reqs) == 0 {
		return h.interpreterBase(ctx, py.Path)
	}
	for _, n := range notes {
		c.Logf("note: %s", n)
	}
	content := strings.Join(reqs, "\n") + "\n# python " + py.Path + " " + py.Version.String() + "\n# " + tools.IndexSettings()
	over, err := h.azure(c, reqs)
	if err != nil {
		return nil, err
	}
	if over != nil {
		content += over.key
	}
	return h.build(ctx, c, env, "pip", content, func(ctx context.Context, dir string) error {
		return h.pipCreate(ctx, tools, c, py, reqs, over, dir)
	})
}

func shown(env cairn.TaskEnvironment) string {
	if env.Name != "" {
		return env.Name
	}
	return "written in place"
}

// interpreter finds the Python that an environment asks for.
func (h *Host) interpreter(ctx context.Context, tools *python.Tools, version string, env cairn.TaskEnvironment) (python.Interpreter, error) {
	if version == "" {
		version = "3.x"
	}
	spec, err := python.ParseSpec(version)
	if err != nil {
		return python.Interpreter{}, cairn.Errorf(cairn.CodeInvalid, "the environment asks for Python %q: %w", version, err)
	}
	py, err := tools.Find(ctx, spec, "")
	if err != nil {
		return py, cairn.Errorf(cairn.CodeOf(err), "%s", cairn.AsError(err).Message).
			WithHint("map the environment to a Python that is there: cairn environment map %s --python PATH; or run it in its image: --docker; or install that version", mapName(env))
	}
	return py, nil
}
