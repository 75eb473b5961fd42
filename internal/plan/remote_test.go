package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// planFiles builds main.yml as a caller does that can fetch everything in files.
func planFiles(t *testing.T, files Files, commits map[string]string) (*cairn.Plan, []string, []cairn.Problem) {
	t.Helper()
	src := files[dir+"main.yml"]
	w, ps := workflow.Parse(dir+"main.yml", src)
	if cairn.HasErrors(ps) {
		t.Fatal(workflow.Render(ps, src))
	}
	var asked []string
	have := Files{}
	for {
		p, missing, problems := Build(w, src, Trigger{Event: "push", Commits: commits}, have)
		again := false
		for _, m := range missing {
			if m.Local != !strings.Contains(m.Ref, "@") {
				t.Errorf("%+v", m)
			}
			asked = append(asked, m.Ref)
			if b, ok := files[m.Ref]; ok && have[m.Ref] == nil {
				have[m.Ref], again = b, true
			}
		}
		if !again {
			return p, asked, problems
		}
	}
}

// A workflow of another repository is asked for under its name and version; what it
// calls with ./ and $/ is of that repository and version too.
func TestRemoteWorkflow(t *testing.T) {
	t.Parallel()
	const job = "    runs-on: ubuntu-latest\n    steps: [{uses: $/actions/x}, {run: echo}]\n"
	files := Files{
		dir + "main.yml": []byte("on: push\njobs:\n  far:\n    uses: o/r/.github/workflows/b.yml@v1\n  near:\n    uses: $/.github/workflows/near.yml\n"),
		dir + "near.yml": []byte("on: workflow_call\njobs:\n  n:\n" + job),
		"o/r/.github/workflows/b.yml@v1": []byte("on: workflow_call\njobs:\n  b:\n" + job +
			"  c:\n    uses: ./.github/workflows/c.yml\n  d:\n    uses: $/.github/workflows/c.yml\n"),
	}
	sha := strings.Repeat("a", 40)
	files["o/r/.github/workflows/c.yml@"+sha] = []byte("on: workflow_call\njobs:\n  c:\n" + job)
	commits := map[string]string{"o/r/.github/workflows/b.yml@v1": sha}
	p, asked, problems := planFiles(t, files, commits)
	if cairn.HasErrors(problems) {
		t.Fatal(workflow.Render(problems, nil))
	}
	slices.Sort(asked)
	want := []string{dir + "near.yml", "o/r/.github/workflows/b.yml@v1", "o/r/.github/workflows/c.yml@" + sha}
	if asked = slices.Compact(asked); !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	far := p.Nodes[0]
	if far.Remote != "o/r/.github/workflows/b.yml@v1" || p.Nodes[1].Remote != "" || far.Body[1].Remote != "o/r/.github/workflows/c.yml@"+sha {
		t.Errorf("%q %q", far.Remote, far.Body[1].Remote)
	}
	if got := far.Body[0].Steps[0].Uses; got != "o/r/actions/x@"+sha {
		t.Errorf("$/ in a file of another repository is %q", got)
	}
	if got := p.Nodes[1].Body[0].Steps[0].Uses; got != "$/actions/x" {
		t.Errorf("$/ in a file of this repository is %q", got)
	}
	i := slices.IndexFunc(p.Sources, func(s cairn.PlanSource) bool { return s.Path == "o/r/.github/workflows/b.yml@v1" })
	if i < 0 || p.Sources[i].Commit != commits["o/r/.github/workflows/b.yml@v1"] {
		t.Errorf("%+v", p.Sources)
	}
}

// Ten levels are the most: the workflow that runs and nine below it.
func TestCallsNested(t *testing.T) {
	t.Parallel()
	build := func(levels int) []cairn.Problem {
		files := Files{}
		for i := range levels {
			on, name := "workflow_call", "l"+string(rune('a'+i))
			if i == 0 {
				on, name = "push", "main"
			}
			body := "    runs-on: x\n    steps: [{run: echo}]\n"
			if i+1 < levels {
				body = "    uses: ./.github/workflows/l" + string(rune('a'+i+1)) + ".yml\n"
			}
			files[dir+name+".yml"] = []byte("on: " + on + "\njobs:\n  j:\n" + body)
		}
		_, _, problems := planFiles(t, files, nil)
		return problems
	}
	checkProblem(t, build(10), "")
	checkProblem(t, build(11), "workflows call each other more than 9 levels deep")
}

// Fifty called files are the most.
func TestCalledFilesBounded(t *testing.T) {
	t.Parallel()
	build := func(n int) []cairn.Problem {
		src := "on: push\njobs:\n"
		files := Files{}
		for i := range n {
			name := "w" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			src += "  " + name + ":\n    uses: ./.github/workflows/" + name + ".yml\n"
			files[dir+name+".yml"] = []byte("on: workflow_call\njobs:\n  j:\n    runs-on: x\n    steps: [{run: echo}]\n")
		}
		files[dir+"main.yml"] = []byte(src)
		_, _, problems := planFiles(t, files, nil)
		return problems
	}
	checkProblem(t, build(50), "")
	checkProblem(t, build(51), "the workflow calls more than 50 files")
}

func TestCalledPermissions(t *testing.T) {
	t.Parallel()
	const call = "    uses: ./.github/workflows/b.yml\n"
	for _, c := range []struct{ name, root, job, file, inner, want string }{
		{name: "nothing said", want: ""},
		{name: "less", root: "{contents: write, packages: read}", file: "{contents: read}"},
		{name: "more in the file", root: "{contents: read}", file: "{contents: write}",
			want: "The nested job 'j' is requesting 'contents: write', but is only allowed 'contents: read'. | give the job that calls it permissions: contents: write"},
		{name: "more in the job", root: "write-all", job: "{contents: read}", inner: "{contents: read, id-token: write}",
			want: "is requesting 'id-token: write', but is only allowed 'id-token: none'"},
		{name: "the job's own win over the file's", root: "{contents: read}", file: "write-all", inner: "{}"},
		{name: "nobody bounds it", inner: "write-all"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			line := func(indent, v string) string {
				if v == "" {
					return ""
				}
				return indent + "permissions: " + v + "\n"
			}
			files := Files{
				dir + "main.yml": []byte("on: push\n" + line("", c.root) + "jobs:\n  a:\n" + line("    ", c.job) + call),
				dir + "b.yml": []byte("on: workflow_call\n" + line("", c.file) + "jobs:\n  j:\n" + line("    ", c.inner) +
					"    runs-on: x\n    steps: [{run: echo}]\n"),
			}
			_, _, problems := planFiles(t, files, nil)
			checkProblem(t, problems, c.want)
		})
	}
}

// A file of another repository gets no more than the default where nobody here says so.
func TestRemotePermissions(t *testing.T) {
	t.Parallel()
	files := Files{
		dir + "main.yml":                 []byte("on: push\njobs:\n  a:\n    uses: o/r/.github/workflows/b.yml@v1\n"),
		"o/r/.github/workflows/b.yml@v1": []byte("on: workflow_call\npermissions: {id-token: write}\njobs:\n  j:\n    runs-on: x\n    steps: [{run: echo}]\n"),
	}
	_, _, problems := planFiles(t, files, nil)
	checkProblem(t, problems, "is requesting 'id-token: write'")
}
