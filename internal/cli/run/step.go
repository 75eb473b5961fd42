package run

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// stepper asks before each step of a run started with --step.
type stepper struct {
	k    *kit.Kit
	cl   *kit.Client
	in   *bufio.Reader
	next time.Time // not asked the owner before
}

func newStepper(k *kit.Kit, cl *kit.Client) *stepper {
	return &stepper{k: k, cl: cl, in: bufio.NewReader(k.Term.In)}
}

// look finds a held job and asks what to do with its step.
func (s *stepper) look(ctx context.Context, w *watcher) error {
	if now := s.k.Now(); now.Before(s.next) {
		return nil
	} else {
		s.next = now.Add(100 * time.Millisecond)
	}
	for _, j := range w.m.Jobs() {
		if j.Status != cairn.StatusRunning {
			continue
		}
		hold, err := s.cl.StepHeld(ctx, j.ID)
		switch cairn.CodeOf(err) {
		case "":
		case cairn.CodePending, cairn.CodeNotFound, cairn.CodeConflict:
			continue
		default:
			return err
		}
		if err := s.ask(ctx, w, j.Name, hold); err != nil {
			return err
		}
	}
	return nil
}

func (s *stepper) ask(ctx context.Context, w *watcher, job string, h *client.StepHold) error {
	st := s.k.Term.ErrStyle()
	w.p.Say(fmt.Sprintf("\n%s step %d: %s", st.Bold(term.Clean(job)), h.Step, term.Clean(h.Name)))
	for {
		fmt.Fprintf(s.k.Term.Err, "%s ", st.Cyan("[Enter] run it  [s]kip  [a]ll the rest  [!] shell  [c]ancel:"))
		line, err := s.in.ReadString('\n')
		if err != nil {
			fmt.Fprintln(s.k.Term.Err)
			line = "c"
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "", "r", "run":
			return s.cl.StepGo(ctx, h.Job, h.Step, "go")
		case "s", "skip":
			return s.cl.StepGo(ctx, h.Job, h.Step, "skip")
		case "a", "all":
			return s.cl.StepGo(ctx, h.Job, h.Step, "all")
		case "!", "sh", "shell":
			s.shell(ctx, h)
		case "c", "cancel", "q", "quit":
			if err := s.cl.Cancel(ctx, w.m.Run.ID, false); err != nil {
				return err
			}
			return s.cl.StepGo(ctx, h.Job, h.Step, "all")
		default:
			fmt.Fprintf(s.k.Term.Err, "%q is none of them\n", term.Clean(strings.TrimSpace(line)))
		}
	}
}

// shell opens the user's shell in the job's workspace with the step's
// environment; leaving it comes back to the question.
func (s *stepper) shell(ctx context.Context, h *client.StepHold) {
	name := s.k.Env("SHELL")
	if name == "" {
		name = "/bin/sh"
	}
	cmd := exec.CommandContext(ctx, name)
	cmd.Dir = h.Dir
	cmd.Env = shellEnv(s.k.Environ, h.Env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.k.Term.In, s.k.Term.Err, s.k.Term.Err
	fmt.Fprintf(s.k.Term.Err, "%s in %s; exit comes back\n", name, h.Dir)
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(s.k.Term.Err, "the shell ended: %v\n", err)
	}
}

// shellEnv is the step's environment, with the terminal of this one.
func shellEnv(own []string, file string) []string {
	b, err := os.ReadFile(file)
	if file == "" || err != nil {
		return own
	}
	env := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	for _, kv := range own {
		if strings.HasPrefix(kv, "TERM=") || strings.HasPrefix(kv, "LANG=") || strings.HasPrefix(kv, "LC_") {
			env = append(env, kv)
		}
	}
	return env
}
