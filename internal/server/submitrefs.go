package server

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/plan"
)

// jobRefs finds what the references of a job's file lead to.
type jobRefs struct {
	s        *Server
	c        *jobCode
	maps     environmentMaps
	resolved plan.Resolved
	notes    []string
}

func newJobRefs(s *Server, r *client.JobRequest, c *jobCode) *jobRefs {
	return &jobRefs{s: s, c: c, resolved: plan.Resolved{
		Local: localData(r), Data: map[string]cairn.DataValue{},
		Components: map[string]plan.ResolvedComponent{}, Environments: map[string]cairn.TaskEnvironment{},
	}}
}

func localData(r *client.JobRequest) map[string]cairn.DataValue {
	out := map[string]cairn.DataValue{}
	for _, l := range r.Local {
		out[path.Clean(l.Path)] = l.Data
	}
	return out
}

// readRequest reads the file that a request is of, with all that it names by path.
func readRequest(r *client.JobRequest) (*pipeline.Document, error) {
	files := pipeline.MapFiles{Files: map[string][]byte{}, Paths: map[string]bool{}}
	for _, f := range r.Files {
		files.Files[path.Clean(f.Path)] = []byte(f.Text)
	}
	for p, v := range localData(r) {
		if !v.Digest.Valid() || v.Type != "folder" && v.Type != "file" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "what was sent for %s is neither a folder nor a file: type %q, digest %q", p, v.Type, clipText(string(v.Digest), 100))
		}
		files.Paths[p] = v.Type == "folder"
	}
	o := pipeline.Options{Set: r.Set}
	for _, f := range r.Flags {
		o.Values = append(o.Values, pipeline.NamedValue{Name: f.Name, Value: f.Value})
	}
	doc, problems := pipeline.Load(files, path.Clean(r.File), o)
	if doc == nil || cairn.HasErrors(problems) {
		return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: r.File + " is not valid", Problems: problems}
	}
	return doc, nil
}

// resolveAll resolves references; what cannot be met is a problem at its place. An
// error is one that has nothing to do with the file.
func (j *jobRefs) resolveAll(ctx context.Context, missing []pipeline.Reference) ([]cairn.Problem, error) {
	var problems []cairn.Problem
	done := map[string]bool{}
	for _, ref := range missing {
		key := ref.Use + "\x00" + ref.Text
		if done[key] {
			continue
		}
		done[key] = true
		err := j.resolve(ctx, &ref)
		if err == nil {
			continue
		}
		if passes(err) || cairn.CodeOf(err) == cairn.CodeInternal {
			return nil, err
		}
		e := cairn.AsError(err)
		p := unmet(ref.Pos, "job.reference", e.Hint, "%s", e.Message)
		p.Path, p.Value = ref.JSONPath, ref.Text
		problems = append(append(problems, p), e.Problems...)
	}
	return problems, nil
}

func (j *jobRefs) resolve(ctx context.Context, ref *pipeline.Reference) error {
	switch ref.Use {
	case "environment":
		env, err := j.environment(ctx, ref)
		if err == nil {
			j.resolved.Environments[ref.Text] = env
		}
		return err
	case "component":
		c, err := j.component(ctx, ref)
		if err == nil {
			j.resolved.Components[ref.Text] = *c
		}
		return err
	}
	v, err := j.data(ctx, ref)
	if err == nil {
		v.URI = ref.Text
		if ref.Kind == pipeline.RefLocal {
			j.resolved.Local[ref.Path] = v
		} else {
			j.resolved.Data[ref.Text] = v
		}
	}
	return err
}

// data finds data, a model, or what a job made.
func (j *jobRefs) data(ctx context.Context, ref *pipeline.Reference) (cairn.DataValue, error) {
	switch ref.Kind {
	case pipeline.RefLocal:
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeInvalid, "%s was not sent with the job", ref.Path).
			WithHint("what a job's file names by path is sent by cairn job create")
	case pipeline.RefAsset:
		return j.dataAsset(ctx, ref)
	case pipeline.RefDatastore:
		return j.s.datastoreData(ctx, ref.Of, ref.Below)
	case pipeline.RefJob:
		return j.jobOutput(ctx, ref)
	case pipeline.RefRun:
		return j.trackedFiles(ctx, ref)
	case pipeline.RefURL:
		return j.url(ctx, ref)
	}
	return cairn.DataValue{}, cairn.Errorf(cairn.CodeUnsupported, "%s is a reference of a kind that is not known: %q", ref.Text, ref.Kind)
}

// assetName is how an asset of a registry is called in this workspace.
func assetName(ref *pipeline.Reference) string {
	if ref.Registry == "" {
		return ref.Name
	}
	return ref.Registry + "/" + ref.Name
}

