package serve

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

func TestWithoutSystemdItSaysWhatToDo(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOME": t.TempDir(), "CAIRN_HOME": "/data/cairn", "PATH": "/usr/bin"}
	get := func(name string) string { return env[name] }
	var out, errs bytes.Buffer
	in := installer{k: &kit.Kit{Term: term.New(strings.NewReader(""), &out, &errs, get), Env: get, Dir: "/"}}
	if in.answers(t.Context()) == "" {
		t.Skip("a systemd answers here: it would be changed")
	}
	err := in.install(t.Context())
	if cairn.CodeOf(err) != cairn.CodeUnsupported || !strings.Contains(err.Error(), "no unit was installed: ") || !strings.Contains(cairn.AsError(err).Hint, "/etc/rc.local") {
		t.Errorf("%v", err)
	}
	if got := out.String(); !strings.HasPrefix(got, "export CAIRN_HOME=/data/cairn\nwhile true; do ") || !strings.HasSuffix(got, " serve; sleep 1; done &\n") {
		t.Errorf("%s", got)
	}
	if err := in.uninstall(t.Context()); err != nil || !strings.Contains(errs.String(), "no unit is installed: there is no "+env["HOME"]+"/.config/systemd/user/cairn.service") {
		t.Errorf("%v, %s", err, errs.String())
	}
}
