package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/cairn-ml/cairn"
)

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
	above := w.startedBy(n, r)
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
	votes(n, from)
	if err := w.task(n, &j); err != nil {
		return nil, err
	}
	if w.down {
		started, err := w.started(n.Ref)
		return append(withoutOwn(pick(from, cairn.RelMade), &j), started...), err
	}
	used := pick(from, cairn.RelUsed)
	if used, err = w.explainSkips(r, &j, used); err != nil {
		return nil, err
	}
	used = packages(used, pick(from, cairn.RelMade))
	ran := pick(from, cairn.RelRan)
	if !ranCommit(ran) && j.Conclusion != cairn.Skipped && (j.Task == nil || j.Task.From == 0) {
		if r.Commit.SHA != "" {
			ran = append(ran, cairn.Link{From: n.Ref, Relation: cairn.RelRan, To: cairn.CommitRef(r.Commit.SHA)})
		} else {
			w.gap(n, "the code is of no commit: the repository had none")
		}
	}
	if r.Dirty {
		n.Dirty = true
		fact(n, "code", "uncommitted changes on top of the commit (tree "+cmp.Or(r.TreeDigest.Short(), short(r.TreeGit))+")")
	}
	return append(append(used, ran...), above...), nil
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
	above := w.startedRun(n, r)
	fact(n, "started", stamp(r.CreatedAt)+took(r.StartedAt, r.FinishedAt))
	fact(n, "ended", string(r.Conclusion))
	for _, in := range r.Inputs {
		grouped(n, "input", in.Name, clip(string(in.Value), 60))
	}
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	jobs := slices.DeleteFunc(pick(to, cairn.RelPartOf), func(l cairn.Link) bool { return l.From.Kind() != cairn.KindJob })
	if len(jobs) > 0 {
		return append(jobs, above...), nil
	}
	// Jobs get their link when they start: a run that is under way has rows.
	rows, err := w.Reader.Jobs(w.ctx, r.ID, r.Attempt, false)
	for _, j := range rows {
		jobs = append(jobs, cairn.Link{From: cairn.JobRef(j.ID), Relation: cairn.RelPartOf, To: n.Ref})
	}
	return append(jobs, above...), err
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
		if n.Again {
			n.Title += " " + c.Author + ": " + clip(c.Subject, 60)
		}
		fact(n, "author", c.Author+" <"+c.Email+">, "+stamp(c.Date))
	}
	fact(n, "repository", repo)
	if w.Source != nil && repo != "" {
		from, err := w.Source(w.ctx, repo)
		if err != nil {
			return nil, err
		}
		fact(n, "from", from)
	}
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
