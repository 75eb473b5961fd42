package cairn

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Trace answers where something comes from, or what came of it: trees of
// things, each with the facts that a person wants to see of it.
type Trace struct {
	Asked string `json:"asked"`
	Down  bool   `json:"down"` // what came of it, instead of where it comes from
	// Roots are what the question meant; more than one when a file or a digest is
	// held by several versions.
	Roots []TraceNode `json:"roots"`
	// Gaps are the missing links, nearest first. A complete trace has none.
	Gaps []TraceGap `json:"gaps,omitempty"`
}

// TraceNode is one thing on the way.
type TraceNode struct {
	Ref  Ref    `json:"ref"`
	Kind string `json:"kind"` // the kind of Ref
	// Relation and Note are those of the link that led here from the parent.
	// Inverse says that the link points from this thing to its parent.
	Relation Relation    `json:"relation,omitempty"`
	Inverse  bool        `json:"inverse,omitempty"`
	Note     string      `json:"note,omitempty"`
	Title    string      `json:"title"` // one line: "model digits:3", "ai-training, job 108 of run 42"
	Facts    []TraceFact `json:"facts,omitempty"`
	Digest   Digest      `json:"digest,omitempty"`
	Dirty    bool        `json:"dirty,omitempty"` // the code had changes that no commit holds
	By       string      `json:"by,omitempty"`
	At       time.Time   `json:"at,omitzero"`
	// Seen says that the node is shown in full further up.
	Seen bool `json:"seen,omitempty"`
	// Missing says why nothing further is known from here.
	Missing  string      `json:"missing,omitempty"`
	Children []TraceNode `json:"children,omitempty"`
}

// TraceFact is a named value: a metric, a parameter, an author.
type TraceFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Group gathers facts of a sort: "metric", "param", "package"; "" stands alone.
	Group string `json:"group,omitempty"`
}

// TraceGap is a link that should be there and is not.
type TraceGap struct {
	At     Ref    `json:"at"`
	Reason string `json:"reason"`
}

// Fact returns the value of the first fact of that name.
func (n *TraceNode) Fact(name string) string {
	for _, f := range n.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Walk visits every node, parents first; depth counts from 0.
func (t *Trace) Walk(visit func(depth int, n *TraceNode)) {
	var rec func(int, []TraceNode)
	rec = func(depth int, ns []TraceNode) {
		for i := range ns {
			visit(depth, &ns[i])
			rec(depth+1, ns[i].Children)
		}
	}
	rec(0, t.Roots)
}

// Render writes the trace as an indented list, without colours.
func (t *Trace) Render(w io.Writer) error {
	var b strings.Builder
	t.Walk(func(depth int, n *TraceNode) {
		in := strings.Repeat("  ", depth)
		b.WriteString(in)
		if n.Relation != "" {
			fmt.Fprintf(&b, "%s ", n.Words())
		}
		b.WriteString(n.Title)
		if n.Note != "" {
			fmt.Fprintf(&b, " (%s)", n.Note)
		}
		if n.Seen {
			b.WriteString(" (shown above)\n")
			return
		}
		b.WriteByte('\n')
		for _, line := range n.FactLines() {
			fmt.Fprintf(&b, "%s    %s\n", in, line)
		}
		if n.Missing != "" {
			fmt.Fprintf(&b, "%s    missing: %s\n", in, n.Missing)
		}
	})
	_, err := io.WriteString(w, b.String())
	return err
}

// FactLines gives the facts as lines: one for each that stands alone, one for
// each group.
func (n *TraceNode) FactLines() []string {
	var lines []string
	for i := 0; i < len(n.Facts); {
		f := n.Facts[i]
		if f.Group == "" {
			lines = append(lines, f.Name+" "+f.Value)
			i++
			continue
		}
		var parts []string
		for ; i < len(n.Facts) && n.Facts[i].Group == f.Group; i++ {
			parts = append(parts, n.Facts[i].Name+"="+n.Facts[i].Value)
		}
		label := f.Group
		if len(parts) > 1 {
			label += "s"
		}
		lines = append(lines, label+" "+strings.Join(parts, "  "))
	}
	return lines
}

// Words says the link to the parent, as it is read from the parent on.
func (n *TraceNode) Words() string {
	inverse := map[Relation]string{
		RelRan: "ran in", RelUsed: "used by", RelMade: "made by", RelPartOf: "holds", RelPacked: "packed into",
		RelReleased: "released as", RelApproved: "approved", RelDeployed: "deployed as", RelServed: "served", RelDerived: "became",
	}
	forward := map[Relation]string{RelPartOf: "part of", RelDerived: "registered from", RelApproved: "approved by", RelServed: "served by"}
	if n.Relation == RelDerived && n.Kind == KindPrediction {
		return "made of"
	}
	if n.Inverse {
		if w, ok := inverse[n.Relation]; ok {
			return w
		}
	} else if w, ok := forward[n.Relation]; ok {
		return w
	}
	return string(n.Relation)
}

// Origin answers the three questions about what is served: who changed its code
// last, which model is in it, which data made that model.
type Origin struct {
	Repository string `json:"repository"`
	// Stage is where it is live; "" when nothing is, and Note says what the answers
	// are of instead.
	Stage   string    `json:"stage,omitempty"`
	URL     string    `json:"url,omitempty"`
	Of      Ref       `json:"of"` // the deployment, image or model
	Title   string    `json:"title"`
	Release string    `json:"release,omitempty"` // "digits r3"
	Since   time.Time `json:"since,omitzero"`
	// Commit is the one it was built from. Changed is the last one up to it that
	// changed the files of the API itself; nil where those cannot be told apart.
	Commit  *OriginCommit `json:"commit,omitempty"`
	Changed *OriginCommit `json:"changed,omitempty"`
	Dirty   bool          `json:"dirty,omitempty"`
	Models  []OriginThing `json:"models,omitempty"`
	Data    []OriginThing `json:"data,omitempty"`
	Note    string        `json:"note,omitempty"`
	// Gaps are the links that are missing on the way, nearest first.
	Gaps []TraceGap `json:"gaps,omitempty"`
}

// OriginCommit is a commit as an answer names it.
type OriginCommit struct {
	SHA     string    `json:"sha"`
	Author  string    `json:"author"` // with address
	Date    time.Time `json:"date,omitzero"`
	Subject string    `json:"subject"`
}

// OriginThing is a version that an answer names.
type OriginThing struct {
	Ref    Ref    `json:"ref"`
	Digest Digest `json:"digest,omitempty"`
	// Note says how it came in: the file of the image, "as data/digits@latest",
	// which step was skipped.
	Note    string      `json:"note,omitempty"`
	Holds   string      `json:"holds,omitempty"`   // "360 files, 1.2 MB"
	Metrics []TraceFact `json:"metrics,omitempty"` // of a model
	MadeBy  string      `json:"made_by,omitempty"` // "job ai-training (2) of run 1"
}
