package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options configure how git is run.
type Options struct {
	// Binary is the git to run; "" means the one on PATH.
	Binary string
	// Env is the caller's environment (os.Environ()); it is cleaned before use.
	// HOME and the user's configuration count for the user's working trees.
	Env []string
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Git runs git. It keeps no state.
type Git struct {
	binary string
	env    []string
	log    *slog.Logger
	now    func() time.Time
}

// New makes a Git. That there is a git to run shows at the first use.
func New(o Options) *Git {
	g := &Git{binary: o.Binary, log: o.Log, now: o.Now}
	if g.binary == "" {
		g.binary = "git"
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.now == nil {
		g.now = time.Now
	}
	for _, kv := range o.Env {
		if name, _, _ := strings.Cut(kv, "="); keepEnv(name) {
			g.env = append(g.env, kv)
		}
	}
	g.env = append(g.env, "LC_ALL=C", "LANGUAGE=", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=",
		"GIT_OPTIONAL_LOCKS=0", "GIT_PAGER=cat", "GIT_EDITOR=false")
	return g
}

// keepEnv drops what would point git elsewhere (a hook that calls us has GIT_DIR
// and GIT_INDEX_FILE set) and keeps what configures it.
func keepEnv(name string) bool {
	if !strings.HasPrefix(name, "GIT_") {
		return name != "LC_ALL" && name != "LANGUAGE" && name != "SSH_ASKPASS"
	}
	return strings.HasPrefix(name, "GIT_CONFIG_") && name != "GIT_CONFIG_PARAMETERS" ||
		name == "GIT_CEILING_DIRECTORIES" || name == "GIT_DISCOVERY_ACROSS_FILESYSTEM" ||
		name == "GIT_EXEC_PATH" || name == "GIT_SSL_NO_VERIFY" || name == "GIT_SSL_CAINFO"
}

// ownConfig keeps the user's and the system's configuration out.
var ownConfig = [...]string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_COUNT=0", "GIT_ATTR_NOSYSTEM=1"}

// call is one git process.
type call struct {
	dir   string // where it runs
	env   []string
	args  []string
	stdin io.Reader
	// out takes stdout; nil: run answers it, up to limit bytes (0: maxOutput).
	out   io.Writer
	limit int64
	// own leaves the user's configuration out.
	own bool
	// remote is the address that it talks to; "" for none.
	remote string
}

// maxOutput bounds what is kept of one process.
const maxOutput = 64 << 20

// hardened are settings that no configuration may change.
var hardened = [...]string{
	"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
	"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "protocol.version=2", "-c", "color.ui=false",
	"-c", "log.showSignature=false", "-c", "advice.addEmbeddedRepo=false",
}

func (g *Git) run(ctx context.Context, c call) ([]byte, error) {
	cmd := exec.CommandContext(ctx, g.binary, append(hardened[:len(hardened):len(hardened)], c.args...)...)
	cmd.Dir = c.dir
	cmd.Env = append(g.env[:len(g.env):len(g.env)], c.env...)
	if c.own {
		cmd.Env = append(cmd.Env, ownConfig[:]...)
	}
	cmd.Stdin = c.stdin
	// Its helpers (upload-pack, index-pack) end with it; on SIGTERM git removes its
	// temporary files.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	stderr := &bounded{limit: 16 << 10}
	cmd.Stderr = stderr
	out := &bounded{limit: c.limit}
	if c.limit == 0 {
		out.limit = maxOutput
	}
	cmd.Stdout = io.Writer(out)
	if c.out != nil {
		cmd.Stdout = c.out
	}
	started := g.now()
	err := cmd.Run()
	g.log.Debug("git", "args", c.args, "dir", c.dir, "took", g.now().Sub(started), "err", err)
	if err == nil && out.over {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "git %s answers more than %d bytes", verb(c.args), out.limit)
	}
	if err != nil {
		return out.buf.Bytes(), g.explain(ctx, c, err, stderr.buf.String())
	}
	return out.buf.Bytes(), nil
}

// line is run for answers of one line.
func (g *Git) line(ctx context.Context, c call) (string, error) {
	b, err := g.run(ctx, c)
	return strings.TrimSuffix(string(b), "\n"), err
}

// bounded keeps the first limit bytes and swallows the rest, so that the
// process comes to its end.
type bounded struct {
	buf   bytes.Buffer
	limit int64
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - int64(b.buf.Len()); int64(len(p)) > room {
		b.over = true
		b.buf.Write(p[:max(room, 0)])
	} else {
		b.buf.Write(p)
	}
	return len(p), nil
}

// exitError is a git process that failed in a way without a meaning of its own.
type exitError struct {
	code   int
	stderr string
}

func (e *exitError) Error() string { return fmt.Sprintf("exit %d: %s", e.code, e.stderr) }

func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return -1
}

