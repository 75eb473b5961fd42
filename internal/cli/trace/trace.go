// Package trace is cairn trace: where something comes from, or what came of it,
// told as a story.
package trace

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	var down, all bool
	cmd := &cobra.Command{
		Use:   "trace [REF]",
		Short: "Tell where something comes from, back to bytes and commits",
		Long: `Tell where something comes from, back to bytes and commits; with --down, what came of it.

Without REF it says of each stage of the repository that this is typed in who changed the
code of the API last, which model is in it, and which data made that model.

REF is a prediction (its id), the URL of a served API, a stage (production), a deployment
(deployment/7), a release (r3, v1.2.3), an image (name:tag, digest, docker id), a model or
data version (model/digits:1, digits@latest), a run (run/42), a job (job/108, or its name:
mine, mine/train), an artifact, a commit (SHA or prefix; HEAD or a branch of the repository
that this is typed in), a digest, or a file on this machine, which is looked up by its digest.
A link that is missing is named with the reason.`,
		Example: `cairn trace
cairn trace 4f2a91c03d17-1-3-81920
cairn trace http://127.0.0.1:7081/predict
cairn trace model/digits:1
cairn trace ./3/17.png --down
cairn trace HEAD --down
cairn trace run/42 --json=roots,gaps`,
		Args:              kit.Args(0, 1, "REF"),
		ValidArgsFunction: complete.First(k, complete.Stages, complete.Releases, complete.Images, complete.Deployments, complete.Predictions),
	}
	cmd.Flags().BoolVar(&down, "down", false, "what came of it, instead of where it comes from")
	cmd.Flags().BoolVar(&all, "all", false, "every parameter, and each fact in full")
	out := k.JSONFlags(cmd, cairn.Trace{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			if down {
				return cairn.Errorf(cairn.CodeInvalid, "REF is missing").WithHint("--down says what came of something: cairn trace REF --down")
			}
			return origins(c.Context(), k, out)
		}
		asked, file, err := local(k, args[0])
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		from := folder(c.Context(), k)
		t, err := cl.TraceFrom(c.Context(), from, asked, down)
		if err != nil && file == "" {
			if sha, ok := revision(c.Context(), k, asked, err); ok {
				t, err = cl.TraceFrom(c.Context(), from, sha, down)
			}
		}
		if err != nil {
			if file != "" && cairn.CodeOf(err) == cairn.CodeNotFound {
				return cairn.Errorf(cairn.CodeNotFound, "no version holds %s (%s)", file, asked).
					WithHint("its bytes differ from every file that was registered or uploaded")
			}
			return err
		}
		if out.On() {
			return out.Write(t)
		}
		if file != "" {
			fmt.Fprintf(k.Term.Err, "%s is %s\n", file, asked)
		}
		return Write(k.Term.Out, k.Term, k.Term.OutStyle(), t, all)
	}
	return cmd
}

// revision reads what no version, run or commit is called as a revision of the
// repository that the command was typed in: HEAD, a branch, a tag.
func revision(ctx context.Context, k *kit.Kit, asked string, err error) (sha string, ok bool) {
	if code := cairn.CodeOf(err); code != cairn.CodeNotFound && code != cairn.CodeInvalid {
		return "", false
	}
	c, err := git.New(git.Options{Env: k.Environ, Now: k.Now}).Rev(ctx, k.Dir, asked)
	return c.SHA, err == nil
}

// local turns the name of a file into its digest. Refs that look like files
// (run/42) are refs unless they are written ./run/42.
func local(k *kit.Kit, asked string) (ref, file string, err error) {
	if strings.HasPrefix(asked, "http://") || strings.HasPrefix(asked, "https://") {
		return asked, "", nil
	}
	path := k.Path(asked)
	fi, err := os.Stat(path)
	if err != nil {
		if strings.HasPrefix(asked, "./") || strings.HasPrefix(asked, "../") || strings.HasPrefix(asked, "/") {
			return "", "", cairn.Errorf(cairn.CodeNotFound, "there is no file %s", asked)
		}
		return asked, "", nil
	}
	if looksLikeRef(asked) {
		return asked, "", nil
	}
	if fi.IsDir() && !strings.ContainsAny(asked, "/.") {
		return asked, "", nil // a stage or a model may be called like a folder
	}
	if !fi.Mode().IsRegular() {
		return "", "", cairn.Errorf(cairn.CodeInvalid, "%s is not a file", asked).
			WithHint("name a file inside it, or a version such as data/NAME:VERSION")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "", cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", asked, err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", "", cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", asked, err)
	}
	return string(cairn.DigestOf(sum.Sum(nil))), asked, nil
}

