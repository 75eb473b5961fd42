package plan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/plan"
)

// diskFiles reads from a folder.
type diskFiles string

func (d diskFiles) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), name))
}

func (d diskFiles) Stat(name string) (bool, error) {
	fi, err := os.Stat(filepath.Join(string(d), name))
	return err == nil && fi.IsDir(), err
}

func data(name string) cairn.DataValue {
	return cairn.DataValue{Type: "folder", Digest: cairn.SumBytes([]byte(name)), Ref: cairn.Ref(name)}
}

// planFile plans a file; whatever it names is there.
func planFile(t testing.TB, files pipeline.Files, path string, o pipeline.Options) (*cairn.Plan, []cairn.Problem) {
	t.Helper()
	doc, problems := pipeline.Load(files, path, o)
	if cairn.HasErrors(problems) {
		t.Fatalf("%s: %v", path, problems)
	}
	r := plan.Resolved{Local: map[string]cairn.DataValue{}, Data: map[string]cairn.DataValue{}, Components: map[string]plan.ResolvedComponent{}, Environments: map[string]cairn.TaskEnvironment{}}
	for range 5 {
		p, missing, problems := plan.BuildJob(doc, plan.Submission{Name: "green_ant_0123456789", Experiment: "exp"}, r)
		if len(missing) == 0 {
			return p, problems
		}
		for _, m := range missing {
			switch {
			case m.Kind == pipeline.RefLocal:
				r.Local[m.Path] = data("local/" + m.Path)
			case m.Use == "environment":
				r.Environments[m.Text] = cairn.TaskEnvironment{Name: m.Name, Digest: cairn.SumBytes([]byte(m.Text))}
			case m.Use == "component":
				src := "type: command\nname: " + m.Name + "\ninputs:\n  model_path: {type: uri_folder}\n  model_name: {type: string}\n  model_type: {type: string, default: mlflow_model}\n" +
					"outputs:\n  registration_details_folder: {type: uri_folder}\nenvironment: azureml:host@latest\ncommand: register ${{inputs.model_path}} ${{inputs.model_name}} ${{inputs.model_type}}\n"
				doc, problems := pipeline.Load(pipeline.MapFiles{Files: map[string][]byte{"c.yml": []byte(src)}}, "c.yml", pipeline.Options{Kind: "component"})
				if cairn.HasErrors(problems) {
					t.Fatal(problems)
				}
				r.Components[m.Text] = plan.ResolvedComponent{Ref: cairn.Ref("component/" + m.Name + ":1"), Document: doc}
			default:
				r.Data[m.Text] = data("data/" + m.Name)
			}
		}
	}
	t.Fatalf("%s: references stay missing", path)
	return nil, nil
}

func TestPlanExample(t *testing.T) {
	t.Parallel()
	p, problems := planFile(t, diskFiles("../../examples/handwriting"), "pipelines/train.yaml", pipeline.Options{Set: []string{"inputs.epochs=3"}})
	for _, pr := range problems {
		t.Errorf("%s: %s", pr.Position, pr.Message)
	}
	got := map[string]string{}
	for _, n := range p.Nodes {
		got[n.ID] = strings.Join(n.Needs, " ")
	}
	want := map[string]string{"resize_threes": "", "resize_fives": "", "resize_eights": "", "split": "resize_threes resize_fives resize_eights", "train": "split", "register": "train"}
	for id, needs := range want {
		if got[id] != needs {
			t.Errorf("%s needs %q, want %q", id, got[id], needs)
		}
	}
	train := p.Nodes[4].Task
	if want := "python train.py --training ${{ inputs['training_data'] }} --testing ${{ inputs['testing_data'] }} --epochs ${{ inputs['epochs'] }} " +
		"--learning-rate ${{ inputs['learning_rate'] }} --hidden-layer ${{ inputs['hidden_layer'] }}  --model ${{ outputs['model'] }}"; train.Command.Text != want {
		t.Errorf("command: %q", train.Command.Text)
	}
	for _, in := range train.Inputs {
		if in.Name == "epochs" && in.Value.Text != "3" {
			t.Errorf("epochs: %+v", in)
		}
	}
	if !p.StopOnFailure || len(p.Outputs) != 1 || p.Outputs[0].Value.Text != "${{ jobs.train.outputs['model'] }}" {
		t.Errorf("plan: %v %+v", p.StopOnFailure, p.Outputs)
	}
	if c := p.Nodes[5].Task.Component; c != "component/register_model:1" {
		t.Errorf("component: %s", c)
	}
	sweep, problems := planFile(t, diskFiles("../../examples/handwriting"), "pipelines/sweep.yaml", pipeline.Options{})
	if cairn.HasErrors(problems) {
		t.Fatal(problems)
	}
	s := sweep.Nodes[1]
	if s.Sweep == nil || s.Sweep.MaxTrials != 6 || s.Sweep.Stop == nil || !strings.Contains(s.Task.Command.Text, "${{ search_space['learning_rate'] }}") {
		b, _ := json.Marshal(s)
		t.Errorf("sweep: %s", b)
	}
}

