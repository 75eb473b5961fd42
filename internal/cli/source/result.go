package source

import (
	"context"
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Result is what is found of one file, in the shape of the original's client, and with
// where in its line it stands.
type Result struct {
	File     string    `json:"file"`
	Kind     string    `json:"kind,omitempty"`
	Result   string    `json:"result"` // Passed, Failed
	Errors   []Finding `json:"errors,omitempty"`
	Warnings []Finding `json:"warnings,omitempty"`
}

// Finding is one mistake.
type Finding struct {
	Message  string `json:"message"`
	Path     string `json:"path"` // in the file's own structure; "*" for all of it
	Value    any    `json:"value"`
	Location string `json:"location,omitempty"` // file#line N
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Code     string `json:"code,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

// Beyond adds what only somebody else can say of a file.
type Beyond func(ctx context.Context, f *Folder, name string, doc *pipeline.Document) ([]cairn.Problem, error)

// Validate checks files, writes what is found and ends with exit code 1 where there is
// a mistake. Nothing is run or stored.
func Validate(ctx context.Context, k *kit.Kit, files []string, o pipeline.Options, out *kit.JSON, beyond Beyond) error {
	var results []Result
	var all []cairn.Problem
	for _, file := range files {
		r, ps, err := check(ctx, k, file, o, beyond)
		if err != nil {
			return err
		}
		results, all = append(results, r), append(all, ps...)
	}
	switch {
	case out.On() && len(results) == 1:
		if err := out.Write(results[0]); err != nil {
			return err
		}
	case out.On():
		if err := out.Write(results); err != nil {
			return err
		}
	default:
		tell(k, results, all)
	}
	if cairn.HasErrors(all) {
		return kit.Exit(kit.ExitFailed)
	}
	return nil
}

func tell(k *kit.Kit, results []Result, all []cairn.Problem) {
	kit.RenderProblems(k.Term.Out, k.Term.OutStyle(), all)
	errs, warnings := 0, 0
	for _, r := range results {
		errs += len(r.Errors)
		warnings += len(r.Warnings)
		if len(r.Errors) == 0 {
			fmt.Fprintf(k.Term.Out, "%s: %s, passed\n", term.Clean(r.File), r.Kind)
		}
	}
	fmt.Fprintf(k.Term.Err, "%s checked: %s, %s\n", term.Count(int64(len(results)), "file"),
		term.Count(int64(errs), "error"), term.Count(int64(warnings), "warning"))
}

// check finds what is wrong with one file. A file that cannot be read is a mistake of
// that file: the others are still looked at.
func check(ctx context.Context, k *kit.Kit, file string, o pipeline.Options, beyond Beyond) (Result, []cairn.Problem, error) {
	r := Result{File: file, Result: "Passed"}
	f, name, err := Open(k, file)
	if err != nil {
		e := cairn.AsError(err)
		p := cairn.Problem{Position: cairn.Position{File: file}, Severity: cairn.SeverityError, Code: "file.unreadable", Message: e.Message, Hint: e.Hint}
		r.add(p)
		return r, []cairn.Problem{p}, nil
	}
	doc, ps := f.Load(name, o)
	if doc != nil {
		r.Kind = string(doc.Kind)
	}
	if doc != nil && doc.Schedule != nil && doc.Schedule.Trigger.Type != "" {
		ps = append(ps, f.Problems(trigger.CheckJob(&doc.Schedule.Trigger))...)
	}
	if doc != nil && beyond != nil && !cairn.HasErrors(ps) {
		more, err := beyond(ctx, f, name, doc)
		if err != nil {
			return r, nil, err
		}
		ps = append(ps, more...)
	}
	for _, p := range ps {
		r.add(p)
	}
	return r, ps, nil
}

func (r *Result) add(p cairn.Problem) {
	f := Finding{Message: p.Message, Path: p.Path, Value: p.Value, File: p.File, Line: p.Line, Column: p.Column, Code: p.Code, Hint: p.Hint}
	if f.Path == "" {
		f.Path = "*"
	}
	if p.File != "" && p.Line > 0 {
		f.Location = fmt.Sprintf("%s#line %d", p.File, p.Line)
	}
	if p.Severity == cairn.SeverityError {
		r.Errors, r.Result = append(r.Errors, f), "Failed"
		return
	}
	r.Warnings = append(r.Warnings, f)
}
