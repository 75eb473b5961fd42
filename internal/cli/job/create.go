package job

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// options are the flags of cairn job create.
type options struct {
	file, name, experiment string
	set                    []string
	stream, noReuse        bool
}

func newCreate(k *kit.Kit) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "create --file FILE",
		Short: "Run a job or a pipeline from its file",
		Long: `Run a command, a pipeline or a sweep from its Azure ML YAML file, on this machine. Code is
taken as it lies there, without what .gitignore and .amlignore files name; data goes by its
content. Steps whose code, environment, command and inputs were run before take the earlier
outputs, unless --no-reuse.

Prints the job's name. With --stream it is followed to its end: the exit code is 1 when it
fails, and Ctrl-C cancels it.`,
		Example: `cairn job create --file pipeline.yml --stream
cairn job create -f train.yml --set inputs.epochs=3 --set compute=azureml:cpu
name=$(cairn job create -f pipeline.yml) && cairn job stream $name`,
		Args: kit.Args(0, 0),
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the job's YAML `file`")
	f.StringArrayVar(&o.set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	f.StringVarP(&o.name, "name", "n", "", "the job's `name` (default: that of the file, else one is made)")
	f.StringVar(&o.experiment, "experiment", "", "the `experiment` (default: that of the file, else this folder's name)")
	f.BoolVarP(&o.stream, "stream", "s", false, "follow it to its end")
	f.BoolVar(&o.noReuse, "no-reuse", false, "run every step, take no earlier outputs")
	out := k.JSONFlags(cmd, client.JobCreated{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if o.file == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("cairn job create --file FILE")
		}
		return create(c.Context(), k, o, out)
	}
	return cmd
}

// refused are problems of files: the job cannot be started, which is a failure and no
// misuse of the command.
func refused(ps []cairn.Problem, format string, args ...any) error {
	return &cairn.Error{Code: cairn.CodeFailed, Message: fmt.Sprintf(format, args...), Problems: ps}
}

// submit reads a job's file, sends what it names, and starts it. told are lines about what
// was taken along.
func submit(ctx context.Context, k *kit.Kit, o *options, warn bool) (cl *kit.Client, made *client.JobCreated, told []string, err error) {
	folder, name, err := source.Open(k, o.file)
	if err != nil {
		return nil, nil, nil, err
	}
	set := pipeline.Options{Kind: "job", Set: o.set}
	if o.name != "" {
		set.Values = append(set.Values, pipeline.NamedValue{Name: "name", Value: o.name})
	}
	if o.experiment != "" {
		set.Values = append(set.Values, pipeline.NamedValue{Name: "experiment_name", Value: o.experiment})
	}
	doc, ps := folder.Load(name, set)
	if cairn.HasErrors(ps) || doc == nil {
		return nil, nil, nil, refused(ps, "%s cannot be run: %s", o.file, term.Count(int64(errorsIn(ps)), "mistake"))
	}
	if doc.Job == nil {
		return nil, nil, nil, cairn.Errorf(cairn.CodeInvalid, "%s describes no job", o.file).WithHint("cairn job validate --file %s says what it is", term.ShellQuote(o.file))
	}
	if warn {
		kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), ps)
	}
	if cl, err = k.Client(ctx); err != nil {
		return nil, nil, nil, err
	}
	sent, err := folder.Send(ctx, doc, cl)
	if err != nil {
		return nil, nil, nil, err
	}
	r := request(k, folder, name, o, sent)
	// An interrupt must not leave a job behind whose name nobody knows.
	if made, err = cl.SubmitJob(context.WithoutCancel(ctx), r); err != nil {
		return nil, nil, nil, asRefused(folder, err)
	}
	folder.Problems(made.Warnings)
	return cl, made, sent.Told, nil
}

func create(ctx context.Context, k *kit.Kit, o *options, out *kit.JSON) error {
	cl, made, told, err := submit(ctx, k, o, !out.On())
	if err != nil {
		return err
	}
	if !out.On() {
		greet(ctx, k, cl, made, told)
	}
	if o.stream {
		w := &streamer{k: k, cl: cl, name: made.Name, mine: true, quiet: out.On()}
		err = w.follow(ctx, made.Run)
		if out.On() {
			if v, verr := cl.SubmittedJob(context.WithoutCancel(ctx), made.Name); verr == nil {
				made.Run = v.Run
			}
			if werr := out.Write(made); werr != nil {
				return werr
			}
		}
		return err
	}
	if out.On() {
		return out.Write(made)
	}
	_, err = fmt.Fprintln(k.Term.Out, made.Name)
	return err
}

func request(k *kit.Kit, folder *source.Folder, name string, o *options, sent *source.Sent) client.JobRequest {
	r := client.JobRequest{File: name, Files: sent.Files, Local: sent.Local, Set: o.set, Name: o.name, NoReuse: o.noReuse,
		Experiment: filepath.Base(k.Dir)}
	if o.experiment != "" {
		r.Flags = append(r.Flags, client.NamedFlag{Name: "experiment_name", Value: o.experiment})
	}
	if o.name != "" {
		r.Flags = append(r.Flags, client.NamedFlag{Name: "name", Value: o.name})
	}
	// In a job the commit is that of the job's own run; a server elsewhere has no such
	// folder.
	if folder.Repository && k.Env("CAIRN_TOKEN") == "" && k.Env("CAIRN_URL") == "" {
		r.Dir = folder.Root
	}
	return r
}

// asRefused keeps a file that the server refuses from looking like misuse.
func asRefused(folder *source.Folder, err error) error {
	e := cairn.AsError(err)
	if len(e.Problems) == 0 {
		return err
	}
	return refused(folder.Problems(e.Problems), "%s", e.Message)
}

func errorsIn(ps []cairn.Problem) int {
	n := 0
	for _, p := range ps {
		if p.Severity == cairn.SeverityError {
			n++
		}
	}
	return n
}

// greet says what was started: name, experiment, run, what was taken along, and where
// to look at it.
func greet(ctx context.Context, k *kit.Kit, cl *kit.Client, made *client.JobCreated, told []string) {
	kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), made.Warnings)
	fmt.Fprintln(k.Term.Err, header(k, &made.Run))
	for _, l := range told {
		fmt.Fprintln(k.Term.Err, l)
	}
	for _, n := range made.Notes {
		fmt.Fprintf(k.Term.Err, "note: %s\n", term.Clean(n))
	}
	if st, err := cl.Status(ctx); err == nil && st.URL != "" {
		fmt.Fprintf(k.Term.Err, "web %s/runs/%d\n", st.URL, made.Run.ID)
	}
}
