package run

import (
	"bufio"
	"context"
	"fmt"
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
	// The script exports the step's environment; it is read by a shell because its
	// values may hold anything.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `[ -z "$1" ] || . "$1"; exec "$2"`, "sh", h.Env, name)
	cmd.Dir = h.Dir
	cmd.Env = terminalEnv(s.k.Environ)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.k.Term.In, s.k.Term.Err, s.k.Term.Err
	fmt.Fprintf(s.k.Term.Err, "%s in %s; exit comes back\n", name, h.Dir)
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(s.k.Term.Err, "the shell ended: %v\n", err)
	}
}

// terminalEnv is what a shell needs of this one's environment besides the step's.
func terminalEnv(own []string) []string {
	var env []string
	for _, kv := range own {
		for _, p := range []string{"TERM=", "LANG=", "LC_", "PATH=", "COLORTERM="} {
			if strings.HasPrefix(kv, p) {
				env = append(env, kv)
			}
		}
	}
	return env
}
