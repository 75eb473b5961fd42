package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
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

// lines prints a log of the usual kind.
const lines = "seq -f 'epoch %.0f loss=0.1234 accuracy=0.9876 some more words of a usual line' 200000"

func scenarios() []scenario {
	var steps, chain, jobs strings.Builder
	for i := range 50 {
		fmt.Fprintf(&jobs, "  j%d:\n    runs-on: ubuntu-latest\n    steps:\n      - run: 'true'\n", i)
	}
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
		{"50 one-step jobs", 50, "job", head + jobs.String(), "for i in $(seq 50); do bash -e -c true; done"},
		{"matrix of 50 legs", 50, "job", head + "  m:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {i: [" + strings.Join(legs, ", ") +
			"]}}\n    steps:\n      - run: 'true'\n", "for i in $(seq 50); do bash -e -c true; done"},
		{"100 steps", 100, "step", head + "  s:\n    runs-on: ubuntu-latest\n    steps:\n" + steps.String(),
			"for i in $(seq 100); do bash -e -c true; done"},
		{"chain of 20 jobs", 20, "job", head + chain.String(), "for i in $(seq 20); do bash -e -c true; done"},
		{"200,000 log lines", 200, "1,000 lines", head + "  l:\n    runs-on: ubuntu-latest\n    steps:\n      - run: " + lines + "\n", lines + " | cat >/dev/null"},
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
	ours, bases := make([]time.Duration, len(scenarios())), make([]time.Duration, len(scenarios()))
	for i, s := range scenarios() {
		var err error
		ours[i], err = median(b.repeat, func() error {
			_, err := b.run("jobs", b.cairn, "run", "--workflow", fmt.Sprintf("w%d.yml", i), "--progress", "quiet")
			return err
		})
		if err != nil {
			return err
		}
		bases[i], err = median(b.repeat, func() error { return b.command("jobs", "bash", "-c", s.bash).Run() })
		if err != nil {
			return err
		}
		row(s.name, ms(ours[i]), ms(bases[i])+" bash", fmt.Sprintf("%.1f ms/%s added", float64((ours[i]-bases[i]).Microseconds())/1000/float64(s.units), s.unit))
	}
	if err := b.follow(); err != nil {
		return err
	}
	act, err := b.findAct()
	if err != nil {
		missing("act", err)
		return nil
	}
	for i, s := range scenarios() {
		d, err := median(b.repeat, func() error {
			c := b.command("jobs", act, "workflow_dispatch", "-P", "ubuntu-latest=-self-hosted", "-W", fmt.Sprintf(".github/workflows/w%d.yml", i))
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out[max(0, len(out)-200):])
			}
			return nil
		})
		if err != nil {
			missing("act: "+s.name, err)
			continue
		}
		note := ""
		if base := bases[i]; ours[i] > base {
			note = fmt.Sprintf("act adds %.0f times as much", float64(d-base)/float64(ours[i]-base))
		}
		row("act: "+s.name, "", ms(d), note)
	}
	return nil
}

// findAct finds nektos/act, or builds it from its Go module where -act asks for that.
func (b *bench) findAct() (string, error) {
	if !b.act {
		return exec.LookPath("act")
	}
	if err := b.files("act", map[string]string{"go.mod": "module act\n"}); err != nil {
		return "", err
	}
	if _, err := b.run("act", "go", "get", "github.com/nektos/act@"+actVersion); err != nil {
		return "", err
	}
	_, err := b.run("act", "go", "build", "-o", "act", "github.com/nektos/act")
	return filepath.Join(b.dir, "act", "act"), err
}

// actVersion is the act that is compared.
const actVersion = "v0.2.89"

// follow measures how long a line that a step prints takes to who follows the log.
func (b *bench) follow() error {
	const n = 40
	script := fmt.Sprintf("for i in $(seq %d); do date +%%s%%N; sleep 0.05; done", n)
	if err := b.files("follow", map[string]string{".github/workflows/f.yml": "on: workflow_dispatch\njobs:\n  f:\n    runs-on: ubuntu-latest\n    steps:\n      - run: " + script + "\n"}); err != nil {
		return err
	}
	if _, err := b.run("follow", "git", "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if err := b.commit("follow", "bench"); err != nil {
		return err
	}
	id, err := b.run("follow", b.cairn, "run", "--detach", "--jq", ".id")
	if err != nil {
		return err
	}
	c := b.command("follow", b.cairn, "run", "logs", id, "--follow", "--raw")
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	var late []time.Duration
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if at, err := strconv.ParseInt(strings.TrimSpace(sc.Text()), 10, 64); err == nil {
			late = append(late, time.Since(time.Unix(0, at)))
		}
	}
	if err := c.Wait(); err != nil {
		return err
	}
	if len(late) < n {
		return fmt.Errorf("of %d lines %d were followed", n, len(late))
	}
	slices.Sort(late)
	row("a line to who follows the log", ms(late[len(late)/2]), "", "longest "+ms(late[len(late)-2]))
	return nil
}
