package main

import (
	"fmt"
	"strings"
	"time"
)

// trivial is a step that does nothing, in an environment without packages.
const trivial = `    type: command
    command: "true"
    environment: {image: "python:3.11"}
`

// pipelines measures what pipelines cost beside the processes themselves: a chain and a
// row of twenty steps that do nothing, the same again (all of it reused), and a search of
// a hundred trials that only log their metric.
func (b *bench) pipelines() error {
	var chain, wide strings.Builder
	for _, p := range []*strings.Builder{&chain, &wide} {
		p.WriteString("type: pipeline\nexperiment_name: bench\njobs:\n")
	}
	for i := range 20 {
		fmt.Fprintf(&wide, "  n%d:\n%s", i, strings.Replace(trivial, `"true"`, fmt.Sprintf(`"true; : %d"`, i), 1))
		fmt.Fprintf(&chain, "  n%d:\n", i)
		chain.WriteString("    type: command\n    environment: {image: \"python:3.11\"}\n    outputs: {o: {type: uri_file}}\n")
		if i == 0 {
			chain.WriteString("    command: echo 1 > ${{outputs.o}}\n")
			continue
		}
		fmt.Fprintf(&chain, "    inputs: {i: \"${{parent.jobs.n%d.outputs.o}}\"}\n    command: \"echo %d > ${{outputs.o}}; : ${{inputs.i}}\"\n", i-1, i)
	}
	sweep := `type: sweep
experiment_name: bench
trial:
  command: >-
    curl -s -o /dev/null -X POST -H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" -H "Content-Type: application/json"
    -d "{\"run_id\":\"$MLFLOW_RUN_ID\",\"key\":\"score\",\"value\":${{search_space.x}},\"timestamp\":1,\"step\":1}" $MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/log-metric
  environment: {image: "python:3.11"}
sampling_algorithm: random
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 100, max_concurrent_trials: 8}
`
	if err := b.files("pipelines", map[string]string{"chain.yml": chain.String(), "wide.yml": wide.String(), "sweep.yml": sweep}); err != nil {
		return err
	}
	job := func(args ...string) func() error {
		return func() error {
			_, err := b.run("pipelines", b.cairn, append([]string{"job", "create", "--stream"}, args...)...)
			return err
		}
	}
	if err := job("--file", "wide.yml")(); err != nil { // the interpreter is asked once
		return err
	}
	for _, p := range []struct{ name, file string }{{"20 steps in a row", "wide.yml"}, {"20 steps, each after the one before", "chain.yml"}} {
		ran, err := median(b.repeat, job("--no-reuse", "--file", p.file))
		if err != nil {
			return err
		}
		bare, err := median(b.repeat, func() error {
			return b.command("pipelines", "bash", "-c", "for i in $(seq 20); do bash -c true; done").Run()
		})
		if err != nil {
			return err
		}
		row(p.name, ms(ran), ms(bare)+" bash", "")
		if err := job("--file", p.file)(); err != nil {
			return err
		}
		again, err := median(b.repeat, job("--file", p.file))
		if err != nil {
			return err
		}
		row(p.name+", again", ms(again), "", "all of it reused")
	}
	started := time.Now()
	if err := job("--no-reuse", "--file", "sweep.yml")(); err != nil {
		return err
	}
	took := time.Since(started)
	row("a search of 100 trials, 8 at most at once", ms(took), "", fmt.Sprintf("%.0f ms/trial", float64(took.Milliseconds())/100))
	return nil
}
