package host

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// engine notes what it is asked to run.
type engine struct {
	ran, built []string
}

func (*engine) FetchImage(_ context.Context, image string, _ io.Writer) (string, error) {
	return image, nil
}

func (*engine) HasImage(context.Context, string) (bool, error) { return true, nil }

func (e *engine) RunContainer(_ context.Context, p runner.ContainerProcess) (int, error) {
	var env []string
	for _, name := range []string{"INPUT_WHO", "INPUT_ARGS", "STATE_KEPT", "FROM_FILE", "OUTER", "GITHUB_ACTION_REPOSITORY", "GITHUB_ACTION"} {
		if v, ok := p.Env[name]; ok {
			env = append(env, name+"="+v)
		}
	}
	e.ran = append(e.ran, fmt.Sprintf("%s %q %q %s", p.Image, p.Entrypoint, p.Args, strings.Join(env, " ")))
	fmt.Fprintln(p.Stdout, "::save-state name=KEPT::yes")
	fmt.Fprintln(p.Stdout, "::set-output name=o::from the container")
	if slices.Contains(p.Args, "fail") {
		return 3, nil
	}
	return 0, nil
}

func (e *engine) BuildImage(_ context.Context, b runner.BuildContainer) (string, error) {
	e.built = append(e.built, filepath.Base(b.Dir)+"/"+b.Dockerfile)
	return "built:1", nil
}

func (*engine) Start(context.Context, runner.JobContainers, io.Writer) (*runner.StartedContainers, error) {
	return &runner.StartedContainers{}, nil
}

func (*engine) Stop(context.Context, io.Writer) error { return nil }

func TestDockerAction(t *testing.T) {
	t.Parallel()
	e := &engine{}
	files := map[string]map[string]string{"acme/box": {
		"action.yml": "name: x\ndescription: x\ninputs: {who: {default: world}}\nruns:\n  using: docker\n  image: Dockerfile\n  args: ['--to', '${{ inputs.who }}', '']\n" +
			"  env: {FROM_FILE: '${{ inputs.who }}!', OUTER: not this}\n  entrypoint: /main.sh\n  pre-entrypoint: /pre.sh\n  post-entrypoint: /post.sh\n  post-if: success()\n",
		"Dockerfile":       "FROM scratch\n",
		"plain/Dockerfile": "FROM scratch\n",
		"named/action.yml": "name: x\ndescription: x\nruns: {using: docker, image: 'docker://acme/image:2', args: [fail]}\n",
		"wrong/action.yml": "name: x\ndescription: x\nruns: {using: docker, image: acme/image}\n",
	}}
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{
		{ID: "a", Uses: "acme/box@v1", Env: named("OUTER", "step")},
		{Uses: "docker://alpine:3", With: named("args", `echo "two words" 'x'`, "entrypoint", "/bin/sh", "who", "me")},
		{Uses: "acme/box/plain@v1"},
		{Run: cairn.Expr("echo ${{ steps.a.outputs.o }}")},
		{Uses: "acme/box/named@v1"},
		{Uses: "acme/box/wrong@v1", If: "always()"},
	}
	in := run(t, spec, remote(files), func(j *runner.Job) { j.Containers = e })
	want := []string{
		`built:1 "/pre.sh" ["--to" "world" ""] INPUT_WHO=world FROM_FILE=world! OUTER=step GITHUB_ACTION_REPOSITORY=acme/box GITHUB_ACTION=a`,
		`built:1 "/main.sh" ["--to" "world" ""] INPUT_WHO=world STATE_KEPT=yes FROM_FILE=world! OUTER=step GITHUB_ACTION_REPOSITORY=acme/box GITHUB_ACTION=a`,
		`alpine:3 "/bin/sh" ["echo" "two words" "x"] INPUT_WHO=me INPUT_ARGS=echo "two words" 'x'`,
		`built:1 "" [] GITHUB_ACTION_REPOSITORY=acme/box`,
		`acme/image:2 "" ["fail"] GITHUB_ACTION_REPOSITORY=acme/box`,
	}
	for i, w := range want {
		if i >= len(e.ran) || !strings.HasPrefix(e.ran[i], w) {
			t.Errorf("container %d:\n%q\nwant:\n%q", i, e.ran, w)
			break
		}
	}
	// The post-entrypoint has a condition, which is false once the job failed.
	if len(e.ran) != len(want) || strings.Join(e.built, " ") != commitOf("acme/box")+"/Dockerfile plain/Dockerfile" {
		t.Errorf("ran %d, built %v", len(e.ran), e.built)
	}
	if !strings.Contains(in.names(), "Run acme/box/named@v1=failure; Run acme/box/wrong@v1=failure; Post Run acme/box@v1=skipped") {
		t.Error(in.names())
	}
	in.wants(6, "from the container")
	in.wants(8, "'acme/image' should be either '[path]/Dockerfile' or 'docker://image[:tag]'.")
	if strings.Contains(in.log(4), "Unexpected input") {
		t.Error(in.log(4))
	}
}
