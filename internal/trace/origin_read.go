package trace

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// OriginOf reads the three answers out of the trace of a deployment, a release,
// an image or a model.
func OriginOf(tr *cairn.Trace) *cairn.Origin {
	o := &cairn.Origin{Gaps: tr.Gaps}
	if len(tr.Roots) == 0 {
		return o
	}
	r := readingOf(tr)
	root := &tr.Roots[0]
	o.Of, o.Title = root.Ref, root.Title
	if rel := find(root, cairn.KindRelease); rel != nil {
		o.Release = strings.TrimPrefix(rel.Title, "release ")
	}
	if d := find(root, cairn.KindDeployment); d != nil {
		fromDeployment(o, d)
	}
	image := find(root, cairn.KindImage)
	if image == nil {
		if root.Kind == cairn.KindModel {
			o.Models = []cairn.OriginThing{r.thing(root)}
			setCommit(o, r.makerOf(root))
			o.Data = r.dataOf(root)
		}
		return o
	}
	return r.fromImage(o, image)
}

func fromDeployment(o *cairn.Origin, d *cairn.TraceNode) {
	o.Approved = d.Fact("approved by")
	for _, f := range d.Facts {
		if f.Group == "check" {
			o.Checks = append(o.Checks, f)
		}
	}
	if _, on, ok := strings.Cut(d.Title, " on "); ok {
		o.Stage, o.Repository, _ = strings.Cut(on, " of ")
	}
	o.URL = d.Fact("live at")
	switch since, was := d.Fact("since"), d.Fact("was live"); {
	case since != "":
		o.State = "live since " + since
	case was != "":
		o.State = "was live from " + was
	default:
		o.State = d.Fact("status")
	}
}

func (r reading) fromImage(o *cairn.Origin, image *cairn.TraceNode) *cairn.Origin {
	o.Dirty = image.Dirty
	o.Image = &cairn.OriginThing{Ref: image.Ref, Digest: image.Digest, Note: strings.TrimPrefix(image.Title, "image "), Holds: image.Fact("holds")}
	var packed []*cairn.TraceNode
	for _, kind := range []string{cairn.KindModel, cairn.KindArtifact, cairn.KindData} {
		for i := range image.Children {
			c := &image.Children[i]
			if c.Kind == kind && c.Relation == cairn.RelPacked && !c.Inverse {
				packed = append(packed, c)
			}
		}
		if len(packed) > 0 {
			break // an artifact beside a registered model is not the model
		}
	}
	by := r.makerOf(image)
	seen := map[cairn.Ref]bool{}
	for _, m := range packed {
		t := r.thing(m)
		skipped := skipOf(by, m.Ref)
		if skipped != "" {
			o.Skipped = append(o.Skipped, skipped)
			t.Note = strings.TrimPrefix(t.Note+"; "+skipped, "; ")
		}
		o.Models = append(o.Models, t)
		for _, d := range r.dataOf(m) {
			if !seen[d.Ref] {
				seen[d.Ref] = true
				o.Data = append(o.Data, d)
			}
		}
	}
	if by == nil {
		by = image // pushed by hand: its label names the commit
	}
	setCommit(o, by)
	return o
}

// skipOf says that the step which makes a thing was skipped, where the job that
// took it into the image says so.
func skipOf(by *cairn.TraceNode, ref cairn.Ref) string {
	if by == nil {
		return ""
	}
	for i := range by.Children {
		c := &by.Children[i]
		if c.Ref != ref || c.Relation != cairn.RelUsed {
			continue
		}
		for part := range strings.SplitSeq(c.Note, "; ") {
			if strings.Contains(part, " was skipped: ") {
				return part
			}
		}
	}
	return ""
}

func setCommit(o *cairn.Origin, maker *cairn.TraceNode) {
	if maker == nil {
		return
	}
	o.Dirty = o.Dirty || maker.Dirty
	if c := child(maker, cairn.KindCommit); c != nil {
		o.Commit = commitOf(c)
		if o.Repository == "" {
			o.Repository = c.Fact("repository")
		}
	}
}

func child(n *cairn.TraceNode, kind string) *cairn.TraceNode {
	i := slices.IndexFunc(n.Children, func(c cairn.TraceNode) bool { return c.Kind == kind })
	if i < 0 {
		return nil
	}
	return &n.Children[i]
}