// version finds the version that a reference to an asset means.
func (j *jobRefs) version(ctx context.Context, kind cairn.AssetKind, ref *pipeline.Reference) (*cairn.AssetVersion, error) {
	asked := assetName(ref)
	switch {
	case ref.Version != "":
		asked += ":" + ref.Version
	case ref.Label != "" && ref.Label != "default": // of a component: its newest version
		asked += "@" + ref.Label
	default:
		asked += "@latest"
	}
	v, err := j.s.assets.Resolve(ctx, kind, string(kind)+"/"+asked, auth.Actor(ctx))
	if err != nil {
		return nil, err
	}
	if v.Archived {
		j.notes = append(j.notes, string(v.Ref())+" is archived")
	}
	return v, nil
}

func (j *jobRefs) dataAsset(ctx context.Context, ref *pipeline.Reference) (cairn.DataValue, error) {
	kinds := []cairn.AssetKind{cairn.AssetData, cairn.AssetModel}
	switch ref.Use {
	case "model":
		kinds = []cairn.AssetKind{cairn.AssetModel, cairn.AssetData}
	case "code":
		kinds = []cairn.AssetKind{cairn.AssetCode}
	}
	var first error
	for _, kind := range kinds {
		v, err := j.version(ctx, kind, ref)
		if err == nil {
			d, err := j.dataOf(ctx, v)
			d.Asset = cmpOr(d.Asset, ref.Use)
			return d, err
		}
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			return cairn.DataValue{}, err
		}
		if first == nil {
			first = err
		}
	}
	return cairn.DataValue{}, first
}

// dataOf is the data of a version.
func (j *jobRefs) dataOf(ctx context.Context, v *cairn.AssetVersion) (cairn.DataValue, error) {
	d := cairn.DataValue{Type: v.Type, Digest: v.Digest, Size: v.Size, Files: v.Files, Ref: v.Ref(), Asset: v.Properties["type"]}
	switch v.Type {
	case "folder":
		d.Asset = cmpOr(d.Asset, "uri_folder")
		return j.oneFile(ctx, d)
	case "file":
		d.Asset, d.Name = cmpOr(d.Asset, "uri_file"), cmpOr(path.Base(v.Properties["file"]), v.Name)
		if d.Name == "." || d.Name == "/" {
			d.Name = v.Name
		}
		return d, nil
	}
	// A version that names a place: what lies there counts.
	at := pipeline.Reference{Kind: pipeline.RefURL, Text: v.SourceURI, Use: "data"}
	if ds, p, ok := datastoreURI(v.SourceURI); ok {
		at.Kind, at.Of, at.Below = pipeline.RefDatastore, ds, p
	}
	d, err := j.data(ctx, &at)
	if err == nil {
		d.Ref, d.Asset = v.Ref(), cmpOr(v.Properties["type"], d.Asset)
	}
	return d, err
}

// oneFile makes a file of a version that is meant to be one and was kept as a folder
// with it alone.
func (j *jobRefs) oneFile(ctx context.Context, d cairn.DataValue) (cairn.DataValue, error) {
	if d.Asset != "uri_file" {
		return d, nil
	}
	es, err := j.s.blobs.ReadTree(ctx, d.Digest)
	if err != nil || len(es) != 1 || es[0].Mode == cairn.ModeDir || es[0].Mode == cairn.ModeSymlink {
		return d, err
	}
	d.Type, d.Digest, d.Size, d.Files, d.Name = "file", es[0].Digest, es[0].Size, 1, es[0].Name
	return d, nil
}

// jobOutput is what a job made: one of its outputs, or all that it left behind.
func (j *jobRefs) jobOutput(ctx context.Context, ref *pipeline.Reference) (cairn.DataValue, error) {
	n, err := j.s.FindJob(ctx, ref.Of)
	if err != nil {
		return cairn.DataValue{}, err
	}
	r, err := j.s.store.Run(ctx, n.Run)
	if err != nil {
		return cairn.DataValue{}, err
	}
	if ref.Output == "artifacts" || ref.Output == "default" {
		return j.jobArtifacts(ctx, ref, n)
	}
	outputs, who, done := r.Submitted.Outputs, n.Name, r.Status == cairn.StatusCompleted
	if n.Job != 0 {
		job, err := j.s.store.Job(ctx, n.Job)
		if err != nil {
			return cairn.DataValue{}, err
		}
		outputs, done = job.Outputs, job.Status == cairn.StatusCompleted
		if n.Path != "" {
			who += "/" + n.Path
		}
	}
	text, ok := outputs[ref.Output]
	switch {
	case !ok && !done:
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeConflict, "job %s has not ended: it has no output %q yet", who, ref.Output).
			WithHint("cairn job stream --name %s waits for its end", n.Name)
	case !ok:
		e := cairn.Errorf(cairn.CodeNotFound, "job %s has no output %q", who, ref.Output)
		names := slices.Sorted(maps.Keys(outputs))
		if near := cairn.Nearest(ref.Output, names); near != "" {
			return cairn.DataValue{}, e.WithHint("did you mean %s?", near)
		}
		return cairn.DataValue{}, e.WithHint("it has %s", cmpOr(firstOf(append(names, "artifacts")), "none"))
	}
	v, ok := cairn.DecodeData(text)
	if !ok {
		return v, cairn.Errorf(cairn.CodeInvalid, "output %s of job %s is the value %q, not data", ref.Output, who, clipText(text, 80))
	}
	return j.below(ctx, v, ref)
}

