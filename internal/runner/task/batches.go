package task

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

//go:embed batches.py
var batchesScript []byte

// batchesSpec is what batches.py is told.
type batchesSpec struct {
	Entry        string   `json:"entry"`
	Args         []string `json:"args"`
	Input        string   `json:"input"`
	InputType    string   `json:"input_type"`
	Size         string   `json:"size"`
	Partition    []string `json:"partition"`
	AppendTo     string   `json:"append_to,omitempty"`
	AppendFolder bool     `json:"append_folder"`
	Workers      int      `json:"workers"`
	Retries      int      `json:"retries"`
	Timeout      float64  `json:"timeout"`
	MaxErrors    int      `json:"max_errors"`
	MaxFailures  int      `json:"max_failures"`
}

// runBatches runs a script over mini-batches of an input.
func runBatches(ctx context.Context, c *runner.StepContext, env map[string]string, log *taskLog) (int, error) {
	l, t := layoutOf(c), c.Spec.Task
	b := t.Task.Batches
	if b == nil {
		return 0, cairn.Errorf(cairn.CodeInvalid, "the task names no script to run over its input")
	}
	spec := batchesSpec{
		Entry: filepath.Join(l.work(), filepath.FromSlash(b.Entry)), Input: l.input(b.Input), Size: b.Size, Partition: b.Partition,
		Workers: b.Workers, Retries: b.Retries, Timeout: b.Timeout, MaxErrors: b.MaxErrors, MaxFailures: b.MaxFailures,
	}
	if rel, err := filepath.Rel(l.work(), spec.Entry); err != nil || !filepath.IsLocal(rel) {
		return 0, cairn.Errorf(cairn.CodeInvalid, "entry_script %q leads out of the code", b.Entry)
	}
	if !exists(spec.Entry) {
		return 0, cairn.Errorf(cairn.CodeNotFound, "entry_script %q is not in the code", b.Entry)
	}
	if spec.Workers == 0 {
		spec.Workers = runtime.NumCPU()
	}
	for _, in := range t.Task.Inputs {
		if in.Name == b.Input {
			spec.InputType = in.Type
		}
	}
	if b.AppendTo != "" {
		spec.AppendTo, spec.AppendFolder = l.output(b.AppendTo), true
		for _, o := range t.Task.Outputs {
			if o.Name == b.AppendTo && isFile(o.Type) {
				spec.AppendFolder = false
			}
		}
		env["AZUREML_BI_OUTPUT_PATH"] = spec.AppendTo
	}
	text, err := evaluate(c, b.Args)
	if err != nil {
		return 0, cairn.Errorf(cairn.CodeInvalid, "program_arguments: %w", err)
	}
	if spec.Args, err = words(text); err != nil {
		return 0, cairn.Errorf(cairn.CodeInvalid, "program_arguments: %w", err)
	}
	dir := filepath.Join(c.Dirs.Temp, "_task")
	if err := made(dir); err != nil {
		return 0, err
	}
	described, err := json.Marshal(spec)
	if err != nil {
		return 0, err
	}
	script, file := filepath.Join(dir, "batches.py"), filepath.Join(dir, "batches.json")
	for name, b := range map[string][]byte{script: batchesScript, file: described} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return 0, cairn.Errorf(cairn.CodeFailed, "the mini-batches cannot be described: %w", err)
		}
	}
	c.Logf("$ %s %s", b.Entry, text)
	return c.Exec(ctx, runner.Process{Args: []string{"python", script, file}, Dir: l.work(), Env: env, Stdout: log, Stderr: log})
}

// words takes arguments apart as a shell does, without anything that a shell would fill in.
func words(s string) ([]string, error) {
	out := []string{}
	var word strings.Builder
	in, quote, escaped := false, rune(0), false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, in = r, true
		case unicode.IsSpace(r):
			if in {
				out = append(out, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "a quote is not closed")
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}
