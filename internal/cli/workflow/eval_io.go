package workflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/expr"
)

// question is one line of a batch.
type question struct {
	Expr     *string         `json:"expr"`
	Contexts json.RawMessage `json:"contexts"`
}

// errLong is a line that is longer than a question may be.
var errLong = fmt.Errorf("the line is longer than %s", term.Size(maxEvalLine))

// batch answers line by line, each before it reads the next one, so that another
// program can hold a conversation. A line that is no question is answered too;
// the exit code then says that there was one.
func (e evaluation) batch(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 64<<10)
	w := bufio.NewWriter(out)
	wrong := 0
	for {
		line, err := readLine(r)
		if err != nil && err != errLong {
			if flushErr := w.Flush(); flushErr != nil {
				return flushErr
			}
			switch {
			case !errors.Is(err, io.EOF):
				return cairn.Errorf(cairn.CodeFailed, "cannot read stdin: %w", err)
			case wrong > 0:
				return cairn.Errorf(cairn.CodeFailed, "%s of stdin could not be read", term.Count(int64(wrong), "line"))
			}
			return nil
		}
		if err == nil && len(line) == 0 {
			continue
		}
		a := Evaluated{}
		if err == nil {
			a, err = e.line(line)
		}
		if err != nil {
			wrong++
			a.Error = &EvalError{Kind: wrongInput, Message: err.Error(), Hint: `a line is {"expr": "…", "contexts": {…}}`}
		}
		if err := writeJSON(w, a); err != nil {
			return err
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

// line answers one question. Without contexts of its own it has those of
// --context.
func (e evaluation) line(src []byte) (Evaluated, error) {
	var q question
	if err := json.Unmarshal(src, &q); err != nil {
		return Evaluated{}, fmt.Errorf("the line is not a JSON object: %w", err)
	}
	if q.Expr == nil {
		return Evaluated{}, errors.New("the line has no expr")
	}
	if len(q.Contexts) > 0 && string(q.Contexts) != "null" {
		contexts, err := parseContexts(q.Contexts)
		if err != nil {
			return Evaluated{}, err
		}
		e.contexts = contexts
	}
	return e.answer(*q.Expr), nil
}

// readLine reads one line without its end; of a line that is too long it takes
// the rest away, so that the next one is read right.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
		}
		if len(line) > maxEvalLine+1 {
			long, line = true, nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 && !long || !errors.Is(err, io.EOF)):
			return nil, err
		case long:
			return nil, errLong
		}
		return bytes.TrimSpace(line), nil
	}
}

func writeJSON(w io.Writer, a Evaluated) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(a)
}

// writeAnswer writes the answer for people: the line of JSON, the tree, and on
// standard error what can be done about an error.
func writeAnswer(k *kit.Kit, a Evaluated) error {
	tree := a.Tree
	a.Tree = nil
	if err := writeJSON(k.Term.Out, a); err != nil {
		return err
	}
	if tree != nil {
		var b strings.Builder
		b.WriteByte('\n')
		writePart(&b, k.Term.OutStyle(), *tree, "", "")
		if _, err := io.WriteString(k.Term.Out, b.String()); err != nil {
			return err
		}
	}
	if a.Error != nil && a.Error.Hint != "" {
		fmt.Fprintf(k.Term.Err, "hint: %s\n", term.CleanText(a.Error.Hint))
	}
	return nil
}

// writePart writes one part and those below it, as a tree.
func writePart(b *strings.Builder, s term.Style, p EvalPart, first, rest string) {
	b.WriteString(first + term.Clip(term.Clean(p.Expr), maxShown) + "  ")
	switch {
	case p.Skipped:
		b.WriteString(s.Dim("not evaluated"))
	case p.Error != "":
		b.WriteString(s.Red("error: " + term.Clean(p.Error)))
	default:
		b.WriteString(s.Bold("= " + term.Clean(p.Value)))
	}
	b.WriteByte('\n')
	for i, sub := range p.Parts {
		if i == len(p.Parts)-1 {
			writePart(b, s, sub, rest+"└ ", rest+"  ")
		} else {
			writePart(b, s, sub, rest+"├ ", rest+"│ ")
		}
	}
}

// statusOf are the functions about earlier work, by what the contexts tell of it.
func statusOf(contexts map[string]expr.Value) map[string]expr.Func {
	status := contexts["job"].Path("status")
	is := func(want string, all bool) expr.Func {
		return func(args []expr.Value) (expr.Value, error) {
			if len(args) == 0 && !status.IsNull() {
				return expr.Bool(strings.EqualFold(status.ToString(), want)), nil
			}
			of, err := needed(contexts["needs"], args)
			if err != nil {
				return expr.Value{}, err
			}
			for _, n := range of {
				if strings.EqualFold(n.Path("result").ToString(), want) != all {
					return expr.Bool(!all), nil
				}
			}
			return expr.Bool(all), nil
		}
	}
	return map[string]expr.Func{
		"success": is("success", true),
		"failure": is("failure", false),
		"always":  func([]expr.Value) (expr.Value, error) { return expr.Bool(true), nil },
		"cancelled": func([]expr.Value) (expr.Value, error) {
			return expr.Bool(strings.EqualFold(status.ToString(), "cancelled")), nil
		},
	}
}

// hashFiles is the function of that name over the folder of --files.
func (e evaluation) hashFiles(args []expr.Value) (expr.Value, error) {
	if e.files == "" {
		return expr.Value{}, cairn.Errorf(cairn.CodeUnsupported, "there are no files of a job to hash here").
			WithHint("name the folder to read: --files .")
	}
	root, err := os.OpenRoot(e.files)
	if err != nil {
		return expr.Value{}, cairn.Errorf(cairn.CodeNotFound, "cannot open the folder of --files: %w", err)
	}
	defer root.Close()
	return expr.HashFiles(root.FS(), filepath.ToSlash(e.files), args)
}

// needed are the jobs that a status function asks about: all of needs, or those
// that it names.
func needed(needs expr.Value, names []expr.Value) ([]expr.Value, error) {
	if len(names) == 0 {
		return needs.Items(), nil
	}
	var of []expr.Value
	for _, name := range names {
		n, ok := needs.Get(name.ToString())
		if !ok {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not among the jobs in needs", name.ToString())
		}
		of = append(of, n)
	}
	return of, nil
}