func (g *Git) explain(ctx context.Context, c call, err error, stderr string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return cairn.Errorf(cairn.CodeUnavailable, "git is not installed, or not on PATH: %w", err).
			WithHint("install it with the system's package manager (package git)")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return cairn.Errorf(cairn.CodeUnavailable, "git could not be run: %w", err)
	}
	ee := &exitError{exit.ExitCode(), stderr}
	if c.remote != "" {
		if e := remoteTrouble(c.remote, stderr, ee); e != nil {
			return e
		}
	}
	if e := known(stderr, ee); e != nil {
		return e
	}
	return cairn.Errorf(cairn.CodeFailed, "git %s: %s%w", verb(c.args), complaint(stderr), hidden{ee})
}

// verb is the sub-command, behind the settings.
func verb(args []string) string {
	for len(args) > 2 && args[0] == "-c" {
		args = args[2:]
	}
	return args[0]
}

// hidden keeps a cause for errors.As without its text in the message.
type hidden struct{ error }

func (h hidden) Error() string { return "" }
func (h hidden) Unwrap() error { return h.error }

// known gives a meaning to what git says (in the C locale).
func known(stderr string, cause error) error {
	has := func(s string) bool { return strings.Contains(stderr, s) }
	switch {
	case has("dubious ownership"):
		dir := quoted(stderr)
		return cairn.Errorf(cairn.CodeForbidden, "the repository %s belongs to another user, and git refuses to read it%w", dir, hidden{cause}).
			WithHint("if you trust it: git config --global --add safe.directory %s", dir)
	case has("not a git repository"):
		return cairn.Errorf(cairn.CodeInvalid, "this folder is not in a git repository%w", hidden{cause}).
			WithHint("change into one, or make one: git init -b main && git add -A && git commit -m \"First commit\"")
	case has("No space left on device"), has("Disk quota exceeded"):
		return cairn.Errorf(cairn.CodeUnavailable, "the disk is full: %s%w", complaint(stderr), hidden{cause}).
			WithHint("free some space and try again")
	case has("does not have a commit checked out"):
		return cairn.Errorf(cairn.CodeInvalid, "%s%w", complaint(stderr), hidden{cause}).
			WithHint("a folder inside is a git repository of its own without commits: commit in it, ignore it, or remove its .git")
	case has("Permission denied"):
		return cairn.Errorf(cairn.CodeForbidden, "git cannot read all of the repository: %s%w", complaint(stderr), hidden{cause}).
			WithHint("make it readable for this user, or have git ignore it (.gitignore)")
	}
	return nil
}

// complaint is the first line in which git says what is wrong.
func complaint(stderr string) string {
	first := ""
	for l := range strings.SplitSeq(strings.TrimSpace(stderr), "\n") {
		l = strings.TrimSpace(l)
		for _, p := range []string{"fatal: ", "error: "} {
			if msg, ok := strings.CutPrefix(l, p); ok {
				return msg
			}
		}
		if first == "" {
			first = l
		}
	}
	if first == "" {
		return "it failed and did not say why"
	}
	return first
}

// quoted is the first text between single quotes.
func quoted(s string) string {
	_, s, _ = strings.Cut(s, "'")
	s, _, _ = strings.Cut(s, "'")
	return s
}
