package wheel

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// run executes a tool in a folder and returns what it printed.
func run(ctx context.Context, t Tool, args []string, dir string) (stdout, stderr string, err error) {
	var out, errs tail
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, t.Env, &out, &errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Second
	err = cmd.Run()
	return string(out.b), string(errs.b), err
}

var (
	noWheelSaysRE = regexp.MustCompile(`(?i)no (usable )?wheels|has no wheels|no-build|only-binary|from versions: none|No matching distribution`)
	packageSaysRE = regexp.MustCompile(`(?:Because (?:only )?|No matching distribution found for )([A-Za-z0-9][A-Za-z0-9._-]*)((?:==[A-Za-z0-9.+!_-]+)?)(?: has no|\s*$)`)
	networkSaysRE = regexp.MustCompile(`(?i)failed to fetch|error sending request|dns error|connection (refused|reset|timed out)|Max retries exceeded|NewConnectionError|timed out|status code 5\d\d|\b50[234] `)
)

func resolveError(ctx context.Context, t *target, tool, said string, err error) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	text := lastLines(said, 8)
	if text == "" {
		text = err.Error()
	}
	switch {
	case networkSaysRE.MatchString(said):
		return cairn.Errorf(cairn.CodeUnavailable, "the index cannot be reached: %s: %s", tool, text).
			WithHint("%s is used as you have it configured (index, proxy, certificates)", tool)
	case noWheelSaysRE.MatchString(said):
		what := "there is no wheel"
		if m := packageSaysRE.FindStringSubmatch(said); m != nil {
			what = strings.Replace(m[1]+m[2], "==", " ", 1) + " has no wheel"
		}
		return cairn.Errorf(cairn.CodeUnsupported, "%s for %s: %s: %s", what, t, tool, text).
			WithHint("wanted is a wheel with a tag like %s or py3-none-any; name a version that has one, or build with Docker or buildah", t.list[0])
	}
	return cairn.Errorf(cairn.CodeFailed, "the requirements cannot be resolved for %s: %s: %s", t, tool, text)
}

func canceled(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return cairn.Errorf(cairn.CodeUnavailable, "resolving or fetching packages took too long: %w", ctx.Err())
	}
	return cairn.Errorf(cairn.CodeCanceled, "interrupted: %w", ctx.Err())
}

// lastLines returns the last n lines that say something, on one line, without
// credentials.
func lastLines(s string, n int) string {
	var keep []string
	for l := range strings.SplitSeq(s, "\n") {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "[notice]") && !strings.HasPrefix(l, "WARNING: Running pip as") {
			keep = append(keep, redact(l))
		}
	}
	if len(keep) > n {
		keep = keep[len(keep)-n:]
	}
	return strings.Join(keep, " ")
}

// tail keeps the last 16 KiB.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 32<<10 {
		t.b = append(t.b[:0], t.b[len(t.b)-16<<10:]...)
	}
	return len(p), nil
}
