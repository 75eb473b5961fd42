package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// earlierRuns is how many runs of a file are looked through for an earlier job.
const earlierRuns = 200

// ExplainCache says why a job ran or took earlier outputs, compared with the newest
// earlier job of the same node.
func (s *Server) ExplainCache(ctx context.Context, name string) (*client.CacheExplanation, error) {
	n, err := s.FindJob(ctx, name)
	if err != nil {
		return nil, err
	}
	if n.Job == 0 {
		return nil, s.whichJob(ctx, n)
	}
	j, err := s.store.Job(ctx, n.Job)
	if err != nil {
		return nil, err
	}
	r, err := s.store.Run(ctx, j.Run)
	if err != nil {
		return nil, err
	}
	p, err := s.store.Plan(ctx, r.Plan)
	if err != nil {
		return nil, err
	}
	node := nodeAt(p, j.Node)
	if node == nil || node.Task == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s carries out no task: it has nothing that could be taken over", cmpOr(n.Path, n.Name))
	}
	out := &client.CacheExplanation{Job: j}
	if j.Task != nil {
		out.Key, out.Parts = j.Task.Key, j.Task.Parts
	}
	if j.Task != nil && j.Task.From != 0 {
		return out, s.explainReused(ctx, out, &j)
	}
	against, of, err := s.earlierJob(ctx, &r, &j)
	if err != nil {
		return nil, err
	}
	if against != nil {
		out.Against, out.AgainstName = against, jobLabel(of, against)
		if out.Changed, err = s.changedParts(ctx, against.Task.Parts, out.Parts); err != nil {
			return nil, err
		}
	}
	out.Why = whyRan(&r, &j, node, out, against)
	return out, nil
}

// explainReused names the job whose outputs were taken.
func (s *Server) explainReused(ctx context.Context, out *client.CacheExplanation, j *cairn.Job) error {
	from, err := s.store.Job(ctx, j.Task.From)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		out.Why = fmt.Sprintf("it took the outputs of job %d, which is not stored here any more", j.Task.From)
		return nil
	} else if err != nil {
		return err
	}
	r, err := s.store.Run(ctx, from.Run)
	if err != nil {
		return err
	}
	out.Against, out.AgainstName = &from, jobLabel(&r, &from)
	out.Why = fmt.Sprintf("it took the outputs of %s (job %d of run %d, ended %s): nothing that its key is made of has changed since",
		out.AgainstName, from.ID, from.Run, from.FinishedAt.UTC().Format("2006-01-02 15:04:05"))
	return nil
}

// whyRan is the sentence for a job that ran, or has not come to it.
func whyRan(r *cairn.Run, j *cairn.Job, node *cairn.Node, x *client.CacheExplanation, against *cairn.Job) string {
	switch {
	case j.Conclusion == cairn.Skipped:
		return "it was skipped: nothing was looked for" + because(j.Reason)
	case j.Task == nil || j.Task.Key == "" && j.Status != cairn.StatusCompleted:
		if node.Task.Reuse {
			return "its key is not known yet: the jobs before it have not ended"
		}
	}
	switch {
	case !node.Task.Reuse && !node.Task.Source:
		return "earlier outputs are not looked for: the pipeline says that all runs anew (force_rerun), or its component is not deterministic (is_deterministic: false)"
	case !node.Task.Reuse:
		return "earlier outputs are not looked for: who started it asked that all runs anew (--no-reuse)"
	case j.Task == nil || j.Task.Key == "":
		return "it never came to a key" + because(j.Reason)
	case against == nil:
		return "it ran: no earlier job of " + cmpOr(j.Node, j.Path) + " is known"
	case len(x.Changed) > 0:
		names := make([]string, 0, len(x.Changed))
		for _, c := range x.Changed {
			names = append(names, c.Name)
		}
		return "it ran since " + strings.Join(names, ", ") + " changed after " + x.AgainstName
	case against.Conclusion != cairn.Success:
		return fmt.Sprintf("it ran: the earlier job %s of the same key ended with %s, and left nothing to take", x.AgainstName, against.Conclusion)
	case against.Task != nil && !against.Task.Source && against.Task.From == 0:
		return "it ran: the earlier job " + x.AgainstName + " of the same key may not be taken from (force_rerun, or not deterministic)"
	case against.FinishedAt.IsZero() || against.FinishedAt.After(j.CreatedAt):
		return "it ran: the earlier job " + x.AgainstName + " of the same key had not ended when it began"
	}
	return "it ran: what the earlier job " + x.AgainstName + " of the same key left is not kept any more"
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clipText(reason, 200)
}