// jobArtifacts are the files that a job left behind: outputs, logs, user_logs.
func (j *jobRefs) jobArtifacts(ctx context.Context, ref *pipeline.Reference, n *client.JobName) (cairn.DataValue, error) {
	if n.Job != 0 {
		job, err := j.s.store.Job(ctx, n.Job)
		if err != nil {
			return cairn.DataValue{}, err
		}
		if v, ok := cairn.DecodeData(job.Outputs["artifacts"]); ok {
			return j.below(ctx, v, ref)
		}
	}
	p := cmpOr(n.Path, mainNode)
	a, err := j.s.assets.Artifact(ctx, n.Run, strings.ReplaceAll(p, "/", ".")+".artifacts")
	if err != nil {
		return cairn.DataValue{}, err
	}
	v := cairn.DataValue{Type: "folder", Digest: a.Digest, Size: a.Size, Files: a.Files, Ref: a.Ref(), Asset: "uri_folder"}
	return j.below(ctx, v, ref)
}

func (j *jobRefs) below(ctx context.Context, v cairn.DataValue, ref *pipeline.Reference) (cairn.DataValue, error) {
	return j.s.dataAt(ctx, v, ref.Below, ref.Text)
}

// dataAt is what lies at a path inside of data; a file or folder that is not there is
// said with what there is.
func (s *Server) dataAt(ctx context.Context, v cairn.DataValue, below, text string) (cairn.DataValue, error) {
	out, err := dataBelow(ctx, s.blobs, v, below)
	if !errors.Is(err, fs.ErrNotExist) {
		if err == nil && below != "" {
			out.Asset = map[string]string{"file": "uri_file", "folder": "uri_folder"}[out.Type]
		}
		return out, err
	}
	e := cairn.Errorf(cairn.CodeNotFound, "%s: there is no %s", text, below)
	if v.Type != "folder" {
		return v, e.WithHint("it is one file: %s", v.Name)
	}
	es, rerr := s.blobs.ReadTree(ctx, v.Digest)
	if rerr != nil {
		return v, rerr
	}
	var names []string
	for _, x := range es {
		names = append(names, x.Name)
	}
	return v, e.WithHint("there are %s", cmpOr(firstOf(names), "no files"))
}

// trackedFiles are files that a script logged to a run of the tracking interface.
func (j *jobRefs) trackedFiles(ctx context.Context, ref *pipeline.Reference) (cairn.DataValue, error) {
	r, err := j.s.track.Run(ctx, ref.Of)
	if err != nil {
		return cairn.DataValue{}, err
	}
	p := path.Join(r.Root, path.Clean("/"+ref.Below))
	d, size, files, err := j.s.track.Collect(ctx, p)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeNotFound, "tracking run %s has no files at %q", ref.Of, ref.Below)
	} else if err != nil {
		return cairn.DataValue{}, err
	}
	v := cairn.DataValue{Type: "folder", Digest: d, Size: size, Files: files, Ref: r.Ref(), Asset: "uri_folder"}
	if f, err := j.s.store.MLFile(ctx, p); err == nil && !f.Dir {
		v = cairn.DataValue{Type: "file", Digest: f.Digest, Size: f.Size, Files: 1, Name: path.Base(p), Ref: r.Ref(), Asset: "uri_file"}
	}
	return v, nil
}

// inputs are those of a job's file, as the run is told of them.
func (j *jobRefs) inputs(job *pipeline.Job) []cairn.Setting {
	var out []cairn.Setting
	for _, in := range job.Inputs {
		text := in.Value.Value.Text
		if in.Value.Value.Kind == cairn.TemplateBool {
			text = map[bool]string{true: "True", false: "False"}[in.Value.Value.Bool]
		}
		if in.Data != nil {
			v, ok := j.resolved.Data[in.Data.Text]
			if in.Data.Kind == pipeline.RefLocal {
				v, ok = j.resolved.Local[in.Data.Path]
			}
			if text = in.Data.Text; ok {
				v.URI = cmpOr(v.URI, in.Data.Text)
				text = v.Encode()
			}
		}
		out = append(out, cairn.Setting{Name: in.Name, Value: text})
	}
	return out
}
