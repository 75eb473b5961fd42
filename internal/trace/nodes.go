package trace

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// asset describes a version. Upwards: the job that made it, else the tracking
// run it was registered from.
func (w *walk) asset(n *cairn.TraceNode) ([]cairn.Link, error) {
	name, version := n.Ref.NameVersion()
	v, err := w.Reader.AssetVersion(w.ctx, w.Workspace, cairn.AssetKind(n.Kind), name, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound && w.BuiltIn != nil && w.BuiltIn(n.Ref) {
		n.Title = n.Kind + " " + n.Ref.ID()
		fact(n, "built in", "a part of this Cairn")
		return nil, nil
	}
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
		if made[0].From.Kind() == cairn.KindUser && len(derived) > 0 {
			// Somebody registered what was there: it comes from where that came from.
			fact(n, "registered", "by "+made[0].From.ID())
			return derived, nil
		}
		// The first one made it; a later one found the same bytes registered. A job that
		// registered what another one left leads on to that one as well.
		return append(elsewhere(derived), made[0]), nil
	}
	if len(derived) > 0 {
		return derived, nil
	}
	if n.Missing == "" {
		w.gap(n, "no job made it: %s registered it by hand on %s", cmp.Or(v.By, "somebody"), day(v.CreatedAt))
	}
	return nil, nil
}

// elsewhere are the outputs of other jobs that a version was registered from.
func elsewhere(derived []cairn.Link) []cairn.Link {
	var out []cairn.Link
	for _, l := range derived {
		if l.To.Kind() == cairn.KindArtifact && strings.HasPrefix(l.Note, "registered from ") {
			out = append(out, l)
		}
	}
	return out
}

// lockOfAnother ends at a lock of packages that another job had resolved before:
// that job is named, and what it used has no part in the question.
func (w *walk) lockOfAnother(n *cairn.TraceNode, made []cairn.Link, from cairn.Ref) []cairn.Link {
	taken := n.Relation == cairn.RelUsed || n.Relation == cairn.RelPacked
	if w.down || n.Kind != cairn.KindEnvironment || n.Inverse || !taken {
		return made
	}
	for _, l := range made {
		if l.From != from {
			fact(n, "made by", w.title(l.From))
		}
	}
	return nil
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
				if a.Gone != "" {
					fact(n, "kept", a.Gone+" "+a.GoneAt.UTC().Format("2006-01-02"))
				}
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
	case cairn.KindTree:
		return treeTitle(ref)
	case cairn.KindUser:
		return ref.ID() + " by hand"
	case cairn.KindAction:
		return actionTitle(ref)
	case cairn.KindArtifact:
		if run, _, name, ok := artifactRef(ref); ok {
			return fmt.Sprintf("artifact %s of run %d", name, run)
		}
	}
	return w.servedTitle(ref)
}