// whichJob asks for one of the jobs of a pipeline.
func (s *Server) whichJob(ctx context.Context, n *client.JobName) error {
	js, err := s.store.Jobs(ctx, n.Run, 0, false)
	if err != nil {
		return err
	}
	var all []string
	for _, j := range js {
		all = append(all, n.Name+"/"+j.Path)
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%s has several jobs", n.Name)
	if len(all) == 0 {
		return cairn.Errorf(cairn.CodePending, "none of the jobs of %s has begun", n.Name)
	}
	return e.WithHint("say which one: %s", firstOf(all))
}

func jobLabel(r *cairn.Run, j *cairn.Job) string {
	if r.Submitted == nil {
		return fmt.Sprintf("job %d", j.ID)
	}
	if j.Path == mainNode {
		return r.Submitted.Name
	}
	return r.Submitted.Name + "/" + j.Path
}

// nodeAt finds a node by its plan path.
func nodeAt(p *cairn.Plan, path string) (found *cairn.Node) {
	p.Walk(func(at string, n *cairn.Node) {
		if at == path {
			found = n
		}
	})
	return found
}

// earlierJob is the newest job of the same node before j that came to a key: in an
// earlier run of the same file, else of the same experiment.
func (s *Server) earlierJob(ctx context.Context, r *cairn.Run, j *cairn.Job) (*cairn.Job, *cairn.Run, error) {
	rs, err := s.store.Runs(ctx, cairn.RunFilter{Workspace: Workspace, Repository: r.Repository, Workflow: r.Path, Before: r.ID, Limit: earlierRuns})
	if err != nil {
		return nil, nil, err
	}
	if r.Submitted != nil {
		more, err := s.store.SubmittedRuns(ctx, cairn.SubmittedFilter{
			Workspace: Workspace, Experiment: r.Submitted.Experiment, Archived: true, Before: r.ID, Limit: earlierRuns,
		})
		if err != nil {
			return nil, nil, err
		}
		rs = append(rs, more...)
	}
	seen := map[cairn.RunID]bool{r.ID: true}
	for i := range rs {
		if rs[i].Submitted == nil || seen[rs[i].ID] {
			continue
		}
		seen[rs[i].ID] = true
		js, err := s.store.Jobs(ctx, rs[i].ID, 0, false)
		if err != nil {
			return nil, nil, err
		}
		var best *cairn.Job
		for k := range js {
			e := &js[k]
			if e.Node == j.Node && e.Task != nil && e.Task.Key != "" && (best == nil || e.Path == j.Path) {
				best = e
			}
		}
		if best != nil {
			return best, &rs[i], nil
		}
	}
	return nil, nil, nil
}

// changedParts compares two keys part by part.
func (s *Server) changedParts(ctx context.Context, was, is []cairn.KeyPart) ([]client.ChangedPart, error) {
	var out []client.ChangedPart
	value := map[string]string{}
	for _, p := range was {
		value[p.Name] = p.Value
	}
	for _, p := range is {
		old, had := value[p.Name]
		delete(value, p.Name)
		if had && old == p.Value {
			continue
		}
		c := client.ChangedPart{Name: p.Name, Was: old, Is: p.Value}
		var err error
		if c.Files, err = s.changedFiles(ctx, old, p.Value); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	for _, p := range was {
		if _, left := value[p.Name]; left {
			out = append(out, client.ChangedPart{Name: p.Name, Was: p.Value})
		}
	}
	return out, nil
}

// maxChanged bounds the files that one part tells of.
const maxChanged = 50

// changedFiles says which files of two folders differ; none where either is no folder
// that is kept here.
func (s *Server) changedFiles(ctx context.Context, was, is string) ([]string, error) {
	a, aok := treeDigest(was)
	b, bok := treeDigest(is)
	if !aok || !bok {
		return nil, nil
	}
	var out []string
	err := s.compareTrees(ctx, a, b, "", &out)
	switch cairn.CodeOf(err) {
	case "":
	case cairn.CodeNotFound, cairn.CodeInvalid, cairn.CodeTooLarge:
		return nil, nil // a file, or a folder that is gone
	default:
		return nil, err
	}
	if len(out) > maxChanged {
		out = append(out[:maxChanged], fmt.Sprintf("and %d more", len(out)-maxChanged))
	}
	return out, nil
}

// treeDigest finds the digest in the value of a part: alone, or before a name.
func treeDigest(value string) (cairn.Digest, bool) {
	for word := range strings.FieldsSeq(value) {
		if d := cairn.Digest(word); strings.HasPrefix(word, "sha256:") && d.Valid() {
			return d, true
		}
	}
	return "", false
}

// compareTrees adds the files that differ, going down only where digests do.
func (s *Server) compareTrees(ctx context.Context, was, is cairn.Digest, prefix string, out *[]string) error {
	a, err := s.blobs.ReadTree(ctx, was)
	if err != nil {
		return err
	}
	b, err := s.blobs.ReadTree(ctx, is)
	if err != nil {
		return err
	}
	old := map[string]cairn.TreeEntry{}
	for _, e := range a {
		old[e.Name] = e
	}
	for _, e := range b {
		o, had := old[e.Name]
		delete(old, e.Name)
		name := prefix + e.Name
		switch {
		case had && o.Digest == e.Digest && o.Mode == e.Mode:
		case had && o.Mode == cairn.ModeDir && e.Mode == cairn.ModeDir:
			if err := s.compareTrees(ctx, o.Digest, e.Digest, name+"/", out); err != nil {
				return err
			}
		case had:
			*out = append(*out, "changed "+name)
		default:
			*out = append(*out, "added "+name+slash(e.Mode))
		}
	}
	for _, e := range a {
		if _, left := old[e.Name]; left {
			*out = append(*out, "removed "+prefix+e.Name+slash(e.Mode))
		}
	}
	slices.Sort(*out)
	return nil
}

func slash(mode uint32) string {
	if mode == cairn.ModeDir {
		return "/"
	}
	return ""
}
