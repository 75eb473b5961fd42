package deploy

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// tellJob gives the step that this runs in its outputs, and a line of its summary.
// A file that cannot be written fails nothing: what happened on the stage happened.
func (w *watcher) tellJob() {
	if w.k.Env("CAIRN_TOKEN") == "" {
		return // not in a job: the variables of another one mean nothing
	}
	d := w.d
	out := fmt.Sprintf("deployment=%d\nrelease=%s\n", d.ID, d.Release)
	line := fmt.Sprintf("**%s**: release %s, deployment %d is %s", d.Stage, d.Release, d.ID, d.Status)
	switch d.Status {
	case cairn.DeployLive, cairn.DeployReplaced:
		out += "url=" + d.URL + "\n"
		line = fmt.Sprintf("**%s**: release %s is live at <%s>, deployment %d", d.Stage, d.Release, d.URL, d.ID)
	case cairn.DeployFailed, cairn.DeployRejected:
		// It is nobody's Markdown: a program's last words may be in it.
		why := strings.Join(strings.Fields(strings.ReplaceAll(term.Clean(d.Reason), "`", "'")), " ")
		line = fmt.Sprintf("**%s**: deployment %d of release %s %s: `%s`", d.Stage, d.ID, d.Release, d.Status, why)
	}
	for name, text := range map[string]string{"GITHUB_OUTPUT": out, "GITHUB_STEP_SUMMARY": line + "\n"} {
		file := w.k.Env(name)
		if file == "" {
			continue
		}
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o666)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			fmt.Fprintf(w.k.Term.Err, "warning: %s cannot be written: %v\n", name, err)
		}
	}
}
