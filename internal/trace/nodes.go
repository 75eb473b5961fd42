package trace

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// asset describes a version. Upwards: the job that made it, else the tracking
// run it was registered from.
func (w *walk) asset(n *cairn.TraceNode) ([]cairn.Link, error) {
	name, version := n.Ref.NameVersion()
	v, err := w.Reader.AssetVersion(w.ctx, w.Workspace, cairn.AssetKind(n.Kind), name, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "the version is not stored here any more")
	} else if err != nil {
		return nil, err
	}
	n.Title = n.Kind + " " + n.Ref.ID()
	n.Digest, n.By, n.At = v.Digest, v.By, v.CreatedAt
	fact(n, "digest", string(v.Digest))
	if v.Files > 0 {
		fact(n, "holds", plural(v.Files, "file")+", "+bytes(v.Size))
	}
	for _, k := range sortedKeys(v.Properties) {
		if n.Kind == cairn.KindEnvironment {
			fact(n, k, clip(v.Properties[k], 60))
		}
	}
	if w.down {
		ls, err := w.Reader.LinksTo(w.ctx, n.Ref)
		return pick(ls, onward...), err
	}
	if v.SourceRun != "" {
		if err := w.measured(n, v.SourceRun); err != nil {
			return nil, err
		}
	}
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	from, err := w.Reader.LinksFrom(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	derived := pick(from, cairn.RelDerived)
	if answers := reported(n, derived); len(answers) > 0 {
		return answers, nil // what people said of them is where it comes from
	}
	if made := pick(to, cairn.RelMade); len(made) > 0 {
		// The first one made it; a later one found the same bytes registered.
		return made[:1], nil
	}
	if len(derived) > 0 {
		return derived, nil
	}
	if n.Missing == "" {
		w.gap(n, "no job made it: %s registered it by hand on %s", cmp.Or(v.By, "somebody"), day(v.CreatedAt))
	}
	return nil, nil
}

// answersFollowed is how many of the answers that became data are followed.
const answersFollowed = 20

// reported picks the answers that a version was made of.
func reported(n *cairn.TraceNode, derived []cairn.Link) []cairn.Link {
	var out []cairn.Link
	for _, l := range derived {
		if l.To.Kind() == cairn.KindPrediction {
			out = append(out, l)
		}
	}
	if len(out) > 0 {
		fact(n, "made of", plural(int64(len(out)), "reported answer")+", exported by "+cmp.Or(n.By, "somebody"))
	}
	if len(out) > answersFollowed {
		fact(n, "followed", fmt.Sprintf("the first %d of them; cairn trace prediction/ID follows any", answersFollowed))
		out = out[:answersFollowed]
	}
	return out
}

// measured adds what the tracking run of a model says.
func (w *walk) measured(n *cairn.TraceNode, id string) error {
	r, err := w.Reader.MLRun(w.ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "its tracking run %s is not stored here", id)
		return nil
	} else if err != nil {
		return err
	}
	trackingFacts(n, r)
	return nil
}

func trackingFacts(n *cairn.TraceNode, r *cairn.MLRun) {
	for _, m := range r.Metrics {
		grouped(n, "metric", m.Key, number(m))
	}
	for _, p := range r.Params {
		grouped(n, "param", p.Key, clip(p.Value, 60))
	}
}

func number(m cairn.Metric) string {
	if m.NaN {
		return "NaN"
	}
	if m.Value == math.Trunc(m.Value) && math.Abs(m.Value) < 1e15 {
		return strconv.FormatFloat(m.Value, 'f', -1, 64)
	}
	return strconv.FormatFloat(m.Value, 'g', 6, 64)
}

// mlrun describes a tracking run. Upwards: its job.
func (w *walk) mlrun(n *cairn.TraceNode) ([]cairn.Link, error) {
	r, err := w.Reader.MLRun(w.ctx, n.Ref.ID())
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "the tracking run is not stored here")
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n.Title = "tracking run " + cmp.Or(r.Name, r.ID)
	n.By, n.At = r.By, r.CreatedAt
	fact(n, "id", r.ID)
	trackingFacts(n, r)
	if w.down {
		ls, err := w.Reader.LinksTo(w.ctx, n.Ref)
		return pick(ls, cairn.RelDerived), err
	}
	from, err := w.Reader.LinksFrom(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	job := pick(from, cairn.RelPartOf)
	if len(job) == 0 {
		w.gap(n, "no job started it: %s logged it by hand on %s", cmp.Or(r.By, r.User, "somebody"), day(r.CreatedAt))
	}
	return append(job, pick(from, cairn.RelUsed)...), nil
}