func mem(files map[string]string) pipeline.MapFiles {
	m := pipeline.MapFiles{Files: map[string][]byte{}}
	for k, v := range files {
		m.Files[k] = []byte(v)
	}
	return m
}

const flagComponent = `
type: command
name: flag
inputs:
  count: {type: integer, default: 0}
outputs:
  again: {type: boolean, is_control: true}
  next: {type: integer}
  out: {type: uri_folder}
environment: {image: "python:3.11"}
command: run ${{inputs.count}} ${{outputs.again}} ${{outputs.next}} ${{outputs.out}}
`

func TestPlanControl(t *testing.T) {
	t.Parallel()
	p, problems := planFile(t, mem(map[string]string{"flag.yml": flagComponent, "p.yml": `
type: pipeline
inputs: {start: 4}
jobs:
  body:
    type: command
    component: ./flag.yml
    inputs: {count: "${{parent.inputs.start}}"}
  repeat:
    type: do_while
    body: ${{parent.jobs.body}}
    condition: again
    mapping: {next: count}
    limits: {max_iteration_count: 5}
  check:
    type: command
    component: ./flag.yml
    inputs: {count: "${{parent.jobs.body.outputs.next}}"}
  choose:
    type: if_else
    condition: ${{parent.jobs.check.outputs.again}}
    true_block: ${{parent.jobs.yes}}
    false_block: ["${{parent.jobs.no}}"]
  "yes": {type: command, component: ./flag.yml}
  "no": {type: command, component: ./flag.yml}
  many: {type: command, component: ./flag.yml}
  fan:
    type: parallel_for
    body: ${{parent.jobs.many}}
    items: [{count: 1}, {count: 2}]
    max_concurrency: 2
`}), "p.yml", pipeline.Options{})
	if cairn.HasErrors(problems) {
		t.Fatal(problems)
	}
	nodes := map[string]cairn.Node{}
	for _, n := range p.Nodes {
		nodes[n.ID] = n
	}
	loop := nodes["body"]
	if loop.Kind != cairn.NodeLoop || loop.Loop.Max != 5 || loop.With[0].Value.Text != "4" || loop.Body[0].Task.Inputs[0].Value.Text != "${{ inputs['count'] }}" {
		t.Errorf("loop: %+v", loop)
	}
	if n := nodes["yes"]; n.If != "needs.check.outputs['again'] == 'true'" || len(n.Needs) != 1 {
		t.Errorf("yes: %q %v", n.If, n.Needs)
	}
	if n := nodes["no"]; n.If != "!(needs.check.outputs['again'] == 'true')" {
		t.Errorf("no: %q", n.If)
	}
	if n := nodes["many"]; !n.Collect || n.Strategy == nil || n.Task.Inputs[0].Value.Text != `${{ fromJSON('["1","2"]')[matrix.item] }}` {
		t.Errorf("many: %+v", n)
	}
}

func TestPlanRefused(t *testing.T) {
	t.Parallel()
	_, problems := planFile(t, mem(map[string]string{"p.yml": "type: command\ncommand: x\nenvironment: {image: i}\ndistribution: {type: ray}\n"}), "p.yml", pipeline.Options{})
	if !cairn.HasErrors(problems) || problems[0].Hint == "" {
		t.Errorf("%v", problems)
	}
}

// BenchmarkPlanThousand reads and plans a pipeline of 1,000 nodes.
func BenchmarkPlanThousand(b *testing.B) {
	var src strings.Builder
	src.WriteString("type: pipeline\njobs:\n")
	for i := range 1000 {
		fmt.Fprintf(&src, "  n%d:\n    type: command\n    component: ./flag.yml\n", i)
		if i > 0 {
			fmt.Fprintf(&src, "    inputs: {count: \"${{parent.jobs.n%d.outputs.next}}\"}\n", i-1)
		}
	}
	files := mem(map[string]string{"flag.yml": flagComponent, "p.yml": src.String()})
	for b.Loop() {
		p, problems := planFile(b, files, "p.yml", pipeline.Options{})
		if cairn.HasErrors(problems) || len(p.Nodes) != 1000 {
			b.Fatal(problems)
		}
	}
}

