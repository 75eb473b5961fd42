package az

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/job"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

func jobCommands() []command {
	name := nameArg(true, "job")
	return []command{
		{path: "ml job create", short: "Create a job from its YAML file.", run: createJob, args: scoped(
			fileArg(true, "Local path to the YAML file containing the job specification."), setArg(), nameArg(false, "job"), webArg(),
			arg{flags: []string{"--stream", "-s"}, dest: "stream", kind: bare, help: "Stream the job's logs to the console."},
			arg{flags: []string{"--save-as", "-a"}, dest: "save_as", help: "Write what is answered into this file, as YAML."},
			arg{flags: []string{"--skip-validation"}, dest: "skip_validation", kind: bare, help: "Says nothing here: files are always checked."}, noWaitArg())},
		{path: "ml job show", short: "Show a job.", run: showJob, args: scoped(name, webArg())},
		{path: "ml job stream", short: "Stream a job's logs to the console.", run: streamJob, args: scoped(name)},
		{path: "ml job list", short: "List jobs, the newest first.", run: listJobs, args: scoped(
			arg{flags: []string{"--max-results", "-r"}, dest: "max_results", def: "50", help: "Max number of results to return."},
			arg{flags: []string{"--all-results"}, dest: "all_results", kind: switched, help: "Return all results."},
			arg{flags: []string{"--parent-job-name", "-p"}, dest: "parent_job_name", help: "List the children of this job."},
			arg{flags: []string{"--schedule-name"}, dest: "schedule_name", help: "List what this schedule started."},
			arg{flags: []string{"--archived-only"}, dest: "archived_only", kind: bare, help: "List archived jobs only."},
			arg{flags: []string{"--include-archived"}, dest: "include_archived", kind: bare, help: "List archived jobs too."})},
		{path: "ml job cancel", short: "Cancel a job.", args: scoped(name, noWaitArg()), run: func(ctx context.Context, c *call) (any, error) {
			cl, n, _, err := job.Find(ctx, c.k, c.get("name"))
			if err != nil {
				return nil, err
			}
			return nil, cl.Cancel(ctx, n.Run, false)
		}},
		{path: "ml job download", short: "Download what a job left.", run: downloadJob, args: scoped(name,
			arg{flags: []string{"--download-path", "-p"}, dest: "download_path", def: ".", help: "Path to download the job files to."},
			arg{flags: []string{"--output-name"}, dest: "output_name", help: "The named output; default: the artifacts."},
			arg{flags: []string{"--all"}, dest: "all", kind: switched, help: "All outputs and the artifacts."})},
		{path: "ml job update", short: "Change tags, description and display name of a job.", run: updateJob, args: scoped(append([]arg{name, webArg()}, updateArgs()...)...)},
		{path: "ml job archive", short: "Archive a job.", run: archiveJob(true), args: scoped(name)},
		{path: "ml job restore", short: "Restore an archived job.", run: archiveJob(false), args: scoped(name)},
		{path: "ml job validate", short: "Check a job's file.", run: validateJob, args: scoped(fileArg(true, "Local path to the YAML file."), setArg())},
	}
}

func createJob(ctx context.Context, c *call) (any, error) {
	cl, made, err := job.Submit(ctx, c.k, job.Request{File: c.get("file"), Set: c.list("set"), Name: c.get("name")})
	if err != nil {
		return nil, err
	}
	if c.on("stream") {
		if err := follow(ctx, c, cl, made.Name, made.Run, true); err != nil {
			return nil, err
		}
		if v, err := cl.SubmittedJob(ctx, made.Name); err == nil {
			made.Run = v.Run
		}
	}
	o := jobObject(ctx, c, cl, &made.Run)
	return o, c.saveAs(o)
}

