// Package run is cairn run: start a run and watch it, and everything about
// runs that are there.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/dotenv"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/stages"
	"github.com/spf13/cobra"
)

// Options are the flags of cairn run.
type Options struct {
	Workflow, Repository string
	Ref, Event           string
	Payload              string
	Inputs               []string
	EnvFile              string
	Jobs                 []string
	Step                 bool
	AllowSudo, Debug     bool
	Detach               bool
	Dirty                string
	Progress             string

	inputs  map[string]string
	env     map[string]string
	payload json.RawMessage
}

// The values of --dirty.
const (
	dirtyTake   = "take"
	dirtyIgnore = "ignore"
	dirtyRefuse = "refuse"
)

// View is what --json writes of a run.
type View struct {
	cairn.Run
	Jobs []cairn.Job `json:"jobs"`
}

// New makes cairn run and the commands below it.
func New(k *kit.Kit) *cobra.Command { return newWith(k, start) }

func newWith(k *kit.Kit, run func(context.Context, *kit.Kit, *Options, *kit.JSON) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a workflow of this repository",
		Long: `Run a workflow of this repository. Nothing has to be set up before.

The code is what the working tree holds, uncommitted changes and new files included (not
what git ignores), unless --ref names a commit. Before the first job starts, everything
that cannot be met is listed with its place in the file. Ctrl-C cancels the run that this
command started; with --detach it goes on by itself.`,
		Example: `cairn run
cairn run --workflow mlops.yml --input data_prep=false --input epochs=20
cairn run --env-file .env --job ai-training
cairn run --ref v1.2.0 --event push
cairn run --event issues --payload event.json
id=$(cairn run --detach) && cairn run watch $id`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if strings.HasSuffix(args[0], ".yml") || strings.HasSuffix(args[0], ".yaml") {
				return cairn.Errorf(cairn.CodeInvalid, "cairn run takes no arguments, found %q", args[0]).
					WithHint("cairn run --workflow %s", args[0])
			}
			return kit.UnknownCommand(c, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.Workflow, "workflow", "w", "", "its `name`, file name or path (default: the only one)")
	f.StringVar(&o.Ref, "ref", "", "run a `branch`, tag or commit instead of the working tree")
	f.StringVar(&o.Event, "event", "", "`event` that starts it (default: workflow_dispatch, push or the first)")
	f.StringVar(&o.Payload, "payload", "", "`file` with github.event as JSON, laid over what the event has by itself")
	f.StringArrayVarP(&o.Inputs, "input", "i", nil, "input as `NAME=VALUE`, repeatable")
	f.StringVar(&o.EnvFile, "env-file", "", "`file` of NAME=VALUE for env, secrets.* and vars.* that are left open")
	f.StringArrayVarP(&o.Jobs, "job", "j", nil, "only this `job` and what it needs, repeatable")
	f.BoolVar(&o.Step, "step", false, "ask before each step, with a shell between")
	f.BoolVar(&o.AllowSudo, "allow-sudo", false, "let steps call sudo on this machine")
	f.BoolVar(&o.Debug, "debug", false, "show debug lines, RUNNER_DEBUG is 1")
	f.BoolVarP(&o.Detach, "detach", "d", false, "print the run's number and leave")
	f.StringVar(&o.Dirty, "dirty", dirtyTake, "uncommitted changes: `take`, ignore or refuse")
	f.StringVar(&o.Progress, "progress", live.Auto, "`how` to show it: "+strings.Join(live.Modes(), ", "))
	f.StringVar(&o.Repository, "repo", "", "run a repository that Cairn hosts, `owner/name`, instead of this one")
	out := k.JSONFlags(cmd, View{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(k); err != nil {
			return err
		}
		return run(c.Context(), k, o, out)
	}
	// An unknown completion function is a defect that tests would show.
	_ = cmd.RegisterFlagCompletionFunc("workflow", repo.Complete(k))
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(live.Modes(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("dirty", cobra.FixedCompletions([]string{dirtyTake, dirtyIgnore, dirtyRefuse}, cobra.ShellCompDirectiveNoFileComp))
	kit.Runs(cmd)
	cmd.AddCommand(newList(k), newView(k), newWatch(k), newLogs(k), newCancel(k), newRerun(k), newApprove(k))
	return cmd
}

// maxPayload bounds an event that is given as a file.
const maxPayload = 4 << 20

// readPayload reads an event from a file.
func readPayload(k *kit.Kit, name string) (json.RawMessage, error) {
	src, err := k.ReadFile(name, maxPayload)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(src, &object); err != nil || object == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s does not hold a JSON object", name).WithHint("it is what github.event shows, for example {\"action\": \"opened\"}")
	}
	return src, nil
}

// check reads what the flags name and refuses what does not go together.
func (o *Options) check(k *kit.Kit) (err error) {
	if o.inputs, err = repo.Inputs(o.Inputs); err != nil {
		return err
	}
	if modes := []string{dirtyTake, dirtyIgnore, dirtyRefuse}; !slices.Contains(modes, o.Dirty) {
		return cairn.Errorf(cairn.CodeInvalid, "--dirty does not take %q", o.Dirty).WithHint("one of: %s", strings.Join(modes, ", "))
	}
	if _, err := live.NewPrinter(k.Term, o.Progress, k.Now); err != nil {
		return err
	}
	switch {
	case o.Step && o.Detach:
		return cairn.Errorf(cairn.CodeInvalid, "--step and --detach do not go together").WithHint("--step asks before each step, so somebody has to be there")
	case o.Step && !k.Term.CanAsk():
		return cairn.Errorf(cairn.CodeInvalid, "--step needs a terminal").WithHint("it asks before each step; leave it out where nobody can answer")
	}
	if o.Payload != "" {
		if o.payload, err = readPayload(k, o.Payload); err != nil {
			return err
		}
	}
	if o.EnvFile == "" {
		return nil
	}
	src, err := k.ReadFile(o.EnvFile, dotenv.MaxFile)
	if err != nil {
		return err
	}
	vars, err := dotenv.Parse(o.EnvFile, src)
	if err != nil {
		return err
	}
	o.env = make(map[string]string, len(vars))
	for _, v := range vars {
		o.env[v.Name] = v.Value
	}
	return nil
}

// request says what is to run. Which workflow is decided here where the files
// are at hand, and by the owner where another commit or a hosted repository has
// them.
func (o *Options) request(ctx context.Context, k *kit.Kit) (client.RunRequest, error) {
	r := client.RunRequest{
		Repository: o.Repository, Ref: o.Ref, Event: o.Event, Inputs: o.inputs, EnvFile: o.env,
		Jobs: o.Jobs, AllowSudo: o.AllowSudo, Step: o.Step, Debug: o.Debug, Workflow: tail(o.Workflow), Payload: o.payload,
		Dirty: o.Ref == "" && o.Repository == "" && o.Dirty != dirtyIgnore,
	}
	if o.Repository != "" {
		return r, nil
	}
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return r, err
	}
	r.Dir = wt.Root
	if o.Ref != "" {
		return r, nil
	}
	if err := repo.HasFiles(wt); err != nil {
		return r, err
	}
	if o.Dirty == dirtyRefuse && wt.Dirty {
		var names []string
		for _, f := range wt.DirtyFiles[:min(len(wt.DirtyFiles), 5)] {
			names = append(names, term.FileName(f.Path))
		}
		return r, cairn.Errorf(cairn.CodeFailed, "the working tree has %s: %s", term.Count(int64(wt.DirtyCount), "uncommitted change"), strings.Join(names, ", ")).
			WithHint("commit them, or run without --dirty=refuse")
	}
	files, err := repo.Workflows(wt.Root)
	if err != nil {
		return r, err
	}
	f, note, err := repo.Choose(wt.Root, k.Dir, o.Workflow, files)
	var several *repo.Ambiguous
	if errors.As(err, &several) {
		if k.JSONWanted() {
			return r, cairn.Errorf(cairn.CodeInvalid, "%s", several.Error())
		}
		repo.ShowChoice(k, several, "cairn run")
		return r, kit.Exit(kit.ExitUsage)
	}
	if err != nil {
		return r, err
	}
	if note != "" {
		fmt.Fprintln(k.Term.Err, term.Clean(note))
	}
	if f.Workflow == nil {
		return r, &failed{f.Problems, fmt.Sprintf("%s cannot be used", f.Path)}
	}
	r.Workflow = f.Path
	return r, nil
}

// tail cuts a path of another machine to the part that repositories share.
func tail(asked string) string {
	asked = strings.ReplaceAll(asked, `\`, "/")
	if i := strings.LastIndex(asked, repo.Folder+"/"); i > 0 {
		return asked[i:]
	}
	return asked
}

// failed are problems of files: the run cannot be met, which is a failure and
// no misuse of the command.
type failed struct {
	problems []cairn.Problem
	what     string
}

func (f *failed) Error() string { return f.what }

// Unwrap gives the error that people see.
func (f *failed) Unwrap() error {
	return &cairn.Error{Code: cairn.CodeFailed, Message: f.what, Problems: f.problems}
}

func start(ctx context.Context, k *kit.Kit, o *Options, out *kit.JSON) error {
	r, err := o.request(ctx, k)
	if err != nil {
		return err
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return err
	}
	told, err := preflight(ctx, k, o, cl, &r)
	if err != nil {
		return err
	}
	// An interrupt must not leave a run behind that nobody knows the number of.
	made, err := cl.SubmitRun(context.WithoutCancel(ctx), r)
	if err != nil {
		return asFailed(err)
	}
	if o.Progress != live.Quiet && !k.JSONWanted() {
		for _, n := range made.Notes {
			if !slices.Contains(told, n) {
				fmt.Fprintf(k.Term.Err, "note: %s\n", term.Clean(n))
			}
		}
	}
	if o.Detach {
		if out.On() {
			return out.Write(View{Run: made.Run, Jobs: []cairn.Job{}})
		}
		fmt.Fprintf(k.Term.Err, "started %s\n", live.Header(k.Term, k.Term.ErrStyle(), made.Run))
		_, err := fmt.Fprintln(k.Term.Out, made.Run.ID)
		return err
	}
	p, err := live.NewPrinter(k.Term, o.Progress, k.Now)
	if err != nil {
		return err
	}
	w := &watcher{k: k, cl: cl, p: p, m: live.New(made.Run), mine: true, quiet: talksLittle(o.Progress)}
	if o.Step {
		w.stepper = newStepper(k, cl)
	}
	return w.follow(ctx, out)
}

// preflight shows everything that cannot be met before anything starts, and
// returns the notes that it showed.
func preflight(ctx context.Context, k *kit.Kit, o *Options, cl *kit.Client, r *client.RunRequest) ([]string, error) {
	pre, err := cl.Preflight(ctx, *r)
	if err != nil {
		return nil, asFailed(err)
	}
	if len(pre.Candidates) > 0 && pre.Path == "" {
		a := &repo.Ambiguous{Asked: o.Workflow}
		s := k.Term.ErrStyle()
		for _, c := range pre.Candidates {
			a.Files = append(a.Files, &repo.File{Path: c.Path})
		}
		fmt.Fprintf(k.Term.Err, "%s %s\n\n", s.Bold(s.Red("error:")), term.Clean(a.Error()))
		tb := k.Term.NewTable("WORKFLOW", "FILE", "STARTED BY")
		for _, c := range pre.Candidates {
			tb.Row(term.Clean(c.Name), term.Clean(c.Path), strings.Join(c.Events, ", "))
		}
		if err := tb.WriteTo(k.Term.Err, s, k.Term.ErrTTY); err != nil {
			return nil, err
		}
		return nil, kit.Exit(kit.ExitUsage)
	}
	var errs, warnings []cairn.Problem
	for _, p := range withSnippets(r.Dir, pre.Problems) {
		if p.Severity == cairn.SeverityError {
			errs = append(errs, p)
		} else {
			warnings = append(warnings, p)
		}
	}
	if len(errs) > 0 {
		// What is only a warning is listed too: it is mended in the same go.
		summary := fmt.Sprintf("%s cannot run here: %s cannot be met", pre.Path, term.Count(int64(len(errs)), "need"))
		if !slices.ContainsFunc(errs, func(p cairn.Problem) bool { return p.File != stages.Path }) {
			summary = fmt.Sprintf("%s cannot be used: %s", stages.Path, term.Count(int64(len(errs)), "mistake"))
		}
		return nil, &failed{append(errs, warnings...), summary}
	}
	if o.Progress != live.Quiet && !k.JSONWanted() {
		kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), warnings)
		for _, n := range pre.Notes {
			fmt.Fprintf(k.Term.Err, "note: %s\n", term.Clean(n))
		}
	}
	if pre.Path != "" {
		r.Workflow = pre.Path
	}
	return pre.Notes, nil
}

// withSnippets adds the lines that positions point into, from the work tree.
func withSnippets(root string, ps []cairn.Problem) []cairn.Problem {
	lines := map[string][]string{}
	for i := range ps {
		p := &ps[i]
		if p.Snippet != "" || p.File == "" || p.Line == 0 || root == "" {
			continue
		}
		if _, read := lines[p.File]; !read {
			lines[p.File] = nil
			if f, err := repo.Read(root, p.File); err == nil {
				lines[p.File] = strings.Split(string(f.Source), "\n")
			}
		}
		if text := lines[p.File]; p.Line <= len(text) {
			p.Snippet = strings.TrimSuffix(text[p.Line-1], "\r")
		}
	}
	return ps
}

// asFailed keeps a refused workflow file from looking like misuse. Wrong inputs
// are misuse: they were typed.
func asFailed(err error) error {
	e := cairn.AsError(err)
	if len(e.Problems) > 0 && e.Code == cairn.CodeInvalid && !repo.TypedWrong(e.Problems) {
		return &failed{e.Problems, e.Message}
	}
	return err
}

// talksLittle reports whether a mode of progress is for programs.
func talksLittle(mode string) bool { return mode == live.Quiet || mode == live.JSON }
