package task

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/task/pylib"
)

// runAction is the third step: the command.
type runAction struct{}

func (runAction) Run(ctx context.Context, c *runner.StepContext) error {
	t := c.Spec.Task
	log, err := openLog(c)
	if err != nil {
		return err
	}
	defer log.Close()
	env, err := variables(c)
	if err != nil {
		return err
	}
	var code int
	switch {
	case t.Task.Kind == cairn.TaskParallel:
		code, err = runBatches(ctx, c, env, log)
	case t.Task.Spread != nil:
		var text string
		if text, err = command(c); err == nil {
			code, err = runSpread(ctx, c, text, env, log)
		}
	default:
		var text string
		if text, err = command(c); err == nil {
			var p runner.Process
			if p, err = shell(c, text, env, "command"); err == nil {
				p.Stdout, p.Stderr = log, log
				code, err = c.Exec(ctx, p)
			}
		}
	}
	log.flush()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code != 0 {
		return failed(code, log.last())
	}
	return nil
}

// failed says how a command ended, with what it printed last.
func failed(code int, last []string) error {
	e := cairn.Errorf(cairn.CodeFailed, "the command ended with exit code %d", code)
	if len(last) == 0 {
		return e
	}
	return cairn.Errorf(cairn.CodeFailed, "the command ended with exit code %d; its last lines:\n%s", code, strings.Join(last, "\n"))
}

// command is the text of the command with its bindings filled in, and shows it.
func command(c *runner.StepContext) (string, error) {
	text, err := evaluate(c, c.Spec.Task.Task.Command)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "command: %w", err)
	}
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		c.Logf("$ %s", strings.TrimRight(line, "\n"))
	}
	return text, nil
}

// shell is a process that runs a command as a service does: bash, and its last command's
// exit code counts.
func shell(c *runner.StepContext, text string, env map[string]string, name string) (runner.Process, error) {
	dir := filepath.Join(c.Dirs.Temp, "_task")
	if err := made(dir); err != nil {
		return runner.Process{}, err
	}
	script := filepath.Join(dir, name+".sh")
	if err := os.WriteFile(script, []byte(strings.ReplaceAll(text, "\r\n", "\n")+"\n"), 0o700); err != nil {
		return runner.Process{}, cairn.Errorf(cairn.CodeFailed, "the command cannot be written: %w", err)
	}
	program := "bash"
	if c.InContainer && c.LookPath != nil {
		if _, err := c.LookPath(program); err != nil {
			program = "sh" // as steps of workflows have it in a container
		}
	}
	return runner.Process{Args: []string{program, script}, Dir: layoutOf(c).work(), Env: env}, nil
}

// variables is the environment of the command.
func variables(c *runner.StepContext) (map[string]string, error) {
	l, t := layoutOf(c), c.Spec.Task
	env := maps.Clone(c.Env)
	if env == nil {
		env = map[string]string{}
	}
	env["AZUREML_CR_DATA_CAPABILITY_PATH"] = l.data()
	env["AZUREML_CR_EXECUTION_WORKING_DIR_PATH"] = l.work()
	env["AZUREML_SCRIPT_DIRECTORY_NAME"] = l.work()
	env["AZUREML_RUN_TOKEN"] = env["CAIRN_TOKEN"]
	for _, v := range t.Values {
		name := strings.ReplaceAll(v.Name, ".", "_")
		if v.Data != nil || v.List != nil {
			env["AZURE_ML_INPUT_"+name], env["AZUREML_DATAREFERENCE_"+name] = l.input(v.Name), l.input(v.Name)
		} else {
			env["AZUREML_PARAMETER_"+name] = v.Text
		}
	}
	for _, o := range t.Task.Outputs {
		name := strings.ReplaceAll(o.Name, ".", "_")
		env["AZURE_ML_OUTPUT_"+name], env["AZUREML_DATAREFERENCE_"+name] = l.output(o.Name), l.output(o.Name)
	}
	maps.Copy(env, t.Task.Environment.Variables)
	for _, v := range t.Task.Variables {
		text, err := evaluate(c, v.Value)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "environment_variables.%s: %w", v.Name, err)
		}
		env[v.Name] = text
	}
	// Modules that an environment may lack come last: an installed one wins.
	shared := c.Dirs.Cache
	if shared == "" || c.InContainer { // which has none of this machine's folders but the job's

		shared = filepath.Join(c.Dirs.Temp, "_task")
	}
	if dir, err := pylib.Install(filepath.Join(shared, "pylib")); err == nil {
		env["PYTHONPATH"] = strings.TrimPrefix(env["PYTHONPATH"]+string(os.PathListSeparator)+dir, string(os.PathListSeparator))
	}
	// As in a service: what a script prints is seen at once.
	if _, set := env["PYTHONUNBUFFERED"]; !set {
		env["PYTHONUNBUFFERED"] = "1"
	}
	return env, nil
}

// maxLast bounds the lines that a failure repeats.
const (
	maxLast     = 20
	maxLastLine = 500
)

// taskLog writes what the command prints to the step's log and to user_logs/std_log.txt,
// with what is secret hidden in both.
type taskLog struct {
	mu    sync.Mutex
	step  io.Writer
	file  *os.File
	clean func(string) string
	rest  []byte
	lines []string
}

// maxStdLog bounds the file: the step's log has a bound of its own.
const maxStdLog = 64 << 20

func openLog(c *runner.StepContext) (*taskLog, error) {
	path := filepath.Join(layoutOf(c).logs(), "user_logs", "std_log.txt")
	if err := made(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the task's log cannot be written: %w", err)
	}
	clean := c.Clean
	if clean == nil {
		clean = func(s string) string { return s }
	}
	return &taskLog{step: c.Log, file: f, clean: clean}, nil
}

func (l *taskLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.step != nil {
		if _, err := l.step.Write(p); err != nil {
			return 0, err
		}
	}
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < 64<<10 {
			return len(p), nil
		}
		if i < 0 {
			i = len(l.rest) - 1
		}
		l.line(string(l.rest[:i+1]))
		l.rest = l.rest[i+1:]
	}
}

func (l *taskLog) line(s string) {
	s = l.clean(s)
	if fi, err := l.file.Stat(); err == nil && fi.Size() < maxStdLog {
		_, _ = l.file.WriteString(s) // the step's log has it as well
	}
	s = strings.TrimRight(s, "\r\n")
	if len(s) > maxLastLine {
		s = strings.ToValidUTF8(s[:maxLastLine], "") + "…"
	}
	if strings.TrimSpace(s) == "" {
		return
	}
	if l.lines = append(l.lines, s); len(l.lines) > maxLast {
		l.lines = l.lines[1:]
	}
}

func (l *taskLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.line(string(l.rest))
		l.rest = nil
	}
}

// last are the last lines that were printed.
func (l *taskLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

// Close ends the file.
func (l *taskLog) Close() error { return l.file.Close() }

// prefixed marks the lines of one of several processes.
type prefixed struct {
	to   io.Writer
	mark string
	rest []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(p.to, "[%s] %s", p.mark, p.rest[:i+1]); err != nil {
			return 0, err
		}
		p.rest = p.rest[i+1:]
	}
}

func (p *prefixed) flush() {
	if len(p.rest) > 0 {
		fmt.Fprintf(p.to, "[%s] %s\n", p.mark, p.rest)
		p.rest = nil
	}
}
