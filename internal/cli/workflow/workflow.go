// Package workflow is cairn workflow lint, plan, list and eval. All of them work
// without a server.
package workflow

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/stages"
	"github.com/cairn-ml/cairn/internal/trigger"
	"github.com/cairn-ml/cairn/internal/workflow"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "workflow",
		Short: "Check workflow files, show what they would do",
		Example: `cairn workflow list
cairn workflow lint
cairn workflow plan mlops.yml --input data_prep=false
cairn workflow explain --event push --ref main --changed src/train.py
cairn workflow eval "startsWith(github.ref, 'refs/tags/')" --context contexts.json`,
	}, newList(k), newLint(k), newPlan(k), newExplain(k), newEval(k))
}

// Item is one workflow in cairn workflow list --json.
type Item struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`
	Events []string `json:"events"`
	Valid  bool     `json:"valid"`
	// Next are the next times of its schedules.
	Next []time.Time `json:"next,omitempty"`
}

func newList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the workflows of this repository",
		Example: "cairn workflow list\ncairn workflow list --json=name,path",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, Item{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		wt, err := repo.Find(c.Context(), k)
		if err == nil {
			err = repo.HasFiles(wt)
		}
		if err != nil {
			return err
		}
		files, err := repo.Workflows(wt.Root)
		if err != nil {
			return err
		}
		if out.On() {
			items := []Item{}
			for _, f := range files {
				events := f.Events()
				if events == nil {
					events = []string{}
				}
				items = append(items, Item{f.Name(), f.Path, events, f.Workflow != nil, nextTimes(f, k.Now())})
			}
			return out.Write(items)
		}
		if len(files) == 0 {
			fmt.Fprintf(k.Term.Err, "no workflows: there is no .yml file in %s\n", repo.Folder)
			return nil
		}
		if err := repo.WriteTable(k, files); err != nil {
			return err
		}
		return writeClock(k, files)
	}
	return cmd
}

// writeClock tells when schedules are due, and what they need.
func writeClock(k *kit.Kit, files []*repo.File) error {
	said := false
	for _, f := range files {
		next := nextTimes(f, k.Now())
		if len(next) == 0 {
			continue
		}
		said = true
		if _, err := fmt.Fprintf(k.Term.Out, "%s by schedule: next %s\n", term.Clean(f.Path), shownTimes(next)); err != nil {
			return err
		}
	}
	if said {
		fmt.Fprintln(k.Term.Err, needsServer)
	}
	return nil
}

func newLint(k *kit.Kit) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint [FILE…]",
		Short: "Check workflow files and .cairn/stages.yml",
		Long: `Check workflow files: all of the repository's and its .cairn/stages.yml, or the ones named.

Errors stop a file from being used; warnings do not. The exit code is 1 when there is an
error (with --strict: or a warning).`,
		Example: `cairn workflow lint