func looksLikeRef(s string) bool {
	kind, _, ok := strings.Cut(s, "/")
	if !ok {
		return false
	}
	switch kind {
	case cairn.KindCommit, cairn.KindTree, cairn.KindRun, cairn.KindJob, cairn.KindArtifact, cairn.KindMLRun, cairn.KindFile,
		cairn.KindImage, cairn.KindRelease, cairn.KindDeployment, cairn.KindPrediction, cairn.KindStage:
		return true
	case cairn.KindData, cairn.KindModel, cairn.KindEnvironment, cairn.KindComponent, cairn.KindCode:
		return strings.ContainsAny(s, ":@")
	}
	return false
}

// fewFacts is how many of a group are shown without --all.
const fewFacts = 8

// Write tells the trace: of what is served the answer in short; then a line per thing with how it was reached, its facts
// below it, the things that it stands on indented.
func Write(w io.Writer, t *term.Term, s term.Style, tr *cairn.Trace, all bool) error {
	var b strings.Builder
	p := printer{b: &b, t: t, s: s, all: all}
	if tr.Answer != nil && tr.Answer.Image != nil {
		p.answer(tr)
	}
	if tr.Down {
		p.liveOnes(tr)
	}
	for i := range tr.Roots {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.node(&tr.Roots[i], "", "")
	}
	if n := len(tr.Gaps); n > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.Yellow(term.Count(int64(n), "missing link")+":"))
		for _, g := range tr.Gaps {
			fmt.Fprintf(&b, "  %s: %s\n", term.Clean(string(g.At)), term.Clean(g.Reason))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type printer struct {
	b   *strings.Builder
	t   *term.Term
	s   term.Style
	all bool
}

// node writes one thing: first stands before its title, rest before everything
// below it.
func (p *printer) node(n *cairn.TraceNode, first, rest string) {
	p.b.WriteString(p.s.Dim(first))
	if n.Relation != "" {
		p.b.WriteString(n.Words() + " ")
	}
	p.b.WriteString(p.s.Bold(term.Clean(n.Title)))
	if n.Note != "" {
		p.b.WriteString(" (" + term.Clean(n.Note) + ")")
	}
	if n.Dirty {
		p.b.WriteString(" " + p.s.Yellow("dirty"))
	}
	if n.Seen {
		p.b.WriteString(p.s.Dim(" (shown above)") + "\n")
		return
	}
	p.b.WriteByte('\n')
	branch, last, bar := "├─ ", "└─ ", "│  "
	if !p.t.Unicode {
		branch, last, bar = "|- ", "`- ", "|  "
	}
	in := rest
	if len(n.Children) > 0 {
		in += bar
	} else {
		in += "   "
	}
	p.facts(n, in+"  ")
	for i := range n.Children {
		if i == len(n.Children)-1 {
			p.node(&n.Children[i], rest+last, rest+"   ")
		} else {
			p.node(&n.Children[i], rest+branch, rest+bar)
		}
	}
}

// facts writes the facts as aligned rows: single ones first come first, groups
// on one line each, wrapped.
func (p *printer) facts(n *cairn.TraceNode, in string) {
	rows := n.Rows()
	if p.all {
		rows = cairn.RowsOf(n.Facts)
	}
	width := 0
	for i := range rows {
		r := &rows[i]
		for k := range r.Cells {
			r.Cells[k] = term.Clean(r.Cells[k])
		}
		if left := len(r.Cells) - fewFacts; left > 0 && !p.all {
			r.Cells = append(r.Cells[:fewFacts], fmt.Sprintf("… %d more (--all)", left))
		}
		width = max(width, len(r.Name))
	}
	if n.Missing != "" {
		width = max(width, len("missing"))
	}
	line := func(name, text string) {
		fmt.Fprintf(p.b, "%s%s%s\n", p.s.Dim(in), p.s.Dim(fmt.Sprintf("%-*s  ", width, name)), text)
	}
	room := max(40, 110-term.VisibleWidth(in)-width-2)
	for _, r := range rows {
		name, text := r.Name, ""
		for _, c := range r.Cells {
			if text != "" && term.VisibleWidth(text)+2+term.VisibleWidth(c) > room {
				line(name, text)
				name, text = "", ""
			}
			if text != "" {
				text += "  "
			}
			text += c
		}
		line(name, text)
	}
	if n.Missing != "" {
		line("missing", p.s.Yellow(term.Clean(n.Missing)))
	}
}