// TestPlanContainerOptions: resources say how a container is made, bound or not; a node's
// own go before those of its component.
func TestPlanContainerOptions(t *testing.T) {
	t.Parallel()
	p, problems := planFile(t, mem(map[string]string{"p.yml": `type: pipeline
inputs: {size: 3g}
jobs:
  plain: {type: command, command: "true", environment: azureml:e@latest, resources: {shm_size: 1g, docker_args: --ipc=host}}
  listed: {type: command, command: "true", environment: azureml:e@latest, resources: {docker_args: [--ipc=host, --cpus=2]}}
  of_component: {type: command, component: c.yml}
  bound: {type: command, component: c.yml, resources: {shm_size: "${{parent.inputs.size}}"}}
`, "c.yml": `type: command
name: c
command: "true"
environment: azureml:e@latest
resources: {shm_size: 2g, docker_args: "--ulimit nofile=1024"}
`}), "p.yml", pipeline.Options{Kind: "job"})
	if len(problems) > 0 {
		t.Error(problems)
	}
	want := map[string]string{"plain": "--shm-size=1g --ipc=host", "listed": "--ipc=host --cpus=2",
		"of_component": "--shm-size=2g --ulimit nofile=1024", "bound": "--shm-size=3g --ulimit nofile=1024"}
	p.Walk(func(_ string, n *cairn.Node) {
		if n.Task == nil {
			return
		}
		if got := n.Task.ContainerOptions; got != want[n.ID] {
			t.Errorf("%s: %q, want %q", n.ID, got, want[n.ID])
		}
		delete(want, n.ID)
	})
	if len(want) > 0 {
		t.Errorf("not planned: %v", want)
	}
}

// TestPlanParallelRefused: what a parallel node says has to be there and to be numbers.
func TestPlanParallelRefused(t *testing.T) {
	t.Parallel()
	_, problems := planFile(t, mem(map[string]string{"s/score.py": "", "p.yml": `type: pipeline
jobs:
  score:
    type: parallel
    inputs: {d: {type: uri_folder, path: s}}
    input_data: ${{inputs.nothing}}
    mini_batch_size: ten
    retry_settings: {max_retries: -1}
    task: {type: run_function, code: s, entry_script: score.py, environment: {image: "python:3.11"}}
`}), "p.yml", pipeline.Options{})
	var got []string
	for _, p := range problems {
		got = append(got, p.Message)
	}
	for _, want := range []string{`there is no input "nothing"`, `"ten" is neither a number nor a size`, "max_retries: -1 is less than nothing"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// TestPlace: a job asks for the compute that it names, else for that of the pipeline around.
func TestPlace(t *testing.T) {
	t.Parallel()
	leaf := "type: command\ncommand: 'true'\nenvironment: {image: python:3.11}\n"
	for _, c := range []struct{ compute, want string }{
		{"azureml:cpu-cluster", "cpu-cluster"}, {"cpu-cluster", "cpu-cluster"}, {"local", ""}, {"", ""}, {"azureml:cpu-cluster:1", "cpu-cluster"},
		{"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/gpu", "gpu"},
	} {
		src := leaf
		if c.compute != "" {
			src += "compute: " + c.compute + "\n"
		}
		p, _ := planFile(t, pipeline.MapFiles{Files: map[string][]byte{"j.yml": []byte(src)}}, "j.yml", pipeline.Options{})
		if got := p.Nodes[0].Place; got != c.want {
			t.Errorf("%q: %q", c.compute, got)
		}
	}
	inner := "  %s:\n    type: command\n    command: 'true'\n    environment: {image: python:3.11}\n"
	src := "type: pipeline\ninputs: {where: azureml:gpu}\nsettings: {default_compute: azureml:cpu}\njobs:\n" + fmt.Sprintf(inner, "plain") +
		fmt.Sprintf(inner, "own") + "    compute: azureml:big\n" + fmt.Sprintf(inner, "bound") + "    compute: ${{parent.inputs.where}}\n" + fmt.Sprintf(inner, "here") + "    compute: local\n"
	p, problems := planFile(t, pipeline.MapFiles{Files: map[string][]byte{"p.yml": []byte(src)}}, "p.yml", pipeline.Options{})
	if cairn.HasErrors(problems) {
		t.Fatal(problems)
	}
	got := map[string]string{}
	for _, n := range p.Nodes {
		got[n.ID] = n.Place
	}
	// A place that is bound keeps its meaning inside of a loop.
	files := pipeline.MapFiles{Files: map[string][]byte{
		"flag.yml": []byte("type: command\nname: flag\ninputs: {count: {type: integer}}\noutputs: {again: {type: boolean, is_control: true}, next: {type: integer, is_control: true}}\n" +
			"environment: {image: python:3.11}\ncommand: flag ${{inputs.count}}\n"),
		"p.yml": []byte("type: pipeline\ninputs: {start: 4, where: azureml:gpu}\njobs:\n  body:\n    type: command\n    component: ./flag.yml\n    compute: ${{parent.inputs.where}}\n" +
			"    inputs: {count: \"${{parent.inputs.start}}\"}\n  repeat:\n    type: do_while\n    body: ${{parent.jobs.body}}\n    condition: again\n    mapping: {next: count}\n    limits: {max_iteration_count: 5}\n"),
	}}
	p, problems = planFile(t, files, "p.yml", pipeline.Options{})
	if cairn.HasErrors(problems) || len(p.Nodes) != 1 || len(p.Nodes[0].Body) != 1 || p.Nodes[0].Body[0].Place != "gpu" {
		t.Errorf("%v %+v", problems, p.Nodes)
	}
	if got["plain"] != "cpu" || got["own"] != "big" || got["bound"] != "gpu" || got["here"] != "" {
		t.Error(got)
	}
}