cairn workflow lint .github/workflows/mlops.yml
cairn workflow lint --json=file,line,column,severity,message`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "let warnings fail too")
	out := k.JSONFlags(cmd, cairn.Problem{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		problems, n, err := lint(c, k, args)
		if err != nil {
			return err
		}
		if out.On() {
			if err := out.Write(problems); err != nil {
				return err
			}
		} else {
			kit.RenderProblems(k.Term.Out, k.Term.OutStyle(), problems)
			errs := 0
			for _, p := range problems {
				if p.Severity == cairn.SeverityError {
					errs++
				}
			}
			fmt.Fprintf(k.Term.Err, "%s checked: %s, %s\n", term.Count(int64(n), "file"),
				term.Count(int64(errs), "error"), term.Count(int64(len(problems)-errs), "warning"))
		}
		if cairn.HasErrors(problems) || strict && len(problems) > 0 {
			return kit.Exit(kit.ExitFailed)
		}
		return nil
	}
	return cmd
}

// lint checks files; none means those of the repository.
func lint(c *cobra.Command, k *kit.Kit, args []string) ([]cairn.Problem, int, error) {
	problems := []cairn.Problem{}
	check := func(name string, src []byte) {
		if strings.HasSuffix(filepath.ToSlash(k.Path(name)), "/"+stages.Path) {
			problems = append(problems, lintStages(k, name, src)...)
			return
		}
		w, ps := workflow.Parse(name, src)
		if w != nil {
			for _, p := range trigger.Problems(w) {
				p.Snippet = lineOf(src, p.Line)
				ps = append(ps, p)
			}
		}
		problems = append(problems, ps...)
		if !cairn.HasErrors(ps) {
			problems = append(problems, workflow.Lint(name, src)...)
		}
	}
	if len(args) == 0 {
		wt, err := repo.Find(c.Context(), k)
		if err != nil {
			return nil, 0, err
		}
		files, err := repo.Workflows(wt.Root)
		if err != nil {
			return nil, 0, err
		}
		stagesName := shown(k, wt.Root, stages.Path)
		stagesFile := isFile(filepath.Join(wt.Root, filepath.FromSlash(stages.Path)))
		if len(files) == 0 && !stagesFile {
			return nil, 0, cairn.Errorf(cairn.CodeNotFound, "this repository has no workflows: there is no .yml file in %s", repo.Folder)
		}
		for _, f := range files {
			check(shown(k, wt.Root, f.Path), f.Source)
		}
		n := len(files)
		if stagesFile {
			src, err := k.ReadFile(filepath.Join(wt.Root, filepath.FromSlash(stages.Path)), 1<<20)
			if err != nil {
				return nil, 0, err
			}
			check(stagesName, src)
			n++
		}
		return problems, n, nil
	}
	for _, a := range args {
		src, err := k.ReadFile(a, 1<<20)
		if err != nil {
			return nil, 0, err
		}
		check(a, src)
	}
	return problems, len(args), nil
}

// lintStages checks .cairn/stages.yml, also whether the files are there that its
// smoke requests send.
func lintStages(k *kit.Kit, name string, src []byte) []cairn.Problem {
	f, problems := stages.Parse(name, src)
	if cairn.HasErrors(problems) {
		return problems
	}
	root := strings.TrimSuffix(filepath.ToSlash(k.Path(name)), stages.Path)
	more, err := f.Fill(func(p string) ([]byte, error) { return repo.ReadBelow(root, p) })
	if err != nil {
		more = append(more, cairn.Problem{Position: cairn.Position{File: name}, Severity: cairn.SeverityError, Code: "stages.sample", Message: err.Error()})
	}
	return append(problems, more...)
}

// shown is how a file of the repository is named from where the user stands.
func shown(k *kit.Kit, root, rel string) string {
	name := filepath.Join(root, filepath.FromSlash(rel))
	if r := k.Rel(name); !filepath.IsAbs(r) {
		return r
	}
	return rel
}

// choose finds the workflow for an optional argument, listing where several
// could have been meant.
func choose(c *cobra.Command, k *kit.Kit, asked, command string) (*repo.File, string, error) {
	wt, err := repo.Find(c.Context(), k)
	if err != nil {
		// A file alone can be planned outside of any repository.
		if name := k.Path(asked); asked != "" && isFile(name) {
			f, err := repo.Read(filepath.Dir(name), filepath.Base(name))
			return f, filepath.Dir(name), err
		}
		return nil, "", err
	}
	files, err := repo.Workflows(wt.Root)
	if err != nil {
		return nil, "", err
	}
	f, note, err := repo.Choose(wt.Root, k.Dir, asked, files)
	var several *repo.Ambiguous
	if errors.As(err, &several) {
		fmt.Fprintf(k.Term.Err, "%s\n\n", term.Clean(several.Error()))
		for _, f := range several.Files {
			fmt.Fprintf(k.Term.Err, "  %s %s  (%s: %s)\n", command, path.Base(f.Path), term.Clean(f.Name()), strings.Join(f.Events(), ", "))
		}
		return nil, "", kit.Exit(kit.ExitUsage)
	}
	if err != nil {
		return nil, "", err
	}
	if note != "" {
		fmt.Fprintln(k.Term.Err, term.Clean(note))
	}
	return f, wt.Root, nil
}

func isFile(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.Mode().IsRegular()
}
