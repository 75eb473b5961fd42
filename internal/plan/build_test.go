package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata/golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, got)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata/repo", path))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func load(t testing.TB, path string) (*workflow.Workflow, []byte) {
	t.Helper()
	src := read(t, path)
	w, ps := workflow.Parse(path, src)
	if len(ps) > 0 {
		t.Fatalf("%s", workflow.Render(ps, src))
	}
	return w, src
}

const dir = ".github/workflows/"

// resolve builds as a caller does: it reads what is missing until nothing is.
func resolve(t testing.TB, path string, trigger Trigger) (*cairn.Plan, []cairn.Problem) {
	t.Helper()
	w, src := load(t, path)
	files := Files{}
	for range 10 {
		p, missing, problems := Build(w, src, trigger, files)
		again := false
		for _, m := range missing {
			if m.Local {
				files[m.Ref], again = read(t, m.Ref), true
			}
		}
		if !again {
			return p, problems
		}
	}
	t.Fatal("never resolved")
	return nil, nil
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		trigger    Trigger
	}{
		{"push.json", dir + "mlops.yml", Trigger{Event: "push", Ref: "refs/heads/main"}},
		{"dispatch.json", dir + "mlops.yml", Trigger{Event: "workflow_dispatch", Inputs: map[string]string{"data_prep": "false", "SIZE": "large", "epochs": "5"}}},
		{"call.json", dir + "caller.yml", Trigger{Event: "workflow_dispatch"}},
		{"only.json", dir + "mlops.yml", Trigger{Event: "push", Only: []string{"AI-training"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, problems := resolve(t, c.path, c.trigger)
			if cairn.HasErrors(problems) {
				t.Fatalf("%s", workflow.Render(problems, nil))
			}
			raw, digest, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, _ := resolve(t, c.path, c.trigger)
			if _, d, _ := again.Encode(); d != digest {
				t.Error("the same input gave another plan")
			}
			decoded, err := cairn.DecodePlan(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, d, _ := decoded.Encode(); d != digest {
				t.Error("a stored plan reads back as another one")
			}
			var out bytes.Buffer
			if err := json.Indent(&out, raw, "", " "); err != nil {
				t.Fatal(err)
			}
			req, _ := json.MarshalIndent(Requirements(p), "", " ")
			golden(t, c.name, append(append(out.Bytes(), "\n// requirements\n"...), append(req, '\n')...))
		})
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	w, src := load(t, dir+"mlops.yml")
	for _, c := range []struct {
		name  string
		given map[string]string
		want  string // part of "message | hint"; "" for none
	}{
		{"none", nil, ""},
		{"boolean", map[string]string{"data_prep": "True"}, "input 'data_prep' is a boolean, but 'True' is given | allowed: true, false"},
		{"number", map[string]string{"epochs": "ten"}, "input 'epochs' is a number, but 'ten' is given"},
		{"choice", map[string]string{"size": "smal"}, "did you mean small? allowed: small, large"},
		{"unknown", map[string]string{"dataprep": "true"}, "there is no input 'dataprep' | did you mean data_prep? inputs of this workflow: data_prep"},
		{"twice", map[string]string{"note": "a", "Note": "b"}, "given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, problems := Build(w, src, Trigger{Event: "workflow_dispatch", Inputs: c.given}, nil)
			checkProblem(t, problems, c.want)
		})
	}
}

func checkProblem(t *testing.T, problems []cairn.Problem, want string) {
	t.Helper()
	var all []string
	for _, p := range problems {
		if p.Severity == cairn.SeverityError {
			all = append(all, p.Message+" | "+p.Hint)
		}
	}
	if want == "" && len(all) > 0 || want != "" && !strings.Contains(strings.Join(all, "\n"), want) {
		t.Errorf("got %q, want %q", all, want)
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	const job = "    runs-on: ubuntu-latest\n    steps: [{run: echo}]\n"
	body := func(calls string) string { return "on: workflow_call\njobs:\n  a:\n" + calls }
	for _, c := range []struct {
		name  string
		files map[string]string // by name; main.yml is the one that runs
		want  string
	}{
		{"itself", map[string]string{"main.yml": body("    uses: ./.github/workflows/main.yml\n")}, "the workflow calls itself"},
		{"cycle", map[string]string{
			"main.yml": body("    uses: ./.github/workflows/b.yml\n"),
			"b.yml":    body("    uses: ./.github/workflows/c.yml\n"),
			"c.yml":    body("    uses: ./.github/workflows/b.yml\n"),
		}, "workflows call each other: .github/workflows/b.yml → .github/workflows/c.yml → .github/workflows/b.yml"},
		{"not callable", map[string]string{
			"main.yml": body("    uses: ./.github/workflows/b.yml\n"), "b.yml": "on: push\njobs:\n  a:\n" + job,
		}, "cannot be called: it does not run on workflow_call | add workflow_call: under on"},
		{"broken", map[string]string{"main.yml": body("    uses: ./.github/workflows/b.yml\n"), "b.yml": body("    step: []\n")}, "Unexpected value 'step'"},
		{"inputs", map[string]string{
			"main.yml": body("    uses: ./.github/workflows/b.yml\n    with: {sed: 1, flag: 'yes'}\n"),
			"b.yml":    "on:\n  workflow_call:\n    inputs:\n      seed: {type: number, required: true}\n      flag: {type: boolean}\njobs:\n  a:\n" + job,
		}, "has no input 'sed' | did you mean seed?"},
		{"required", map[string]string{
			"main.yml": body("    uses: ./.github/workflows/b.yml\n"),
			"b.yml":    "on:\n  workflow_call:\n    secrets:\n      KEY: {required: true}\njobs:\n  a:\n" + job,
		}, "secret 'KEY' of the called workflow is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := Files{}
			for name, src := range c.files {
				files[dir+name] = []byte(src)
			}
			src := files[dir+"main.yml"]
			w, ps := workflow.Parse(dir+"main.yml", src)
			if cairn.HasErrors(ps) {
				t.Fatal(workflow.Render(ps, src))
			}
			_, _, problems := Build(w, src, Trigger{Event: "workflow_call"}, files)
			checkProblem(t, problems, c.want)
		})
	}
}

// Ten levels of calls that double at each level must end in an error, not in a
// plan of a thousand million jobs.
func TestDeepCallsAreBounded(t *testing.T) {
	t.Parallel()
	files := Files{}
	for i := range 20 {
		next := "    uses: ./.github/workflows/w" + string(rune('a'+i+1)) + ".yml\n"
		src := "on: workflow_call\njobs:\n"
		for j := range 9 {
			src += "  j" + string(rune('0'+j)) + ":\n" + next
		}
		files[dir+"w"+string(rune('a'+i))+".yml"] = []byte(src)
	}
	src := files[dir+"wa.yml"]
	w, _ := workflow.Parse(dir+"wa.yml", src)
	_, _, problems := Build(w, src, Trigger{Event: "workflow_call"}, files)
	checkProblem(t, problems, "the plan has more than 5000 jobs")
	if i := slices.IndexFunc(problems, func(p cairn.Problem) bool { return strings.Contains(p.Message, "levels deep") }); i < 0 {
		t.Error("nesting was not bounded")
	}
}

func BenchmarkBuild(b *testing.B) {
	w, src := load(b, dir+"mlops.yml")
	b.ReportAllocs()
	for b.Loop() {
		Build(w, src, Trigger{Event: "push"}, nil)
	}
}
