package az

import (
	"io"
	"testing"
	"time"

	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// testKit is a kit without a server.
func testKit(t *testing.T, out, errs io.Writer, env map[string]string) *kit.Kit {
	t.Helper()
	get := func(name string) string { return env[name] }
	return &kit.Kit{Term: term.New(nil, out, errs, get), Env: get, Dir: t.TempDir(), Now: func() time.Time { return time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC) }}
}