// follow shows a job to its end as the original does: a failed one is an error, a canceled
// one is not.
func follow(ctx context.Context, c *call, cl *kit.Client, name string, r cairn.Run, mine bool) error {
	w := c.k.Term.Out
	page := webPage(ctx, cl, r.ID)
	fmt.Fprintf(w, "RunId: %s\nWeb View: %s\n\n", name, page)
	err := job.Follow(ctx, c.k, cl, name, r, mine)
	fmt.Fprintf(w, "\nExecution Summary\n=================\nRunId: %s\nWeb View: %s\n\n", name, page)
	var ended kit.Exit
	if err == nil || !errors.As(err, &ended) || ended == kit.ExitInterrupted {
		return err
	}
	v, verr := cl.SubmittedJob(context.WithoutCancel(ctx), name)
	switch {
	case verr != nil:
		return verr
	case v.Run.Conclusion == cairn.Cancelled:
		return nil
	}
	return cairn.Errorf(cairn.CodeFailed, "Exception : \n {\n    \"error\": {\n        \"code\": \"UserError\",\n        \"message\": \"%s\"\n    }\n} ", strings.ReplaceAll(v.Run.Reason, `"`, `\"`))
}

// webPage is the address of a run's page; "" where the server tells none.
func webPage(ctx context.Context, cl *kit.Client, id cairn.RunID) string {
	st, err := cl.Status(ctx)
	if err != nil || st.URL == "" {
		return ""
	}
	return fmt.Sprintf("%s/runs/%d", st.URL, id)
}

func showJob(ctx context.Context, c *call) (any, error) {
	cl, n, v, err := job.Find(ctx, c.k, c.get("name"))
	if err != nil {
		return nil, err
	}
	if n.Path != "" {
		for i := range v.Jobs {
			if j := &v.Jobs[i]; j.Path == n.Path || j.Node == n.Path {
				return childObject(c, v, j), nil
			}
		}
	}
	return jobObject(ctx, c, cl, &v.Run), nil
}

func streamJob(ctx context.Context, c *call) (any, error) {
	cl, n, v, err := job.Find(ctx, c.k, c.get("name"))
	if err != nil {
		return nil, err
	}
	if n.Path != "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a step of the pipeline job %s, which is streamed as a whole", n.Path, n.Name).
			WithHint("az ml job stream --name %s", n.Name)
	}
	return nil, follow(ctx, c, cl, n.Name, v.Run, false)
}

// maxJobs bounds a listing with --all-results.
const maxJobs = 10_000

