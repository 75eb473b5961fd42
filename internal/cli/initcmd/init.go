// Package initcmd is cairn init: it looks at a repository and says what Cairn
// can do with it. It writes nothing, since nothing is needed, unless it is asked
// for a first .cairn/stages.yml.
package initcmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/workflow"
	"github.com/spf13/cobra"
)

// Found is what cairn init sees; --json writes it.
type Found struct {
	Repository   string       `json:"repository"`
	Root         string       `json:"root"`
	Branch       string       `json:"branch,omitempty"`
	Commit       cairn.Commit `json:"commit"`
	DirtyFiles   int          `json:"dirty_files"`
	Workflows    []Workflow   `json:"workflows"`
	Python       []string     `json:"python"`       // scripts
	Requirements []string     `json:"requirements"` // requirements*.txt, pyproject.toml, environment.yml, …
	Dockerfiles  []string     `json:"dockerfiles"`
	EnvFiles     []string     `json:"env_files"`
	Secrets      []string     `json:"secrets"` // names that workflows use
	Variables    []string     `json:"variables"`
	Stages       []string     `json:"stages"` // of .cairn/stages.yml
	Next         []string     `json:"next"`   // commands to type

	stagesFile    string // what is to be said of the file; "" without one
	defaultBranch string
	environments  []string // that workflows name
	buildsImage   bool     // a workflow does
	deploys       bool     // a workflow does
	samples       []string // files that could be sent to try the API out
}

// Workflow is one workflow file.
type Workflow struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`
	Events []string `json:"events"`
	Valid  bool     `json:"valid"`
}

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Look at this repository and say what Cairn can do with it",
		Long: `Look at this repository and say what Cairn can do with it. Nothing is written: a repository
needs nothing for Cairn.