// artifact describes what a job uploaded.
func (w *walk) artifact(n *cairn.TraceNode) ([]cairn.Link, error) {
	run, attempt, name, ok := artifactRef(n.Ref)
	if ok {
		as, err := w.Reader.Artifacts(w.ctx, run)
		if err != nil {
			return nil, err
		}
		for _, a := range as {
			if a.Name == name && a.Attempt == attempt {
				n.Digest, n.At = a.Digest, a.CreatedAt
				fact(n, "digest", string(a.Digest))
				fact(n, "holds", plural(a.Files, "file")+", "+bytes(a.Size))
			}
		}
		n.Title = fmt.Sprintf("artifact %s of run %d", name, run)
	}
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	if w.down {
		return pick(to, onward...), nil
	}
	made := pick(to, cairn.RelMade)
	if len(made) == 0 {
		w.gap(n, "no job is recorded that made it")
	}
	return made, nil
}

func artifactRef(r cairn.Ref) (run cairn.RunID, attempt int, name string, ok bool) {
	head, name, ok := strings.Cut(r.ID(), "/")
	if !ok {
		return 0, 0, "", false
	}
	a, b, _ := strings.Cut(head, ".")
	id, err := strconv.ParseInt(a, 10, 64)
	if b != "" && err == nil {
		attempt, err = strconv.Atoi(b)
	}
	return cairn.RunID(id), attempt, name, err == nil
}

func (w *walk) runOf(id cairn.RunID) (*cairn.Run, error) {
	if r, ok := w.runs[id]; ok {
		return r, nil
	}
	r, err := w.Reader.Run(w.ctx, id)
	if err != nil {
		return nil, err
	}
	w.runs[id] = &r
	return &r, nil
}

// job describes a job. Upwards: what it used, what it ran.
func (w *walk) job(n *cairn.TraceNode) ([]cairn.Link, error) {
	id, err := strconv.ParseInt(n.Ref.ID(), 10, 64)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a job", n.Ref)
	}
	j, err := w.Reader.Job(w.ctx, cairn.JobID(id))
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "the job is not stored here")
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r, err := w.runOf(j.Run)
	if err != nil {
		return nil, err
	}
	n.Title = jobTitle(&j)
	n.By, n.At = r.Actor, j.StartedAt
	fact(n, "workflow", r.Workflow+", "+r.Event+" by "+r.Actor)
	if !j.StartedAt.IsZero() {
		fact(n, "ran", stamp(j.StartedAt)+took(j.StartedAt, j.FinishedAt))
	}
	if j.Conclusion != "" && j.Conclusion != cairn.Success {
		fact(n, "ended", string(j.Conclusion)+because(j.Reason))
	}
	from, err := w.Reader.LinksFrom(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	if w.down {
		return pick(from, cairn.RelMade), nil
	}
	used := pick(from, cairn.RelUsed)
	if used, err = w.explainSkips(r, &j, used); err != nil {
		return nil, err
	}
	used = packages(used, pick(from, cairn.RelMade))
	ran := pick(from, cairn.RelRan)
	if len(ran) == 0 && j.Conclusion != cairn.Skipped {
		if r.Commit.SHA != "" {
			ran = []cairn.Link{{From: n.Ref, Relation: cairn.RelRan, To: cairn.CommitRef(r.Commit.SHA)}}
		} else {
			w.gap(n, "the code is of no commit: the repository had none")
		}
	}
	if r.Dirty {
		n.Dirty = true
		fact(n, "code", "uncommitted changes on top of the commit (tree "+cmp.Or(r.TreeDigest.Short(), short(r.TreeGit))+")")
	}
	return append(used, ran...), nil
}

// packages adds what a job resolved for itself, its environment, to what it
// used: that is made and used by the same job, and shown once.
func packages(used, made []cairn.Link) []cairn.Link {
	for _, l := range made {
		if l.To.Kind() != cairn.KindEnvironment {
			continue
		}
		i := slices.IndexFunc(used, func(u cairn.Link) bool { return u.To == l.To })
		if i < 0 {
			i, used = len(used), append(used, l)
		}
		used[i].Note = cmp.Or(used[i].Note, "packages")
	}
	return used
}

