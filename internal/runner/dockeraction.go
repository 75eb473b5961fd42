package runner

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// dockerAction is an action that runs in a container of its own. Where a step
// names an image itself (docker://), its file says no more than that.
type dockerAction struct{ file *actionFile }

// imageAction is what `uses: docker://IMAGE` means.
func imageAction(uses string) *dockerAction {
	return &dockerAction{&actionFile{uses: uses, local: true, def: &workflow.Action{Runs: workflow.ActionRuns{Using: "docker", Image: uses}}}}
}

func (a *dockerAction) entrypoint(s stage) string {
	r := a.file.def.Runs
	return map[stage]string{stagePre: r.PreEntrypoint, stageMain: r.Entrypoint, stagePost: r.PostEntrypoint}[s]
}

func (a *dockerAction) has(_ *call, s stage) bool {
	return s == stageMain || a.entrypoint(s) != "" && !(s == stagePre && a.file.local)
}

func (a *dockerAction) when(s stage) string {
	if s == stagePre {
		return condition(a.file.def.Runs.PreIf.Text)
	}
	return condition(a.file.def.Runs.PostIf.Text)
}

// containerRunner is what runs containers for the job; nil: nothing does.
func (x *executor) containerRunner() ContainerRunner {
	if x.Containers != nil {
		return x.Containers
	}
	r, _ := x.Machine.(ContainerRunner)
	return r
}

// noEngine says that there is nothing to run a container with.
func noEngine(uses string) error {
	return cairn.Errorf(cairn.CodeUnsupported, "%s runs in a container, and this machine has no container engine", uses).
		WithHint("install Docker or Podman and start its service; cairn doctor says what was found")
}

// run runs the container of the stage.
func (a *dockerAction) run(ctx context.Context, st *step, env *expr.Env) error {
	engine := st.x.containerRunner()
	if engine == nil {
		return noEngine(st.spec.Uses)
	}
	in, err := st.given(env, a.file.def, "entryPoint", "args")
	if err != nil {
		return err
	}
	st.actionHeader(in)
	if a.file.local && a.entrypoint(stagePre) != "" {
		st.warnOnce(noLocalPre(st.spec.Uses))
	}
	st.register()
	p := ContainerProcess{Entrypoint: a.entrypoint(st.stage)}
	if p.Entrypoint == "" && st.stage == stageMain {
		p.Entrypoint = in.values["entrypoint"]
	}
	inner := innerEnv(env, in)
	if p.Args, err = a.args(in, inner); err != nil {
		return err
	}
	files, err := st.makeFiles()
	if err != nil {
		return err
	}
	if err := st.makeEnvFiles(files); err != nil {
		return err
	}
	p.Env = st.actionEnv(a.file, in)
	shown := st.scope.shownEnv(st.env)
	for _, nv := range a.file.def.Runs.Env {
		v, err := expr.EvalString(nv.Value, inner)
		if err != nil {
			return evalFailed("runs.env."+nv.Name, nv.Value, err)
		}
		// What the workflow sets wins over the action.
		if _, ok := shown[nv.Name]; !ok {
			p.Env[nv.Name] = v
		}
	}
	out := st.newOutput()
	p.Stdout, p.Stderr, p.Log = out, out, out
	if p.Image, err = a.image(ctx, st, engine, out); err != nil {
		out.flush()
		return err
	}
	code, err := engine.RunContainer(ctx, p)
	out.flush()
	return st.ended(ctx, code, err)
}

// innerEnv is what args and env of the action's file see.
func innerEnv(env *expr.Env, in *given) *expr.Env {
	c := make(map[string]expr.Value, len(env.Contexts)+1)
	for k, v := range env.Contexts {
		c[k] = v
	}
	c["inputs"] = in.object()
	return &expr.Env{Contexts: c, Functions: env.Functions}
}

func (a *dockerAction) args(in *given, env *expr.Env) ([]string, error) {
	if a.file.def.Runs.Args == nil {
		text := in.values["args"]
		if strings.TrimSpace(text) == "" {
			return nil, nil
		}
		args, err := splitWords(text)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the input args cannot be split into words: %w", err)
		}
		return args, nil
	}
	out := []string{}
	for _, t := range a.file.def.Runs.Args {
		v, err := expr.EvalString(t, env)
		if err != nil {
			return nil, evalFailed("runs.args", t, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// image names the action's image; one that has to be built is built once a job.
func (a *dockerAction) image(ctx context.Context, st *step, engine ContainerRunner, log *output) (string, error) {
	image := a.file.def.Runs.Image
	if ref, ok := cutPrefixFold(image, "docker://"); ok {
		return ref, nil
	}
	if base := filepath.Base(image); !strings.EqualFold(base, "Dockerfile") && !strings.HasPrefix(strings.ToLower(base), "dockerfile") && !strings.HasSuffix(strings.ToLower(base), "dockerfile") {
		return "", cairn.Errorf(cairn.CodeInvalid, "'%s' should be either '[path]/Dockerfile' or 'docker://image[:tag]'.", image)
	}
	file := filepath.Join(a.file.dir, image)
	if err := inside(a.file.root, file); err != nil {
		return "", err
	}
	built := &st.x.used
	built.mu.Lock()
	name := built.images[file]
	built.mu.Unlock()
	if name != "" {
		return name, nil
	}
	st.log.line("##[group]Building docker image")
	st.log.line("Dockerfile for action: '%s'.", file)
	name, err := engine.BuildImage(ctx, BuildContainer{Dir: filepath.Dir(file), Dockerfile: filepath.Base(file), Log: log})
	log.flush()
	st.log.line("##[endgroup]")
	if err != nil {
		return "", err
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.images == nil {
		built.images = map[string]string{}
	}
	built.images[file] = name
	return name, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}
