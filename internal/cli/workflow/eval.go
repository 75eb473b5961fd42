package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/spf13/cobra"
)

const (
	maxContexts = 10 << 20 // bytes of a file of contexts
	maxEvalLine = 4 << 20  // bytes of one line of a batch
	maxShown    = 120      // characters of a value in a tree
	wrongInput  = "input"  // kind of error: what was given is no question at all
)

// Evaluated is the answer of cairn workflow eval: a value with its kind, or an
// error with its kind.
type Evaluated struct {
	Kind  string          `json:"kind,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Text is the value where JSON has none for it: NaN, Infinity, -Infinity.
	Text  string     `json:"text,omitempty"`
	Error *EvalError `json:"error,omitempty"`
	// Tree is what each part came to, with --explain.
	Tree *EvalPart `json:"tree,omitempty"`
}

// EvalError is why there is no value. Its kind is lexing, parsing or evaluation;
// its message is in GitHub's words.
type EvalError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// EvalPart is one part of an expression with what it came to.
type EvalPart struct {
	Expr    string     `json:"expr"`
	Kind    string     `json:"kind,omitempty"`
	Value   string     `json:"value,omitempty"` // as people read it, shortened
	Error   string     `json:"error,omitempty"`
	Skipped bool       `json:"skipped,omitempty"` // the result was decided before
	Parts   []EvalPart `json:"parts,omitempty"`
}

// evaluation is what the flags of cairn workflow eval ask for.
type evaluation struct {
	contexts  map[string]expr.Value
	files     string // folder whose files hashFiles reads
	condition bool
	explain   bool
}

func newEval(k *kit.Kit) *cobra.Command {
	var file string
	var batch bool
	var e evaluation
	cmd := &cobra.Command{
		Use:   "eval EXPR",
		Short: "Evaluate an expression of the workflow language",
		Long: `Evaluate an expression of the workflow language, as a workflow would.

EXPR may stand in ${{ }}. Its contexts (github, needs, matrix, …) are the fields of the
object in a JSON file. success() and failure() go by job.status where there is one, else by
the results in needs; failure('build') asks about one job; cancelled() goes by job.status.

The answer is one line of JSON: the value with its kind, or the error with its kind
(lexing, parsing or evaluation), and then the exit code is 1. With --batch every line of
stdin is a question, {"expr": "…", "contexts": {…}}, and every line of stdout its answer.`,
		Example: `cairn workflow eval "startsWith(github.ref, 'refs/tags/')" --context contexts.json
cairn workflow eval "github.ref == 'refs/heads/main'" --context contexts.json --explain
cairn workflow eval "hashFiles('**/requirements.txt')" --files .
cairn workflow eval --batch < questions.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if batch {
				return kit.Args(0, 0)(c, args)
			}
			return kit.Args(1, 1, "EXPR")(c, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVar(&file, "context", "", "`FILE` with the contexts, a JSON object; - reads stdin")
	f.StringVar(&e.files, "files", "", "`DIR` whose files hashFiles reads, as a job's workspace")
	f.BoolVar(&e.condition, "if", false, "evaluate as an if: success() is added where no status is asked")
	f.BoolVar(&e.explain, "explain", false, "show what each part came to")
	f.BoolVar(&batch, "batch", false, "answer the questions on stdin, line by line")
	_ = cmd.MarkFlagFilename("context", "json")
	_ = cmd.MarkFlagDirname("files")
	out := k.JSONFlags(cmd, Evaluated{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if batch {
			for _, other := range []string{"json", "jq"} {
				if err := kit.Exclusive(c, "batch", other); err != nil {
					return err
				}
			}
		}
		var err error
		if e.files != "" {
			e.files = k.Path(e.files)
		}
		if e.contexts, err = readContexts(k, file, batch); err != nil {
			return err
		}
		if batch {
			return e.batch(k.Term.In, k.Term.Out)
		}
		a := e.answer(args[0])
		switch {
		case out.On():
			err = out.Write(a)
		default:
			err = writeAnswer(k, a)
		}
		if err == nil && a.Error != nil {
			err = kit.Exit(kit.ExitFailed)
		}
		return err
	}
	return cmd
}

func readContexts(k *kit.Kit, file string, batch bool) (map[string]expr.Value, error) {
	var src []byte
	var err error
	switch {
	case file == "":
		return nil, nil
	case file == "-" && batch:
		return nil, cairn.Errorf(cairn.CodeInvalid, "--batch reads its questions from stdin: --context needs a file")
	case file == "-":
		src, err = io.ReadAll(io.LimitReader(k.Term.In, maxContexts+1))
		if len(src) > maxContexts {
			err = cairn.Errorf(cairn.CodeTooLarge, "stdin is more than %s", term.Size(maxContexts))
		}
	default:
		src, err = k.ReadFile(file, maxContexts)
	}
	if err != nil {
		return nil, err
	}
	contexts, err := parseContexts(src)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s: %w", file, err).
			WithHint(`a JSON object with a field for each context: {"github": {"ref": "refs/heads/main"}}`)
	}
	return contexts, nil
}

func parseContexts(src []byte) (map[string]expr.Value, error) {
	all, err := expr.FromJSON(src)
	if err != nil {
		return nil, fmt.Errorf("the contexts are not JSON: %w", err)
	}
	if all.Kind() != expr.KindObject {
		return nil, fmt.Errorf("the contexts are of kind %s; an object is needed", all.Kind())
	}
	contexts := make(map[string]expr.Value, all.Len())
	for _, f := range all.Fields() {
		contexts[strings.ToLower(f.Name)] = f.Value
	}
	return contexts, nil
}

// answer evaluates one expression. No expression at all is null, as GitHub's
// evaluator has it; as an if it means success().
func (e evaluation) answer(src string) Evaluated {
	src = inside(src)
	if strings.TrimSpace(src) == "" && !e.condition {
		return valueOf(expr.Null())
	}
	env := &expr.Env{Contexts: e.contexts, Functions: statusOf(e.contexts)}
	env.Functions["hashfiles"] = e.hashFiles
	parse := env.Parse
	if e.condition {
		parse = env.ParseCondition
	}
	n, err := parse(src)
	if err != nil {
		return Evaluated{Error: errorOf(err, src)}
	}
	var v expr.Value
	var tree *EvalPart
	if e.explain {
		x := n.Explain(env)
		v, err = x.Value, x.Err
		p := partOf(x, src)
		tree = &p
	} else {
		v, err = n.Eval(env)
	}
	a := Evaluated{}
	switch {
	case err != nil:
		a.Error = errorOf(err, src)
	case e.condition:
		a = valueOf(expr.Bool(v.Truthy()))
	default:
		a = valueOf(v)
	}
	a.Tree = tree
	return a
}

// inside takes ${{ }} off, which nothing inside an expression looks like.
func inside(src string) string {
	s := strings.TrimSpace(src)
	if !strings.HasPrefix(s, "${{") {
		return src
	}
	if parts, err := expr.Split(s); err == nil && len(parts) == 1 {
		return parts[0].Text
	}
	return src
}

func valueOf(v expr.Value) Evaluated {
	a := Evaluated{Kind: v.Kind().String(), Value: v.JSON()}
	if v.Kind() == expr.KindNumber && string(a.Value) == "null" {
		a.Text = v.ToString()
	}
	return a
}

func errorOf(err error, src string) *EvalError {
	var e *expr.Error
	if !errors.As(err, &e) {
		return &EvalError{Kind: expr.Evaluation, Message: err.Error()}
	}
	return &EvalError{Kind: e.Kind, Message: e.Standard(src), Hint: e.Hint}
}

func partOf(x expr.Explained, src string) EvalPart {
	p := EvalPart{Expr: x.Text, Skipped: x.Skipped}
	switch {
	case x.Skipped:
	case x.Err != nil:
		p.Error = errorOf(x.Err, src).Message
	default:
		p.Kind, p.Value = x.Value.Kind().String(), shownValue(x.Value)
	}
	for _, sub := range x.Parts {
		p.Parts = append(p.Parts, partOf(sub, src))
	}
	return p
}

func shownValue(v expr.Value) string {
	switch v.Kind() {
	case expr.KindString:
		return "'" + term.Clip(v.ToString(), maxShown) + "'"
	case expr.KindNumber:
		return v.ToString()
	case expr.KindArray, expr.KindObject:
		return term.Clip(string(v.JSON()), maxShown)
	}
	return string(v.JSON())
}