// explainSkips says of each version that was made in another run whether a job
// of this run would have made it and was skipped.
func (w *walk) explainSkips(r *cairn.Run, j *cairn.Job, used []cairn.Link) ([]cairn.Link, error) {
	var skipped []cairn.Job
	loaded := false
	for i := range used {
		made, err := w.Reader.LinksTo(w.ctx, used[i].To)
		if err != nil {
			return nil, err
		}
		made = pick(made, cairn.RelMade)
		if len(made) == 0 {
			continue
		}
		id, err := strconv.ParseInt(made[0].From.ID(), 10, 64)
		if err != nil {
			continue
		}
		maker, err := w.Reader.Job(w.ctx, cairn.JobID(id))
		if err != nil || maker.Run == r.ID {
			continue
		}
		if !loaded {
			loaded = true
			if skipped, err = w.Reader.Jobs(w.ctx, r.ID, j.Attempt, false); err != nil {
				return nil, err
			}
		}
		for _, s := range skipped {
			if s.Conclusion == cairn.Skipped && s.Node == maker.Node {
				note := fmt.Sprintf("%s was skipped: output of run %d taken", s.Name, maker.Run)
				if used[i].Note != "" {
					note = used[i].Note + "; " + note
				}
				used[i].Note = note
				break
			}
		}
	}
	return used, nil
}

// run describes a run and leads to its jobs.
func (w *walk) run(n *cairn.TraceNode) ([]cairn.Link, error) {
	id, err := strconv.ParseInt(n.Ref.ID(), 10, 64)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a run", n.Ref)
	}
	r, err := w.runOf(cairn.RunID(id))
	if err != nil {
		return nil, err
	}
	n.Title = fmt.Sprintf("run %d: %s", r.ID, clip(r.Title, 80))
	n.By, n.At, n.Dirty = r.Actor, r.CreatedAt, r.Dirty
	fact(n, "workflow", r.Workflow+" ("+r.Path+"), "+r.Event+" by "+r.Actor)
	fact(n, "started", stamp(r.CreatedAt)+took(r.StartedAt, r.FinishedAt))
	fact(n, "ended", string(r.Conclusion))
	for _, in := range r.Inputs {
		grouped(n, "input", in.Name, clip(string(in.Value), 60))
	}
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	jobs := pick(to, cairn.RelPartOf)
	if len(jobs) > 0 {
		return jobs, nil
	}
	// Jobs get their link when they start: a run that is under way has rows.
	rows, err := w.Reader.Jobs(w.ctx, r.ID, r.Attempt, false)
	for _, j := range rows {
		jobs = append(jobs, cairn.Link{From: cairn.JobRef(j.ID), Relation: cairn.RelPartOf, To: n.Ref})
	}
	return jobs, err
}

// commit describes a commit. Downwards: the jobs that ran it.
func (w *walk) commit(n *cairn.TraceNode) ([]cairn.Link, error) {
	sha := n.Ref.ID()
	n.Title = "commit " + short(sha)
	c, repo, err := w.findCommit(sha)
	if err != nil {
		return nil, err
	}
	if c == nil {
		w.gap(n, "the commit is in no repository that is known here")
	} else {
		n.By, n.At = c.Author, c.Date
		fact(n, "subject", clip(c.Subject, 100))
		fact(n, "author", c.Author+" <"+c.Email+">, "+stamp(c.Date))
	}
	fact(n, "repository", repo)
	fact(n, "sha", sha)
	if !w.down {
		return nil, nil
	}
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	// Images that were pushed by hand name it with a label.
	return pick(to, cairn.RelRan, cairn.RelPacked), err
}

func (w *walk) findCommit(sha string) (*cairn.Commit, string, error) {
	for _, r := range w.runs {
		if r.Commit.SHA == sha {
			return &r.Commit, r.Repository, nil
		}
	}
	rs, err := w.Reader.Runs(w.ctx, cairn.RunFilter{Workspace: w.Workspace, SHA: sha, Limit: 1})
	if err != nil {
		return nil, "", err
	}
	if len(rs) > 0 {
		return &rs[0].Commit, rs[0].Repository, nil
	}
	if w.Commit == nil {
		return nil, "", nil
	}
	cs, err := w.Tracer.Commit(w.ctx, sha)
	if err != nil || len(cs) == 0 {
		return nil, "", err
	}
	return &cs[0], "", nil
}

// title is the name of a thing that is shown in full elsewhere.
func (w *walk) title(ref cairn.Ref) string {
	switch ref.Kind() {
	case cairn.KindJob:
		if id, err := strconv.ParseInt(ref.ID(), 10, 64); err == nil {
			if j, err := w.Reader.Job(w.ctx, cairn.JobID(id)); err == nil {
				return jobTitle(&j)
			}
		}
	case cairn.KindCommit:
		return "commit " + short(ref.ID())
	case cairn.KindUser:
		return ref.ID() + " by hand"
	case cairn.KindArtifact:
		if run, _, name, ok := artifactRef(ref); ok {
			return fmt.Sprintf("artifact %s of run %d", name, run)
		}
	}
	return w.servedTitle(ref)
}
