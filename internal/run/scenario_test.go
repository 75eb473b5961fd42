package run_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/workflow"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// setup is the "setup" file of a scenario.
type setup struct {
	Event  string
	Inputs map[string]string
	Vars   map[string]string
	Dirty  bool
	Ref    string
	Only   []string
	Slots  int
	Group  string // of the run
	// Conditions shows the condition of each job as it was evaluated.
	Conditions bool
	CancelAt   string   `yaml:"cancel-at"` // once this job runs
	Force      bool     // and asked for again at once
	Order      []string // who ends first, of those that run
	Ends       map[string]struct {
		Conclusion cairn.Conclusion
		Outputs    map[string]string
	}
	Rules     []cairn.Environment
	Approvals map[string]string // what is answered when it is asked
	// Votes are what reviewers say, one each time somebody looks; Gates what the
	// condition of an environment comes to each time it is asked.
	Votes map[string][]cairn.Vote
	Gates map[string][]cairn.GateCheck
	// Untrusted is that of the run; Permissions shows what each job's token may do.
	Untrusted   bool
	Permissions bool
	// Ask is what the run asks for before anything of it starts.
	Ask string
}

// Each file of testdata/scenarios is a workflow (and those that it calls), how
// its jobs end, and everything that follows: in the order in which it happens,
// and the rows at the end.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			scenario(t, file)
		})
	}
}

func scenario(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var src []byte
	var set setup
	called := plan.Files{}
	want := -1
	for i, f := range a.Files {
		switch f.Name {
		case "workflow.yml":
			src = f.Data
		case "setup":
			if err := yaml.Unmarshal(f.Data, &set); err != nil {
				t.Fatal(err)
			}
		case "want":
			want = i
		default:
			called[f.Name] = f.Data
		}
	}
	if set.Event == "" {
		set.Event = "push"
	}
	if set.Ref == "" {
		set.Ref = "refs/heads/main"
	}
	w, problems := workflow.Parse("workflow.yml", src)
	if cairn.HasErrors(problems) {
		t.Fatal(problems)
	}
	p, missing, problems := plan.Build(w, src, plan.Trigger{Event: set.Event, Ref: set.Ref, Inputs: set.Inputs, Only: set.Only}, called)
	if cairn.HasErrors(problems) || len(missing) > 0 || p == nil {
		t.Fatal(problems, missing)
	}
	got := play(t, p, &set)
	if *update {
		f := txtar.File{Name: "want", Data: []byte(got)}
		if want >= 0 {
			a.Files[want] = f
		} else {
			a.Files = append(a.Files, f)
		}
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want < 0 || string(a.Files[want].Data) != got {
		t.Errorf("got:\n%s\nwant:\n%s", got, a.Files[max(want, 0)].Data)
	}
}

func play(t *testing.T, p *cairn.Plan, set *setup) string {
	s := newSim(t, p)
	s.state.Run.Ref, s.state.Run.Dirty, s.state.Run.Only, s.vars = set.Ref, set.Dirty, set.Only, set.Vars
	s.state.Run.Group, s.state.Run.Untrusted, s.state.Run.Ask = set.Group, set.Untrusted, set.Ask
	for _, r := range set.Rules {
		s.state.Rules[strings.ToLower(r.Name)] = r
	}
	if set.Slots > 0 {
		s.slots = set.Slots
	}
	var b strings.Builder
	var log func()
	s.ends = func(path string) end {
		log()
		e := set.Ends[path]
		if e.Conclusion == "" {
			e.Conclusion = cairn.Success
		}
		fmt.Fprintf(&b, "%s ends: %s\n", path, e.Conclusion)
		return end{conclusion: e.Conclusion, outputs: e.Outputs}
	}
	s.choose = func(running []string) string {
		for _, path := range set.Order {
			if slices.Contains(running, path) {
				return path
			}
		}
		return running[0]
	}
	seen := 0
	log = func() {
		for ; seen < len(s.trace); seen++ {
			line := s.trace[seen]
			for _, what := range []string{"Start", "Enter", "Cancel", "Wait", "Queue", "Hold"} {
				if rest, ok := strings.CutPrefix(line, "run."+what+"{"); ok {
					fmt.Fprintf(&b, "%s %s\n", what, strings.TrimSuffix(rest, "}"))
				}
			}
		}
	}
	s.onStep = func(int) {
		log()
		for _, path := range s.running() {
			if path == set.CancelAt {
				s.state.Run.CancelBy, s.state.Run.Forced = "ben", set.Force
			}
		}
		for key, a := range s.state.Approvals {
			if answer(&a, set, key, s.state.Rules[key]) {
				s.state.Approvals[key] = a
			}
		}
	}
	s.open = func() bool {
		for key, a := range s.state.Approvals {
			if a.Gate != nil && a.Gate.State == cairn.GateAsked && len(set.Gates[key]) > 0 || a.State == run.ApprovalPending && len(set.Votes[key]) > 0 ||
				a.State == run.ApprovalPending && set.Approvals[key] != "" {
				return true
			}
		}
		return false
	}
	s.run()
	log()
	fmt.Fprintf(&b, "\nrun: %s %s\n", s.state.Run.Conclusion, s.state.Run.Reason)
	for _, path := range slices.Sorted(maps.Keys(s.state.Jobs)) {
		j := s.state.Jobs[path]
		line := fmt.Sprintf("%s (%s): %s", path, j.Name, j.Conclusion)
		if j.Tolerated {
			line += ", tolerated"
		}
		if j.Reason != "" {
			line += "; " + j.Reason
		}
		if set.Permissions {
			line += "\n    may " + shownPermissions(j.Permissions)
		}
		if set.Conditions && j.If != nil {
			line += "\n    if " + j.If.String()
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
