package initcmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/stages"
)

// Written is what cairn init --stages did; --json writes it.
type Written struct {
	Path   string   `json:"path"`
	Stages []string `json:"stages"`
	Next   []string `json:"next"`
}

// The limits of what is read for a first file.
const (
	maxRead   = 256 << 10
	maxPython = 30
	maxSample = 1 << 20
)

// writeStages writes a first .cairn/stages.yml, never over one that is there.
func writeStages(k *kit.Kit, f *Found) (*Written, error) {
	root, err := os.OpenRoot(f.Root) // a link must not lead the file elsewhere
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot open %s: %w", f.Root, err)
	}
	defer root.Close()
	if _, err := root.Lstat(stages.Path); err == nil {
		return nil, cairn.Errorf(cairn.CodeConflict, "%s is there already", stages.Path).
			WithHint("cairn workflow lint checks it; move it away to have a new one written")
	}
	seen := f.seen(root)
	text := stages.Suggest(seen)
	file, problems := stages.Parse(stages.Path, text)
	if cairn.HasErrors(problems) {
		return nil, &cairn.Error{Code: cairn.CodeInternal, Message: "the suggested " + stages.Path + " is not valid", Problems: problems}
	}
	if err := create(root, stages.Path, text); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", stages.Path, err)
	}
	w := &Written{Path: stages.Path, Stages: file.Names()}
	w.Next = append(w.Next, "cairn workflow lint "+stages.Path)
	w.Next = append(w.Next, "git add "+stages.Path+" && git commit -m 'Stages of the API'")
	if len(f.Workflows) > 0 {
		w.Next = append(w.Next, "cairn run")
	}
	w.Next = append(w.Next, "cairn deploy IMAGE --to "+term.ShellQuote(w.Stages[0]))
	return w, nil
}

// create writes a file that must not be there; what cannot be written whole is
// taken away again.
func create(root *os.Root, name string, text []byte) error {
	if err := root.Mkdir(path.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// seen gathers what a first file is made of.
func (f *Found) seen(root *os.Root) stages.Seen {
	_, name, _ := strings.Cut(f.Repository, "/")
	s := stages.Seen{Service: name, Branch: f.defaultBranch, Environments: f.environments, Samples: f.samples}
	// The Dockerfile at the top says most, then those further down.
	for _, d := range byDepth(f.Dockerfiles) {
		if text := read(root, d); text != "" {
			s.Dockerfile = text
			break
		}
	}
	for i, p := range byDepth(f.Python) {
		if i == maxPython {
			break
		}
		if text := read(root, p); strings.Contains(text, "fastapi") || strings.Contains(text, "flask") {
			s.Python = append(s.Python, text)
		}
	}
	return s
}

// read returns the text of a file; what cannot be read says nothing.
func read(root *os.Root, name string) string {
	in, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer in.Close()
	if fi, err := in.Stat(); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(in, maxRead))
	if err != nil {
		return ""
	}
	return string(b)
}

// byDepth sorts files that usually hold the API, and those near the top, first.
func byDepth(names []string) []string {
	usual := []string{"main.py", "app.py", "api.py", "server.py"}
	rank := func(p string) int {
		n := strings.Count(p, "/") * 2
		if !slices.Contains(usual, path.Base(p)) && path.Ext(p) == ".py" {
			n++
		}
		return n
	}
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int { return rank(a) - rank(b) })
	return out
}

// sampleFile reports whether a file may be sent to try the API out.
func sampleFile(rel string, d fs.DirEntry) bool {
	switch strings.ToLower(path.Ext(rel)) {
	case ".png", ".jpg", ".jpeg":
	default:
		return false
	}
	folders := strings.Split(path.Dir(rel), "/")
	if !slices.ContainsFunc(folders, func(f string) bool {
		return slices.Contains([]string{"samples", "sample", "examples", "example", "fixtures", "testdata"}, f)
	}) {
		return false
	}
	fi, err := d.Info()
	return err == nil && fi.Mode().IsRegular() && fi.Size() <= maxSample
}

func showWritten(k *kit.Kit, w *Written) error {
	s := k.Term.OutStyle()
	var b strings.Builder
	fmt.Fprintf(&b, "%s written: stages %s\n", w.Path, term.Clean(strings.Join(w.Stages, ", ")))
	b.WriteString("Look at it: each line says what it is for. Nothing there asks for an approval yet.\n\nnext:\n")
	for _, n := range w.Next {
		b.WriteString("  " + s.Cyan(term.Clean(n)) + "\n")
	}
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}

// readStages notes what .cairn/stages.yml says.
func (f *Found) readStages(dir string) error {
	file, problems, err := repo.Stages(dir)
	switch {
	case err != nil || file == nil:
		return err
	case cairn.HasErrors(problems):
		f.stagesFile = stages.Path + " cannot be used: cairn workflow lint"
	default:
		f.Stages = file.Names()
		f.stagesFile = stages.Path + "  " + strings.Join(f.Stages, ", ")
	}
	return nil
}