func commitOf(c *cairn.TraceNode) *cairn.OriginCommit {
	author, _, _ := strings.Cut(c.Fact("author"), ">,")
	if author != "" {
		author = strings.TrimSuffix(author, ">") + ">"
	}
	return &cairn.OriginCommit{SHA: c.Ref.ID(), Author: author, Date: c.At, Subject: c.Fact("subject")}
}

// find is the first node of a kind, parents first, that is not only part of
// something else's base.
func find(n *cairn.TraceNode, kind string) *cairn.TraceNode {
	if n.Kind == kind {
		return n
	}
	for i := range n.Children {
		if c := &n.Children[i]; c.Relation != cairn.RelPacked {
			if f := find(c, kind); f != nil {
				return f
			}
		}
	}
	return nil
}

// reading finds the place where a thing is shown in full: a trace shows each one
// once, and names it elsewhere.
type reading map[cairn.Ref]*cairn.TraceNode

func readingOf(tr *cairn.Trace) reading {
	r := reading{}
	tr.Walk(func(_ int, n *cairn.TraceNode) {
		if !n.Seen && r[n.Ref] == nil {
			r[n.Ref] = n
		}
	})
	return r
}

func (r reading) full(n *cairn.TraceNode) *cairn.TraceNode {
	if whole := r[n.Ref]; n.Seen && whole != nil {
		return whole
	}
	return n
}

// makerOf is the job that made something.
func (r reading) makerOf(n *cairn.TraceNode) *cairn.TraceNode {
	n = r.full(n)
	for i := range n.Children {
		if c := &n.Children[i]; c.Relation == cairn.RelMade && c.Inverse && c.Kind == cairn.KindJob {
			return r.full(c)
		}
	}
	return nil
}

// dataOf is the data nearest to what made something: what its job used, else what
// the jobs used whose artifacts and models it took.
func (r reading) dataOf(n *cairn.TraceNode) []cairn.OriginThing {
	level := []*cairn.TraceNode{n}
	for len(level) > 0 {
		var next []*cairn.TraceNode
		var out []cairn.OriginThing
		for _, x := range level {
			job := r.makerOf(x)
			if job == nil {
				continue
			}
			for i := range job.Children {
				c := &job.Children[i]
				if c.Relation != cairn.RelUsed {
					continue
				}
				switch c.Kind {
				case cairn.KindData:
					out = append(out, r.thing(c))
				case cairn.KindArtifact, cairn.KindModel:
					next = append(next, c)
				}
			}
		}
		if len(out) > 0 {
			return out
		}
		level = next
	}
	return nil
}

func (r reading) thing(n *cairn.TraceNode) cairn.OriginThing {
	whole := r.full(n)
	t := cairn.OriginThing{Ref: n.Ref, Digest: whole.Digest, Note: n.Note, Holds: whole.Fact("holds")}
	if t.Metrics = metricsOf(whole); len(t.Metrics) == 0 && n.Kind == cairn.KindModel {
		t.Metrics = r.loggedBy(n)
	}
	if job := r.makerOf(n); job != nil {
		t.MadeBy, t.MadeAt = job.Title, job.At
		if c := child(job, cairn.KindCommit); c != nil {
			t.MadeFrom = commitOf(c)
		}
	}
	return t
}

// EnvironmentsOf are the locks of packages in the trace of a release: those of
// its image, and those of the jobs that made what is in it.
func EnvironmentsOf(tr *cairn.Trace) (image, training []cairn.Ref) {
	if len(tr.Roots) == 0 {
		return nil, nil
	}
	r := readingOf(tr)
	img := find(&tr.Roots[0], cairn.KindImage)
	if img == nil {
		return nil, nil
	}
	add := func(list []cairn.Ref, ref cairn.Ref) []cairn.Ref {
		if slices.Contains(list, ref) {
			return list
		}
		return append(list, ref)
	}
	for i := range img.Children {
		c := &img.Children[i]
		if c.Relation != cairn.RelPacked || c.Inverse {
			continue
		}
		if c.Kind == cairn.KindEnvironment {
			image = add(image, c.Ref)
		}
		if job := r.makerOf(c); job != nil && c.Kind != cairn.KindImage {
			for k := range job.Children {
				if e := &job.Children[k]; e.Kind == cairn.KindEnvironment {
					training = add(training, e.Ref)
				}
			}
		}
	}
	return image, training
}
