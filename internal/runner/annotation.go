package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// annotationOf makes an annotation from the properties of a command. Places that
// contradict each other are dropped as the original does (ValidateLinesAndColumns).
func annotationOf(severity, message string, props map[string]string) cairn.Annotation {
	number := func(keys ...string) int {
		for _, key := range keys {
			if n, err := strconv.Atoi(strings.TrimSpace(props[key])); err == nil && n > 0 {
				return n
			}
		}
		return 0
	}
	line, endLine := number("line"), number("endline")
	col, endCol := number("col", "column"), number("endcolumn")
	if line == 0 {
		line = endLine
	}
	if col == 0 {
		col = endCol
	}
	if line == 0 || endLine != 0 && endLine != line || endCol != 0 && endCol < col {
		col, endCol = 0, 0
	}
	if endLine != 0 && endLine < line {
		line, endLine = 0, 0
	}
	a := cairn.Annotation{Severity: severity, Title: props["title"], Message: message}
	a.File, a.Line, a.Column, a.EndColumn = props["file"], line, col, endCol
	if endLine > line {
		a.EndLine = endLine
	}
	return a
}

// placed gives the properties of an annotation with its file as the repository
// knows it.
func (st *step) placed(props map[string]string) map[string]string {
	file := props["file"]
	if !filepath.IsAbs(file) {
		return props
	}
	root := st.x.Machine.Dirs().Workspace
	if rel, err := filepath.Rel(root, st.hostPath(file)); err == nil && filepath.IsLocal(rel) {
		props["file"] = filepath.ToSlash(rel)
	}
	return props
}

// hostPath is a path that a program printed, as this host knows it: in a container
// the folders of the job have other names.
func (st *step) hostPath(path string) string {
	if p, ok := st.x.hostPath(path); ok {
		return p
	}
	return path
}

// newOutput is what the processes of the step print into: commands are carried out,
// problem matchers look at the rest.
func (st *step) newOutput() *output {
	o := &output{log: st.log, do: st.command}
	o.match = &matching{
		set: &st.x.matchers, place: st.matchedFile,
		found: func(a cairn.Annotation, line string) {
			st.log.line("##[%s]%s", a.Severity, line)
			st.keep(a)
		},
		warn: func(message string) { st.annotate(AnnotationWarning, message, nil) },
	}
	st.out = o
	return o
}

// matchedFile turns a file name that a problem matcher captured into one of the
// repository. What is outside of it, or not there, is dropped as on GitHub.
func (st *step) matchedFile(file, from string) string {
	root := st.x.Machine.Dirs().Workspace
	if !filepath.IsAbs(file) && strings.TrimSpace(from) != "" {
		file = filepath.Join(filepath.Dir(from), file)
	}
	if filepath.IsAbs(file) {
		file = st.hostPath(file)
	} else {
		file = filepath.Join(root, file)
	}
	rel, err := filepath.Rel(root, file)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	if fi, err := os.Stat(file); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	// A checkout may lie in a folder of the workspace.
	for dir := filepath.Dir(rel); dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, ".git")); err == nil {
			rel, _ = filepath.Rel(dir, rel)
			break
		}
	}
	return filepath.ToSlash(rel)
}

// addMatcher takes up the problem matchers of a file.
func (st *step) addMatcher(file string) {
	if file == "" {
		st.annotate(AnnotationWarning, "File path must be specified.", nil)
		return
	}
	defs, err := st.readMatchers(file)
	if err == nil {
		err = st.x.matchers.add(defs)
	}
	if err != nil {
		st.fail(fmt.Sprintf("Unable to process command '::add-matcher::%s' successfully.", file))
		st.fail(err.Error())
		return
	}
	if st.x.Spec.Debug {
		var names []string
		for _, d := range defs {
			names = append(names, "'"+d.owner+"'")
		}
		st.log.line("##[debug]Added matchers: %s. Problem matchers scan action output for known warning or error strings and report these inline.", strings.Join(names, ", "))
	}
}

// removeMatcher takes away matchers by owner, or those that a file describes.
func (st *step) removeMatcher(owner, file string) {
	switch {
	case owner != "" && file != "":
		st.annotate(AnnotationWarning, "Either specify an owner name or a file path in ##[remove-matcher] command. Both values cannot be set.", nil)
		return
	case owner == "" && file == "":
		st.annotate(AnnotationWarning, "Either an owner name or a file path must be specified in ##[remove-matcher] command.", nil)
		return
	}
	gone := func(d *matcherDef) bool { return strings.EqualFold(d.owner, owner) }
	if file != "" {
		defs, err := st.readMatchers(file)
		if err != nil {
			st.fail(fmt.Sprintf("Unable to process command '::remove-matcher::%s' successfully.", file))
			st.fail(err.Error())
			return
		}
		gone = func(d *matcherDef) bool { return findMatcher(defs, d.owner) != nil }
	}
	st.x.matchers.remove(gone)
}

func (st *step) readMatchers(file string) ([]*matcherDef, error) {
	path := file
	if filepath.IsAbs(path) {
		path = st.hostPath(path)
	} else {
		path = filepath.Join(st.x.Machine.Dirs().Workspace, path)
	}
	text, err := readEnvFile(path, maxMatcherFile)
	if err == nil && text == nil {
		err = cairn.Errorf(cairn.CodeNotFound, "the file does not exist, or is empty")
	}
	var defs []*matcherDef
	if err == nil {
		defs, err = parseMatchers(text)
	}
	if err != nil {
		return nil, fmt.Errorf("problem matchers of %s: %w", file, err)
	}
	return defs, nil
}

// oldCommands allows set-env and add-path again, as on GitHub.
const oldCommands = "ACTIONS_ALLOW_UNSECURE_COMMANDS"

// oldCommand carries out set-env and add-path where the job allows them: whoever
// can print a line can then change the environment of later steps.
func (st *step) oldCommand(c Command, raw string) {
	allowed := false
	for _, layer := range []map[string]string{st.x.environ, st.x.jobEnv, st.scope.variables().environ(), st.env} {
		if v, ok := layer[oldCommands]; ok {
			allowed, _ = strconv.ParseBool(strings.TrimSpace(v))
		}
	}
	file := map[string]string{"set-env": fileEnv, "add-path": filePath}[c.Name]
	var err error
	switch name := c.Props["name"]; {
	case !allowed:
		err = fmt.Errorf("The `%s` command is disabled: write to the file that $%s names instead, or set %s to true", c.Name, file, oldCommands)
	case c.Name == "add-path" && c.Data == "":
		err = fmt.Errorf("Required field 'path' is missing in ##[add-path] command.")
	case c.Name == "add-path":
		st.addPath(c.Data)
	case name == "":
		err = fmt.Errorf("Required field 'name' is missing in ##[set-env] command.")
	default:
		err = st.setEnv(name, c.Data)
	}
	if err != nil {
		st.fail("Unable to process command '" + raw + "' successfully.")
		st.fail(err.Error())
	}
}

// deprecated warns once a job of a command that a file has taken the place of.
func (st *step) deprecated(command, file string) {
	st.x.mu.Lock()
	if st.x.warned == nil {
		st.x.warned = map[string]bool{}
	}
	before := st.x.warned[command]
	st.x.warned[command] = true
	st.x.mu.Unlock()
	if before {
		return
	}
	st.annotate(AnnotationWarning, fmt.Sprintf("The `%s` command is deprecated: write to the file that $%s names instead.", command, file), nil)
}
