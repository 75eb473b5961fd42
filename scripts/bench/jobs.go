package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// scenario is one workflow and the bash that does the same work without Cairn.
type scenario struct {
	name     string
	units    int
	unit     string
	workflow string
	bash     string
}

func scenarios() []scenario {
	var steps, chain strings.Builder
	for i := range 100 {
		fmt.Fprintf(&steps, "      - run: 'true'\n")
		if i >= 20 {
			continue
		}
		fmt.Fprintf(&chain, "  j%d:\n    runs-on: ubuntu-latest\n", i)
		if i > 0 {
			fmt.Fprintf(&chain, "    needs: j%d\n", i-1)
		}
		fmt.Fprintf(&chain, "    steps:\n      - run: 'true'\n")
	}
	legs := make([]string, 50)
	for i := range legs {
		legs[i] = strconv.Itoa(i)
	}
	const head = "on: workflow_dispatch\njobs:\n"
	return []scenario{
		{"50 one-step jobs", 50, "job", head + "  m:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {i: [" + strings.Join(legs, ", ") +
			"]}}\n    steps:\n      - run: 'true'\n", "for i in $(seq 50); do bash -e -c true; done"},
		{"100 steps", 100, "step", head + "  s:\n    runs-on: ubuntu-latest\n    steps:\n" + steps.String(),
			"for i in $(seq 100); do bash -e -c true; done"},
		{"chain of 20 jobs", 20, "job", head + chain.String(), "for i in $(seq 20); do bash -e -c true; done"},
	}
}

// jobs measures what a job and a step cost beside a loop of bash, and act's where
// it is installed.
func (b *bench) jobs() error {
	files := map[string]string{}
	for i, s := range scenarios() {
		files[fmt.Sprintf(".github/workflows/w%d.yml", i)] = s.workflow
	}
	if err := b.files("jobs", files); err != nil {
		return err
	}
	if _, err := b.run("jobs", "git", "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if err := b.commit("jobs", "bench"); err != nil {
		return err
	}
	for i, s := range scenarios() {
		ours, err := median(b.repeat, func() error {
			_, err := b.run("jobs", b.cairn, "run", "--workflow", fmt.Sprintf("w%d.yml", i), "--progress", "quiet")
			return err
		})
		if err != nil {
			return err
		}
		base, err := median(b.repeat, func() error { return b.command("jobs", "bash", "-c", s.bash).Run() })
		if err != nil {
			return err
		}
		row(s.name, ms(ours), ms(base)+" bash", fmt.Sprintf("%.1f ms/%s added", float64((ours-base).Microseconds())/1000/float64(s.units), s.unit))
	}
	act, err := exec.LookPath("act")
	if err != nil {
		return nil
	}
	for i, s := range scenarios() {
		d, err := median(1, func() error {
			return b.command("jobs", act, "workflow_dispatch", "-P", "ubuntu-latest=-self-hosted", "-W", fmt.Sprintf(".github/workflows/w%d.yml", i)).Run()
		})
		if err != nil {
			missing("act: "+s.name, err)
			continue
		}
		row(s.name, "", d.Round(time.Millisecond).String()+" act", "")
	}
	return nil
}
