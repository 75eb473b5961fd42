// Package repo is what commands look up in the repository they are typed in:
// its work tree, its workflow files and which of them was meant. It needs no
// owner.
package repo

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// Folder is where workflows live.
const Folder = ".github/workflows"

// maxWorkflow bounds a workflow file; GitHub's own limit is lower.
const maxWorkflow = 1 << 20

// maxWorkflows bounds how many files are read.
const maxWorkflows = 500

// Find returns the work tree that Dir lies in.
func Find(ctx context.Context, k *kit.Kit) (*git.WorkTree, error) {
	return git.New(git.Options{Env: k.Environ, Now: k.Now}).Find(ctx, k.Dir)
}

// HasFiles refuses a bare repository, in which no files lie.
func HasFiles(wt *git.WorkTree) error {
	if !wt.Bare {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%s is a bare repository: no files lie there", wt.Root).
		WithHint("run one of its commits: cairn run --ref %s --workflow FILE", term.ShellQuote(wt.DefaultBranch))
}

// File is a workflow file; Workflow is nil where Problems holds an error.
type File struct {
	Path     string // slash-separated, below the repository's root
	Source   []byte
	Workflow *workflow.Workflow
	Problems []cairn.Problem
}

// Name is how people call the workflow.
func (f *File) Name() string {
	if f.Workflow != nil && f.Workflow.Name != "" {
		return f.Workflow.Name
	}
	return f.Path
}

// Events lists what starts the workflow.
func (f *File) Events() []string {
	if f.Workflow == nil {
		return nil
	}
	var out []string
	for _, e := range f.Workflow.On {
		out = append(out, e.Name)
	}
	return out
}

// callOnly reports whether only other workflows can start it.
func (f *File) callOnly() bool {
	ev := f.Events()
	return len(ev) == 1 && ev[0] == "workflow_call"
}

// DefaultEvent is the event of a start by hand: workflow_dispatch where it is
// declared, else push, else the first.
func (f *File) DefaultEvent() string {
	ev := f.Events()
	for _, want := range []string{"workflow_dispatch", "push"} {
		if slices.Contains(ev, want) {
			return want
		}
	}
	if len(ev) > 0 {
		return ev[0]
	}
	return "workflow_dispatch"
}

// Read reads and parses one file of the work tree.
func Read(root, rel string) (*File, error) {
	name := filepath.Join(root, filepath.FromSlash(rel))
	fi, err := os.Stat(name)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no workflow file %s", rel)
	}
	if !fi.Mode().IsRegular() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a file (%s)", rel, fi.Mode().Type())
	}
	if fi.Size() > maxWorkflow {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is %d bytes; a workflow file holds at most %d", rel, fi.Size(), maxWorkflow)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", rel, err)
	}
	w, problems := workflow.Parse(rel, src)
	if cairn.HasErrors(problems) {
		w = nil
	}
	return &File{rel, src, w, problems}, nil
}

// unreadable stands for a file that is there and cannot be read.
func unreadable(root, rel string, err error) *File {
	e := cairn.AsError(err)
	p := cairn.Problem{Position: cairn.Position{File: rel}, Severity: cairn.SeverityError, Code: "workflow.unreadable", Message: e.Message, Hint: e.Hint}
	if target, lerr := os.Readlink(filepath.Join(root, filepath.FromSlash(rel))); lerr == nil {
		p.Message = fmt.Sprintf("%s is a symbolic link to %s, which is not there", rel, target)
	}
	return &File{Path: rel, Problems: []cairn.Problem{p}}
}

// Workflows reads all workflow files of a work tree, in the order of their names.
func Workflows(root string) ([]*File, error) {
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(Folder)))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", Folder, err)
	}
	var out []*File
	for _, e := range entries {
		if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yml" && ext != ".yaml" {
			continue
		}
		if len(out) == maxWorkflows {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "%s holds more than %d workflows", Folder, maxWorkflows)
		}
		f, err := Read(root, Folder+"/"+e.Name())
		if err != nil {
			// The others can still be used.
			f = unreadable(root, Folder+"/"+e.Name(), err)
		}
		out = append(out, f)
	}
	return out, nil
}
