package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/process"
)

// Deps is what a supervisor is given by the program it is part of.
type Deps struct {
	Registry runner.Registry
	// NewServer reaches the owner under the address and token of the job; "" for
	// both means that there is none.
	NewServer func(url, token string) runner.Server
	// Containers makes what runs the containers of a job. It must cost nothing before
	// it is used. nil: there are none.
	Containers func(ContainerJob) runner.Containers
	// Ended is called once the job's end is on the disk: it may start an owner
	// where there is none. nil: nothing is done.
	Ended  func(ctx context.Context)
	Now    func() time.Time
	Logger *slog.Logger
}

const maxHandover = 16 << 20

// SupervisorMain is the main function of `cairn _job <folder>`: it supervises a job
// to its end, and then those that its owner has for it, and returns the exit code of
// the process. Without a line to an owner stdin brings the secrets of the one job.
// The end of ctx ends the job by force; SIGTERM, which asks for an orderly end, is
// heard here and must not end ctx.
func SupervisorMain(ctx context.Context, dir string, stdin io.Reader, d Deps) int {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	o := callOwner()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	// Taken and dropped. Ignored ones would be ignored in every step too: no script
	// could trap the interrupt of a cancel, and Python would not raise it.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGHUP, syscall.SIGINT)
	defer signal.Stop(dropped)

	if o.line == nil {
		return superviseOne(ctx, layout(dir), "", stdin, o, d, signals)
	}
	before := layout("")
	for ctx.Err() == nil {
		l, h, ok := o.next()
		if !ok {
			return 0
		}
		if string(l) != dir {
			if err := moveTo(l); err != nil {
				o.tell("%s", oneLine(err))
				return 1
			}
			dir = string(l)
		}
		if code := superviseOne(ctx, l, before, h, o, d, signals); code != 0 {
			return code
		}
		before = l
		// One that came late was for the job before.
		for len(signals) > 0 {
			<-signals
		}
		o.tell(wordIdle)
	}
	return 0
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// superviseOne does one job. before is the one that this process did last; "": none.
func superviseOne(ctx context.Context, l, before layout, h io.Reader, o owner, d Deps, signals <-chan os.Signal) int {
	s := &supervisor{Deps: d, l: l, before: before}
	lock, err := s.begin(h)
	switch {
	case errors.Is(err, errBusy):
		o.tell(wordBusy)
		return 1
	case err != nil:
		o.tell("%s", oneLine(err))
		d.Logger.Error("the job was not started", "folder", string(l), "err", err)
		return 1
	}
	defer lock.Close()
	o.tell(wordOK)
	return s.run(ctx, signals)
}

// supervisor is one job's supervisor.
type supervisor struct {
	Deps
	l      layout
	before layout // of the job that this process did last; "": none
	spec   cairn.JobSpec
	h      handover
	id     identity
	left   []byte // for a job that goes on in the workspace; nil: it does not stay
}

// begin makes this process the job's supervisor. Nothing has run when it returns.
func (s *supervisor) begin(stdin io.Reader) (*os.File, error) {
	// All of stdin first: an owner that was killed half way leaves the job unstarted.
	b, err := io.ReadAll(io.LimitReader(stdin, maxHandover))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &s.h); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the secrets of the job did not arrive whole: %w", err)
	}
	text, err := os.ReadFile(s.l.spec())
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s.spec); err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "%s is damaged: %w", s.l.spec(), err)
	}
	lock, err := takeLock(s.l)
	if err != nil {
		return nil, err
	}
	if id, err := s.l.readIdentity(); err != nil || id != nil {
		lock.Close()
		if err == nil {
			err = errBusy // it was started before; it never runs twice
		}
		return nil, err
	}
	if err := becomeReaper(); err != nil {
		lock.Close()
		return nil, err
	}
	s.id = identity{Identity: proc.Self(), Mark: rand.Text()}
	who, err := json.Marshal(s.id)
	if err == nil {
		err = writeFile(s.l.pid(), who)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// run executes the job and ends what it left.
func (s *supervisor) run(ctx context.Context, signals <-chan os.Signal) int {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cancel, force := make(chan struct{}), make(chan struct{})
	done, deaf := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(deaf)
		s.listen(signals, cancel, force, stop, done)
	}()
	// It must not take a signal that is for the next job.
	defer func() { close(done); <-deaf }()

	rep, err := newReporter(s.l)
	if err != nil {
		s.Logger.Error("reports cannot be written", "err", err)
		return 1
	}
	defer rep.close()
	last := s.execute(ctx, rep, cancel, force)
	end := &last[len(last)-1]
	end.Killed = killRest(&s.id)
	end.At = s.Now().UTC()
	if s.left != nil && end.Conclusion.Bad() {
		// Before the last report: whoever reads of the failure may go on at once.
		if err := s.l.keep(s.left, s.h.Secrets.StateKey, end.At); err != nil {
			s.Logger.Warn("the workspace is not kept", "err", err)
		}
	}
	if err := rep.Report(last...); err != nil {
		// A last report without the rest is better than a lost job.
		s.Logger.Error("reports cannot be written", "err", err)
		short := cairn.Report{At: end.At, Kind: cairn.ReportFinished, Epoch: s.spec.Epoch, Conclusion: cairn.Failure,
			Killed: end.Killed, Reason: "the reports of the job cannot be written: " + err.Error()}
		if err := rep.Report(short); err != nil {
			return 1
		}
		*end = short
	}
	code := 0
	text, err := json.Marshal(end)
	if err == nil {
		err = writeFile(s.l.result(), text)
	}
	if err != nil {
		// Without it the end of the process is what tells that the job is over.
		s.Logger.Error("the result cannot be written", "err", err)
		code = 1
	}
	if s.Ended != nil {
		s.Ended(context.WithoutCancel(ctx))
	}
	if !s.h.Keep {
		if err := s.l.drop(); err != nil {
			s.Logger.Warn("folders of the job are left", "err", err)
		}
	}
	return code
}