With --stages a first .cairn/stages.yml is written from what is found: the stages that workflows
name, port, health path and a request to try the API with. It is never written over one that is
there.`,
		Example: "cairn init\ncairn init --jq '.next[]'\ncairn init --stages",
		Args:    kit.Args(0, 0),
	}
	var withStages bool
	cmd.Flags().BoolVar(&withStages, "stages", false, "write a first .cairn/stages.yml")
	out := k.JSONFlags(cmd, Found{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		f, err := look(c.Context(), k)
		if err != nil {
			return err
		}
		if withStages {
			w, err := writeStages(k, f)
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(w)
			}
			return showWritten(k, w)
		}
		if out.On() {
			return out.Write(f)
		}
		return show(k, f)
	}
	return cmd
}

func look(ctx context.Context, k *kit.Kit) (*Found, error) {
	wt, err := repo.Find(ctx, k)
	if err == nil {
		err = repo.HasFiles(wt)
	}
	if err != nil {
		return nil, err
	}
	f := &Found{Repository: wt.Name, Root: wt.Root, Branch: live.Branch(wt.Ref), Commit: wt.Head, DirtyFiles: wt.DirtyCount,
		defaultBranch: wt.DefaultBranch, Stages: []string{},
		Workflows: []Workflow{}, Python: []string{}, Requirements: []string{}, Dockerfiles: []string{}, EnvFiles: []string{}, Secrets: []string{}, Variables: []string{}}
	files, err := repo.Workflows(wt.Root)
	if err != nil {
		return nil, err
	}
	for _, w := range files {
		f.Workflows = append(f.Workflows, Workflow{w.Name(), w.Path, w.Events(), w.Workflow != nil})
		if w.Workflow == nil {
			continue
		}
		for _, j := range w.Workflow.Jobs {
			f.delivers(j.Steps)
			if e := j.Environment; e != nil && e.Name.Kind == cairn.TemplateString {
				f.environments = append(f.environments, e.Name.Text)
			}
		}
		for _, r := range w.Workflow.References() {
			switch {
			case r.Name == "*":
			case r.Kind == "secrets" && !slices.Contains(f.Secrets, r.Name) && !strings.EqualFold(r.Name, "GITHUB_TOKEN"):
				f.Secrets = append(f.Secrets, r.Name)
			case r.Kind == "vars" && !slices.Contains(f.Variables, r.Name):
				f.Variables = append(f.Variables, r.Name)
			}
		}
	}
	f.scan(wt.Root)
	if err := f.readStages(wt.Root); err != nil {
		return nil, err
	}
	f.suggest()
	return f, nil
}

// The limits of the look: it must be quick in any repository.
const (
	maxEntries = 50_000
	maxDepth   = 6
	maxListed  = 200
)

// scan notes the files that say something; folders that hold other people's
// code are passed by.
func (f *Found) scan(root string) {
	skip := []string{".git", "node_modules", "venv", ".venv", "__pycache__", "site-packages", ".tox", ".mypy_cache", "dist", "build", "mlruns", ".dvc"}
	seen := 0
	add := func(list *[]string, rel string) {
		if len(*list) < maxListed {
			*list = append(*list, rel)
		}
	}
	// What cannot be read is not reported: this is a look, not a check.
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if seen++; seen > maxEntries {
			return fs.SkipAll
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return nil
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains(skip, d.Name()) || strings.Count(rel, "/") >= maxDepth {
				return fs.SkipDir
			}
			if rel != "." {
				if _, err := os.Stat(filepath.Join(name, "pyvenv.cfg")); err == nil {
					return fs.SkipDir
				}
			}
			return nil
		}
		base := d.Name()
		switch {
		case path.Ext(base) == ".py" && base != "__init__.py":
			add(&f.Python, rel)
		case strings.HasPrefix(base, "requirements") && path.Ext(base) == ".txt",
			base == "pyproject.toml", base == "Pipfile", base == "setup.py", base == "uv.lock", base == "poetry.lock",
			base == "environment.yml", base == "environment.yaml", base == "conda.yml", base == "conda.yaml":
			add(&f.Requirements, rel)
		case base == "Dockerfile", strings.HasPrefix(base, "Dockerfile."), path.Ext(base) == ".dockerfile":
			add(&f.Dockerfiles, rel)
		case base == ".env", strings.HasPrefix(base, ".env."):
			add(&f.EnvFiles, rel)
		case sampleFile(rel, d):
			add(&f.samples, rel)
		}
		return nil
	})
}

// suggest says what to type next, most useful first.
func (f *Found) suggest() {
	f.Next = []string{}
	add := func(format string, args ...any) { f.Next = append(f.Next, fmt.Sprintf(format, args...)) }
	if f.Commit.SHA == "" {
		add("git add . && git commit -m 'First commit'")
	}
	envFile := ""
	for _, e := range f.EnvFiles {
		if path.Base(e) == ".env" {
			envFile = " --env-file " + e
			break
		}
	}
	if len(f.Secrets) > 0 && envFile == "" {
		add("cairn secret set %s", f.Secrets[0])
	}
	var can, broken []Workflow
	for _, w := range f.Workflows {
		switch {
		case !w.Valid:
			broken = append(broken, w)
		case len(w.Events) != 1 || w.Events[0] != "workflow_call":
			can = append(can, w)
		}
	}
	if len(broken) > 0 {
		add("cairn workflow lint %s", broken[0].Path)
	}
	switch {
	case len(can) == 1:
		add("cairn workflow plan")
		add("cairn run%s", envFile)
	case len(can) > 1:
		add("cairn workflow plan %s", path.Base(can[0].Path))
		add("cairn run --workflow %s%s", path.Base(can[0].Path), envFile)
	}
	if len(f.Dockerfiles) > 0 {
		f.suggestServing(add)
	}
}

// delivers notes whether steps build an image, and put it on a stage.
func (f *Found) delivers(steps []workflow.Step) {
	for i := range steps {
		run := steps[i].Run.Text
		f.buildsImage = f.buildsImage || strings.HasPrefix(steps[i].Uses, "docker/build-push-action@") ||
			strings.Contains(run, "cairn image build") || strings.Contains(run, "docker build") || strings.Contains(run, "docker buildx build")
		f.deploys = f.deploys || strings.Contains(run, "cairn deploy")
	}
}

// suggestServing goes on from a Dockerfile to an API that is served: the image, unless
// a workflow builds it, the stages, and the first deployment.
func (f *Found) suggestServing(add func(string, ...any)) {
	image := ""
	if !f.buildsImage {
		folder := path.Dir(f.Dockerfiles[0])
		name := path.Base(f.Repository)
		image = " " + name + ":dev"
		add("cairn image build %s -t %s:dev", folder, name)
	}
	if f.stagesFile == "" {
		add("cairn init --stages")
	}
	if !f.deploys {
		add("cairn deploy%s --to staging", image)
	}
}

func show(k *kit.Kit, f *Found) error {
	s := k.Term.OutStyle()
	var b strings.Builder
	row := func(name, text string) { fmt.Fprintf(&b, "%-13s %s\n", name, text) }
	row("repository", s.Bold(term.Clean(f.Repository))+"  "+f.Root)
	state := live.CommitLine(s, f.Commit)
	if state == "" {
		state = "no commits yet"
	}
	if f.Branch != "" {
		state = f.Branch + "  " + state
	}
	if f.DirtyFiles > 0 {
		state += "  " + s.Yellow(term.Count(int64(f.DirtyFiles), "uncommitted change"))
	}
	row("commit", state)
	if len(f.Workflows) == 0 {
		row("workflows", "none: there is no .yml file in "+repo.Folder)
	}
	for i, w := range f.Workflows {
		name := "workflows"
		if i > 0 {
			name = ""
		}
		text := term.Clean(w.Path) + "  " + s.Bold(term.Clean(w.Name)) + "  on " + term.Clean(strings.Join(w.Events, ", "))
		if !w.Valid {
			text = term.Clean(w.Path) + "  " + s.Red("cannot be read")
		}
		row(name, text)
	}
	list := func(name string, items []string, none string) {
		switch {
		case len(items) == 0 && none == "":
		case len(items) == 0:
			row(name, none)
		case len(items) > 6:
			row(name, term.Clean(strings.Join(items[:6], ", "))+fmt.Sprintf(", … %d more", len(items)-6))
		default:
			row(name, term.Clean(strings.Join(items, ", ")))
		}
	}
	list("python", f.Python, "no scripts")
	list("packages", f.Requirements, "")
	list("docker", f.Dockerfiles, "")
	if f.stagesFile != "" {
		row("stages", term.Clean(f.stagesFile))
	}
	list("env files", f.EnvFiles, "")
	list("secrets used", f.Secrets, "")
	list("vars used", f.Variables, "")
	b.WriteString("\nNothing was written: a repository needs nothing for Cairn.\n")
	if len(f.Next) > 0 {
		b.WriteString("\nnext:\n")
		for _, n := range f.Next {
			b.WriteString("  " + s.Cyan(term.Clean(n)) + "\n")
		}
	}
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}