func listJobs(ctx context.Context, c *call) (any, error) {
	if parent := c.get("parent_job_name"); parent != "" {
		_, _, v, err := job.Find(ctx, c.k, parent)
		if err != nil {
			return nil, err
		}
		out := []any{}
		for i := range v.Jobs {
			if !v.Jobs[i].Call {
				out = append(out, childObject(c, v, &v.Jobs[i]))
			}
		}
		return out, nil
	}
	most, err := number(c.get("max_results"), "--max-results/-r")
	if err != nil {
		return nil, err
	}
	if c.on("all_results") {
		most = maxJobs
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	only := c.on("archived_only")
	f := api.JobFilter{Schedule: c.get("schedule_name"), Archived: only || c.on("include_archived")}
	out := []any{}
	for len(out) < most {
		f.Limit = min(most-len(out), 200)
		if only {
			f.Limit = 200
		}
		runs, err := cl.SubmittedJobs(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range runs {
			if r := &runs[i]; len(out) < most && (!only || r.Submitted.Archived) {
				out = append(out, jobObject(ctx, c, nil, r))
			}
		}
		if len(runs) < f.Limit {
			break
		}
		f.Before = runs[len(runs)-1].ID
	}
	return out, nil
}

func downloadJob(ctx context.Context, c *call) (any, error) {
	fmt.Fprintf(c.k.Term.Err, "Downloading what job %s left to %s\n", c.get("name"), c.get("download_path"))
	_, err := job.Download(ctx, c.k, c.get("name"), c.get("output_name"), c.get("download_path"), c.on("all"))
	return nil, err
}

func updateJob(ctx context.Context, c *call) (any, error) {
	ch, err := c.changes()
	if err != nil {
		return nil, err
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	r, err := cl.UpdateJob(ctx, c.get("name"), api.JobUpdate{DisplayName: ch.displayName, Description: ch.description, SetTags: ch.set, RemoveTags: ch.remove})
	if err != nil {
		return nil, err
	}
	return jobObject(ctx, c, cl, r), nil
}

func archiveJob(archived bool) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		cl, err := c.client(ctx)
		if err != nil {
			return nil, err
		}
		_, err = cl.UpdateJob(ctx, c.get("name"), api.JobUpdate{Archived: &archived})
		return nil, err
	}
}

// status is a job's state in the original's words.
func status(s cairn.Status, c cairn.Conclusion) string {
	switch {
	case s == cairn.StatusRunning:
		return "Running"
	case s == cairn.StatusQueued:
		return "Queued"
	case s != cairn.StatusCompleted:
		return "NotStarted"
	case c == cairn.Success || c == cairn.Skipped:
		return "Completed"
	case c == cairn.Cancelled:
		return "Canceled"
	}
	return "Failed"
}

// jobObject is a job as the original answers it. Without a client its page is left out.
func jobObject(ctx context.Context, c *call, cl *kit.Client, r *cairn.Run) *query.Object {
	x := r.Submitted
	if x == nil {
		x = &cairn.Submitted{Name: fmt.Sprint(r.ID), Type: "command", Experiment: r.Workflow}
	}
	o := object("name", x.Name, "display_name", x.DisplayName, "experiment_name", x.Experiment, "type", x.Type, "status", status(r.Status, r.Conclusion),
		"creation_context", created(r.Actor, r.CreatedAt), "id", "azureml:"+c.armID("jobs/"+x.Name), "resourceGroup", c.group(),
		"tags", texts(x.Tags), "properties", texts(x.Properties), "inputs", inputs(x.Inputs), "outputs", outputs(x.Name, x.Outputs), "compute", "azureml:local")
	if x.Description != "" {
		o.Set("description", x.Description)
	}
	if x.DisplayName == "" {
		o.Set("display_name", x.Name)
	}
	services := query.NewObject()
	if cl != nil {
		if page := webPage(ctx, cl, r.ID); page != "" {
			services.Set("Studio", object("endpoint", page, "type", "Studio"))
		}
	}
	o.Set("services", services)
	return o
}

// childObject is a step of a pipeline as a job.
func childObject(c *call, v *api.JobView, j *cairn.Job) *query.Object {
	parent := fmt.Sprint(v.Run.ID)
	if v.Run.Submitted != nil {
		parent = v.Run.Submitted.Name
	}
	name := parent + "/" + j.Path
	out := query.NewObject()
	for _, k := range sortedKeys(j.Outputs) {
		if k != "artifacts" {
			out.Set(k, output1(name, k, j.Outputs[k]))
		}
	}
	return object("name", name, "display_name", j.Path, "type", "command", "status", status(j.Status, j.Conclusion), "parent_job_name", parent,
		"creation_context", created(v.Run.Actor, v.Run.CreatedAt), "id", "azureml:"+c.armID("jobs/"+name), "resourceGroup", c.group(), "outputs", out, "compute", "azureml:local")
}

func inputs(in []cairn.Setting) *query.Object {
	out := query.NewObject()
	for _, s := range in {
		out.Set(s.Name, output1("", "", s.Value))
	}
	return out
}

func outputs(job string, m map[string]string) *query.Object {
	out := query.NewObject()
	for _, k := range sortedKeys(m) {
		if k != "artifacts" {
			out.Set(k, output1(job, k, m[k]))
		}
	}
	return out
}

// output1 is data by its type and place, or a literal. What a job made lies at the output
// of its name.
func output1(job, name, text string) any {
	d, ok := cairn.DecodeData(text)
	if !ok {
		return text
	}
	kind := d.Asset
	if kind == "" {
		kind = map[string]string{"file": "uri_file", "folder": "uri_folder"}[d.Type]
	}
	mode, at := "rw_mount", "azureml://jobs/"+job+"/outputs/"+name
	if job == "" {
		mode, at = "ro_mount", "azureml:"+string(d.Digest)
	}
	if k, rest, ok := strings.Cut(string(d.Ref), "/"); ok && slices.Contains([]string{"data", "model"}, k) {
		at = "azureml:" + rest
	}
	return object("mode", mode, "path", at, "type", kind)
}
