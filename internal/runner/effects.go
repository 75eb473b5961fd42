package runner

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxAnnotations is how many annotations of one severity a step may raise.
const maxAnnotations = 10

// takeFiles carries out what the step wrote into its environment files. It does
// so for a failed step too.
func (st *step) takeFiles() {
	for _, name := range envFiles() {
		if err := st.takeFile(name); err != nil {
			what := strings.ToLower(strings.TrimPrefix(name, "GITHUB_"))
			st.fail(fmt.Sprintf("Unable to process file command '%s' successfully.", what))
			st.fail(err.Error())
		}
	}
	st.files = nil
}

func (st *step) takeFile(name string) error {
	limit := int64(maxEnvFile)
	if name == fileSummary {
		limit = maxSummary
	}
	text, err := st.x.readStepFile(st.files[name], limit)
	if err != nil {
		if name == fileSummary && cairn.CodeOf(err) == cairn.CodeTooLarge {
			// GitHub leaves the summary out and does not fail the step.
			st.annotate(AnnotationError, fmt.Sprintf("$GITHUB_STEP_SUMMARY upload aborted: %s", err.Error()), nil)
			return nil
		}
		return err
	}
	if len(text) == 0 {
		return nil
	}
	switch name {
	case fileSummary:
		st.addSummary(strings.ToValidUTF8(string(text), "\uFFFD"))
		return nil
	case filePath:
		for _, p := range ParsePathFile(string(text)) {
			st.addPath(p)
		}
		return nil
	}
	if name == fileMade {
		return st.takeSubjects(string(text))
	}
	vars, err := ParseEnvFile(string(text))
	// What stands before a mistake holds, as on GitHub.
	for _, v := range vars {
		switch name {
		case fileEnv:
			if e := st.setEnv(v.Name, v.Value); e != nil && err == nil {
				err = e
			}
		case fileOutput:
			st.outputs[v.Name] = v.Value
		case fileState:
			st.saveState(v.Name, v.Value)
		}
	}
	return err
}

// setEnv sets a variable for the steps after this one.
func (st *step) setEnv(name, value string) error {
	warning, err := checkEnvName(name, st.x.reserved)
	if err != nil {
		return err
	}
	if warning != "" {
		st.annotate(AnnotationWarning, warning, nil)
		return nil
	}
	st.scope.variables().setEnv(name, value)
	return nil
}

func (st *step) saveState(name, value string) {
	if st.call == nil {
		return // a script has no later stage
	}
	if st.call.state == nil {
		st.call.state = map[string]string{}
	}
	st.call.state[name] = value
}

// addSummary adds to the summary of the step that is shown.
func (st *step) addSummary(text string) {
	row := st.top().row
	text = st.x.masks.String(text)
	if row.Summary != "" && !strings.HasSuffix(row.Summary, "\n") {
		row.Summary += "\n"
	}
	row.Summary += text
}

// addPath puts a folder first on PATH for later steps.
func (st *step) addPath(dir string) { st.scope.variables().addPath(dir) }

// fail records a fault that fails the step even when its script succeeds.
func (st *step) fail(message string) {
	if st.fault == nil {
		st.fault = cairn.Errorf(cairn.CodeFailed, "%s", message)
	}
	st.annotate(AnnotationError, message, nil)
}

// annotate logs a notice, warning or error and keeps it with the step.
func (st *step) annotate(severity, message string, props map[string]string) {
	if st.log != nil {
		for line := range strings.Lines(message) {
			st.log.line("##[%s]%s", severity, strings.TrimRight(line, "\r\n"))
		}
	}
	if severity == AnnotationError {
		st.lastError = message
	}
	st.keep(annotationOf(severity, message, props))
}

// keep adds an annotation, masked, within the limit of its severity.
func (st *step) keep(a cairn.Annotation) {
	n, row := 0, st.top().row
	for _, have := range row.Annotations {
		if have.Severity == a.Severity {
			n++
		}
	}
	if n >= maxAnnotations {
		return
	}
	m := st.x.masks
	a.Message, a.Title, a.File = m.String(a.Message), m.String(a.Title), m.String(a.File)
	row.Annotations = append(row.Annotations, a)
}

// command carries out one workflow command. It is called under the lock of the
// step's output, so one at a time.
func (st *step) command(c Command, raw string) {
	if st.echo && c.Name != "add-mask" && c.Name != "debug" && c.Name != "group" && c.Name != "endgroup" &&
		c.Name != AnnotationNotice && c.Name != AnnotationWarning && c.Name != AnnotationError && c.Name != "echo" {
		st.log.line("%s", raw)
	}
	switch c.Name {
	case AnnotationNotice, AnnotationWarning, AnnotationError:
		st.annotate(c.Name, c.Data, st.placed(c.Props))
	case "debug":
		if st.x.Spec.Debug {
			for line := range strings.Lines(c.Data) {
				st.log.line("##[debug]%s", strings.TrimRight(line, "\r\n"))
			}
		}
	case "group":
		st.log.line("##[group]%s", c.Data)
	case "endgroup":
		st.log.line("##[endgroup]")
	case "add-mask":
		st.addMask(c.Data)
	case "set-output":
		if name := c.Props["name"]; name == "" {
			st.fail("Unable to process command '" + raw + "' successfully. Required field 'name' is missing in ##[set-output] command.")
		} else {
			st.outputs[name] = c.Data
			st.deprecated(c.Name, fileOutput)
		}
	case "save-state":
		if name := c.Props["name"]; name == "" {
			st.fail("Unable to process command '" + raw + "' successfully. Required field 'name' is missing in ##[save-state] command.")
		} else {
			st.saveState(name, c.Data)
			st.deprecated(c.Name, fileState)
		}
	case "set-env", "add-path":
		st.oldCommand(c, raw)
	case "echo":
		st.setEcho(c.Data)
	case "add-matcher":
		st.addMatcher(c.Data)
	case "remove-matcher":
		st.removeMatcher(c.Props["owner"], c.Data)
	}
}

func (st *step) setEcho(v string) {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "on":
		st.echo = true
	case "off":
		st.echo = false
	default:
		st.fail("Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '" + v + "'.")
	}
}

func (st *step) addMask(v string) {
	switch {
	case strings.TrimSpace(v) == "":
		st.annotate(AnnotationWarning, "Can't add secret mask for empty string in ##[add-mask] command.", nil)
	case !st.x.masks.Add(v):
		st.annotate(AnnotationWarning, fmt.Sprintf("a value of fewer than %d characters cannot be masked", MinMask), nil)
	case st.echo:
		st.log.line("::add-mask::***")
	}
	st.x.noteMask(v)
}
