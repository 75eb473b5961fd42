package cairn

import (
	"fmt"
	"io"
	"slices"
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
	// Answer is the short form of what is served: which release, model and data,
	// whose code, who approved; nil where the question was of something else. Its
	// gaps are those above.
	Answer *Origin `json:"answer,omitempty"`
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
	// Again says that its facts stand further up, too: a line is enough for people.
	Again bool `json:"again,omitempty"`
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
	for _, r := range n.Rows() {
		lines = append(lines, r.Name+" "+strings.Join(r.Cells, "  "))
	}
	return lines
}

// TraceRow is a line of facts for people.
type TraceRow struct {
	Name  string
	Cells []string // of a group: NAME=VALUE each
}

// Rows gives the facts as people want to read them: a group in one row, a lock of
// packages in one row, nothing that the next node says again.
func (n *TraceNode) Rows() []TraceRow {
	if n.Again {
		return nil
	}
	facts := n.Facts
	var rows []TraceRow
	switch n.Kind {
	case KindEnvironment:
		var text string
		if text, facts = lockLine(facts); text != "" {
			rows = append(rows, TraceRow{Name: "holds", Cells: []string{text}})
		}
	case KindRelease:
		if len(n.Children) > 0 { // its image follows, and what is packed in it
			facts = slices.DeleteFunc(slices.Clone(facts), func(f TraceFact) bool { return f.Name == "image" || f.Name == "model" })
		}
	}
	return append(rows, RowsOf(facts)...)
}

// RowsOf gives all facts, a row for each that stands alone, one for each group.
func RowsOf(facts []TraceFact) []TraceRow {
	var rows []TraceRow
	for i := 0; i < len(facts); {
		f := facts[i]
		if f.Group == "" {
			rows = append(rows, TraceRow{Name: f.Name, Cells: []string{f.Value}})
			i++
			continue
		}
		r := TraceRow{Name: f.Group}
		for ; i < len(facts) && facts[i].Group == f.Group; i++ {
			join := "="
			if f.Group == "check" {
				join = ": " // its name is an expression
			}
			r.Cells = append(r.Cells, facts[i].Name+join+facts[i].Value)
		}
		if len(r.Cells) > 1 {
			r.Name += "s"
		}
		rows = append(rows, r)
	}
	return rows
}

// lockLine says what a lock of packages is in one line, and gives back the facts
// that are not in it.
func lockLine(facts []TraceFact) (line string, rest []TraceFact) {
	value := map[string]string{}
	for _, f := range facts {
		value[f.Name] = f.Value
	}
	packages, ok := value["packages"]
	if !ok {
		return "", facts
	}
	parts := []string{packages + " packages"}
	if packages == "1" {
		parts[0] = "1 package"
	}
	if h := value["hashed"]; h != "" && h != packages {
		parts = append(parts, h+" with a hash")
	}
	for _, tool := range []string{"python", "uv", "pip"} {
		if v := value[tool]; v != "" {
			parts = append(parts, tool+" "+v)
		}
	}
	for _, name := range []string{"libc", "platform"} {
		if v := value[name]; v != "" {
			parts = append(parts, v)
		}
	}
	if d := value["digest"]; d != "" {
		parts = append(parts, "sha256:"+Digest(d).Short())
	}
	said := []string{"packages", "hashed", "python", "uv", "pip", "libc", "platform", "digest", "holds", "format"}
	for _, f := range facts {
		if !slices.Contains(said, f.Name) {
			rest = append(rest, f)
		}
	}
	return strings.Join(parts, ", "), rest
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
	// State is how a deployment that was asked about stands: "live since …".
	State string `json:"state,omitempty"`
	// Commit is the one it was built from. Changed is the last one up to it that
	// changed the files of the API itself; nil where those cannot be told apart.
	Commit  *OriginCommit `json:"commit,omitempty"`
	Changed *OriginCommit `json:"changed,omitempty"`
	Dirty   bool          `json:"dirty,omitempty"`
	Models  []OriginThing `json:"models,omitempty"`
	Data    []OriginThing `json:"data,omitempty"`
	Note    string        `json:"note,omitempty"`
	// Image is what was built, its note the name that it has.
	Image *OriginThing `json:"image,omitempty"`
	// Approved is who let it onto the stage, with the comment; Checks are the fixed
	// ones that were asked.
	Approved string      `json:"approved,omitempty"`
	Checks   []TraceFact `json:"checks,omitempty"`
	// Skipped are the steps whose earlier output was taken.
	Skipped []string `json:"skipped,omitempty"`
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
	MadeAt  time.Time   `json:"made_at,omitzero"`
	// MadeFrom is the commit that its job ran.
	MadeFrom *OriginCommit `json:"made_from,omitempty"`
}