// listen turns signals and the cancel file into a cancel in order or by force.
func (s *supervisor) listen(signals <-chan os.Signal, cancel, force chan struct{}, stop func(), done <-chan struct{}) {
	cancelled, forced := false, false
	look := func() {
		how, err := os.ReadFile(s.l.cancel())
		if errors.Is(err, fs.ErrNotExist) && s.before != "" && s.before.cancelled() {
			return // the file comes before the signal: this one is late, and was for the job before
		}
		if err == nil && strings.TrimSpace(string(how)) == "force" && !forced {
			forced = true
			close(force)
			stop()
		}
		if !cancelled {
			cancelled = true
			close(cancel)
		}
	}
	if s.l.cancelled() {
		look()
	}
	for {
		select {
		case <-signals:
			look()
		case <-done:
			return
		}
	}
}

func (s *supervisor) execute(ctx context.Context, rep *reporter, cancel, force <-chan struct{}) []cairn.Report {
	m, err := makeMachine(s.l, &s.spec, s.h, os.Environ(), s.id.Mark)
	if err != nil {
		return []cairn.Report{{
			At: s.Now().UTC(), Kind: cairn.ReportFinished, Epoch: s.spec.Epoch, Conclusion: cairn.Failure,
			Reason: "the job's folders cannot be made: " + diskError(err).Error(),
		}}
	}
	m.force = force
	secrets := s.h.Secrets
	secrets.Masks = append(secrets.Masks, credentials(os.Environ())...)
	j := runner.Job{
		Spec: &s.spec, Secrets: secrets, Machine: m, Reporter: rep, Registry: s.Registry,
		Now: s.Now, Logger: s.Logger, Cancel: cancel, CancelGrace: s.h.Grace.Cancel,
		Ignored: func(path string) bool { return gitIgnores(ctx, s.spec.Code.WorkDir, path) },
		Hold:    s.hold,
	}
	if s.h.KeepFailed && len(s.h.Secrets.StateKey) > 0 {
		j.Leave = func(state []byte) { s.left = state }
	}
	if s.spec.Resume != nil {
		if j.Left, err = s.readLeft(); err != nil {
			return []cairn.Report{{
				At: s.Now().UTC(), Kind: cairn.ReportFinished, Epoch: s.spec.Epoch, Conclusion: cairn.Failure,
				Reason: fmt.Sprintf("what job %d left cannot be read: %v; run the whole job again", s.spec.Resume.Job, err),
			}}
		}
	}
	if s.Containers != nil {
		m.containers = s.Containers(s.containerJob(m, secrets.Token, force))
		j.Containers = m.containers
	}
	if s.NewServer != nil {
		j.Server = s.NewServer(s.spec.BaseEnv["CAIRN_URL"], secrets.Token)
	}
	last := runner.Execute(ctx, j)
	s.stopContainers(ctx, m)
	return last
}

// readLeft reads what the job left in whose workspace this one goes on.
func (s *supervisor) readLeft() ([]byte, error) {
	sealed, err := os.ReadFile(jobLayout(s.l.home(), s.spec.Resume.Job, s.spec.Resume.Epoch).state())
	if err != nil {
		return nil, err
	}
	return unseal(sealed, s.h.Secrets.ResumeKey)
}

// gitIgnores asks git about a path of the user's working tree.
func gitIgnores(ctx context.Context, workDir, path string) bool {
	if workDir == "" {
		return false
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	return exec.CommandContext(ctx, "git", "-C", workDir, "check-ignore", "-q", "--", path).Run() == nil
}

// hold waits before a step of an interactive job: hold.json says where, env.sh
// has the step's environment for a shell, and a word written to the FIFO
// `control` lets the job go on.
func (s *supervisor) hold(ctx context.Context, p runner.HoldPoint) (runner.HoldAnswer, error) {
	if err := writeFile(s.l.env(), envScript(p)); err != nil {
		return "", err
	}
	defer os.Remove(s.l.env())
	if err := mkfifo(s.l.control()); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	// Opened for both, so that it has a reader and no end of file.
	f, err := os.OpenFile(s.l.control(), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer os.Remove(s.l.control())
	defer f.Close()
	text, err := json.Marshal(Held{Step: p.Step.Number, Name: p.Step.Name, Dir: p.Dir, Env: s.l.env()})
	if err != nil {
		return "", err
	}
	if err := writeFile(s.l.hold(), text); err != nil {
		return "", err
	}
	defer os.Remove(s.l.hold())
	unblock := context.AfterFunc(ctx, func() { f.Close() })
	defer unblock()
	buf := make([]byte, 64)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return "", err
		}
		switch a := runner.HoldAnswer(strings.TrimSpace(string(buf[:n]))); a {
		case runner.HoldGo, runner.HoldSkip, runner.HoldContinue, runner.HoldAbort:
			return a, nil
		}
	}
}

// envScript is a shell script that exports a step's environment.
func envScript(p runner.HoldPoint) []byte {
	var b strings.Builder
	for _, kv := range process.EnvList(p.Env) {
		name, value, _ := strings.Cut(kv, "=")
		if !isIdentifier(name) {
			continue
		}
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return []byte(b.String())
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
