package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
)

// explainError logs what ended the step, keeps it as an annotation, and adds a
// hint where the output shows a usual mistake.
func (st *step) explainError(err error) {
	if errors.Is(err, syscall.ENOSPC) {
		err = logFailed(err)
	}
	var shown told
	logged := st.fault != nil && errors.Is(err, st.fault) || errors.As(err, &shown)
	if !logged {
		logError(st.log, err)
		st.keep(cairn.Annotation{Severity: AnnotationError, Message: err.Error()})
	}
	if !isExit(err) || st.out == nil || st.row.ExitCode == nil {
		return
	}
	if h := st.x.scriptHint(string(st.out.tail), *st.row.ExitCode, st.dir); h != "" {
		st.log.line("Hint: %s", h)
	}
}

// logFailed says what to do when the disk is full.
func logFailed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cairn.Error{Code: cairn.CodeFailed, Err: err, Message: "no space left on the disk that holds CAIRN_HOME: part of the log is lost",
			Hint: "free some space and run the job again"}
	}
	return fmt.Errorf("the log cannot be written: %w", err)
}

// missingFile finds the path in what programs say about a file that is not there.
func missingFile(tail string) string {
	patterns := []string{
		`No such file or directory: '([^']+)'`,                            // Python's open
		`can't open file '([^']+)': \[Errno 2\]`,                          // python script.py
		`Could not open requirements file: .*No such file.*: '([^']+)'`,   // pip
		`[a-z]+: (?:cannot [a-z]+ )?'?([^\s:']+)'?: No such file or dire`, // cat, ls, bash
		`(?m)cannot open ([^:\n]+): No such file$`,                        // dash
		`File not found: \x60?([^\s\x60']+)`,                              // uv
	}
	for _, p := range patterns {
		if m := regexp.MustCompile(p).FindAllStringSubmatch(tail, -1); m != nil {
			return m[len(m)-1][1]
		}
	}
	return ""
}

// scriptHint looks at the end of a failed script's output. dir is where it ran.
func (x *executor) scriptHint(tail string, code int, dir string) string {
	root := x.Machine.Dirs().Workspace
	switch {
	case strings.Contains(tail, "No space left on device"):
		return "a disk is full: free some space and run the job again"
	case regexp.MustCompile(`\bpython: (command )?not found`).MatchString(tail):
		return "this machine has no `python`: add actions/setup-python before this step, or write python3"
	case regexp.MustCompile(`\bpip3?: (command )?not found`).MatchString(tail):
		return "this machine has no `pip`: add actions/setup-python before this step, or write python3 -m pip"
	case strings.Contains(tail, "Could not find an activated virtualenv"):
		return "this pip would have changed a Python of this computer: use pip, python -m pip, a virtual environment or actions/setup-python; for a conda environment that the job makes, set PIP_REQUIRE_VIRTUALENV: 'false' in env"
	case code == 137:
		return "the process was killed (SIGKILL); often the machine ran out of memory"
	case code == 126:
		return "the file is not executable: `git update-index --chmod=+x FILE`, or name the interpreter (bash FILE)"
	}
	if m := regexp.MustCompile(`(?m)^\S*script\.sh: line \d+: (?:syntax error|unexpected EOF)`).FindString(tail); m != "" {
		return "bash cannot read this step's script; lines are counted from the first line under `run`"
	}
	if m := regexp.MustCompile(`(?m)^\S*script\.sh: (?:line )?\d+: ([^\s:]+): (?:command )?not found$`).FindStringSubmatch(tail); m != nil && code == 127 {
		return fmt.Sprintf("there is no program %q on this machine's PATH: install it, or have a step before add its folder to $GITHUB_PATH", m[1])
	}
	if m := regexp.MustCompile(`ModuleNotFoundError: No module named '([^'.]+)`).FindStringSubmatch(tail); m != nil {
		return fmt.Sprintf("the package that brings %q is not installed in this job: add it to requirements.txt, or install it in a step before", m[1])
	}
	if h := x.fileHint(tail, root, dir); h != "" {
		return h
	}
	return indexHint(tail)
}

// fileHint looks for a file that is not where the script took it to be.
func (x *executor) fileHint(tail, root, dir string) string {
	file := missingFile(tail)
	if file == "" {
		return ""
	}
	rel := file
	if !filepath.IsAbs(file) {
		rel = filepath.Join(dir, file)
	}
	rel, err := filepath.Rel(root, rel)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, file)); err == nil && !filepath.IsAbs(file) {
		return fmt.Sprintf("%s is in the workspace, but the step runs in another folder: set working-directory, or write the path from there", file)
	}
	if entries, err := os.ReadDir(root); err == nil && len(entries) == 0 {
		return x.missingHint(rel, root)
	}
	if x.Ignored != nil && x.Ignored(rel) {
		return x.missingHint(rel, root)
	}
	if near := nearPath(rel, root); near != "" {
		return fmt.Sprintf("there is no %s in the workspace: did you mean %s?", rel, near)
	}
	return x.holds(rel, root)
}

// indexHint looks for what pip and uv say of a package that they cannot get.
func indexHint(tail string) string {
	// Cairn's own attempt to get uv is another thing, and no failure.
	tail = regexp.MustCompile(`(?m)^.*uv could not be fetched.*$`).ReplaceAllString(tail, "")
	unreachable := regexp.MustCompile(`Failed to fetch: |NewConnectionError|ConnectTimeoutError|Temporary failure in name resolution|Max retries exceeded with url`)
	switch {
	case unreachable.MatchString(tail):
		return "the package index cannot be reached: is there a network, is the index right (pip config list, PIP_INDEX_URL), is a proxy needed (HTTPS_PROXY)?"
	case strings.Contains(tail, "(from versions: none)"), strings.Contains(tail, "was not found in the package registry"):
		return "the package index has no such package, or it cannot be reached: look at the spelling, then at network, PIP_INDEX_URL and HTTPS_PROXY"
	case strings.Contains(tail, "No matching distribution found for"):
		return "the package index has the package, but not this version of it for this Python: the versions that there are stand above"
	}
	return ""
}

// holds says what lies where a file was looked for.
func (x *executor) holds(rel, root string) string {
	dir := filepath.Dir(rel)
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("there is no folder %s in the workspace, where the commit's files are", dir)
	}
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if e.Name() != ".git" {
			names = append(names, e.Name())
		}
	}
	const most = 8
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	if dir == "." {
		dir = "the workspace"
	}
	return fmt.Sprintf("there is no %s: %s holds %s%s", rel, dir, strings.Join(names, ", "), more)
}
