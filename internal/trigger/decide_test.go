package trigger_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trigger"
	"github.com/cairn-ml/cairn/internal/workflow"
)

func parse(t interface{ Fatal(...any) }, on string) *workflow.Workflow {
	w, ps := workflow.Parse(".github/workflows/w.yml", []byte("on:\n"+on+"\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"))
	if cairn.HasErrors(ps) {
		t.Fatal(workflow.Render(ps, nil))
	}
	return w
}

func many(n int, last string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("a/%04d.txt", i))
	}
	return append(out, last)
}

func TestDecide(t *testing.T) {
	t.Parallel()
	push := func(ref string) cairn.TriggerEvent { return cairn.TriggerEvent{Event: "push", Ref: ref} }
	main := push("refs/heads/main")
	for _, c := range []struct {
		name, on string
		event    cairn.TriggerEvent
		files    *[]string
		message  string
		starts   bool
		why      string
		line     int
	}{
		{"plain", "  push:", main, nil, "", true, "on.push matches", 2},
		{"other event", "  push:", cairn.TriggerEvent{Event: "release"}, nil, "", false, "it runs on push", 2},
		{"skip", "  push:", main, nil, "Fix\n\n[skip ci]", false, "[skip ci]", 2},
		{"skip, upper case", "  push:", main, nil, "[CI SKIP] x", false, "[ci skip]", 2},
		{"no skip of others", "  pull_request_target:", cairn.TriggerEvent{Event: "pull_request_target", Action: "opened"}, nil, "[no ci]", true, "", 2},
		{"trailer", "  push:", main, nil, "Fix\n\nText\n\n\nCo-authored-by: x <x@y>\nskip-checks: true\n", false, "skip-checks", 2},
		{"trailer without space", "  push:", main, nil, "Fix\n\n\nskip-checks:true", false, "skip-checks", 2},
		{"no trailer", "  push:", main, nil, "Say skip-checks: true\nskip-checks: true", true, "", 2},
		{"a left out branch names its pattern", "  push:\n    branches:\n      - '**'\n      - '!wip/**'", push("refs/heads/wip/x"), nil, "", false, "left out by !wip/**", 5},
		{"paths", "  push:\n    paths: [src/**]", main, &[]string{"README"}, "", false, "none of the 1 changed files", 3},
		{"no files", "  push:\n    paths: ['**']", main, &[]string{}, "", false, "no files changed", 3},
		{"files not known", "  push:\n    paths: [src/**]", main, nil, "", true, "", 2},
		{"only the first 300", "  push:\n    paths: [src/**]", main, ptr(many(300, "src/x")), "", false, "the first 300 of 301", 3},
		{"within 300", "  push:\n    paths: [src/**]", main, ptr(many(299, "src/x")), "", true, "", 2},
		{"paths of a tag", "  push:\n    tags: [v*]\n    paths: [src/**]", push("refs/tags/v1"), &[]string{"x"}, "", true, "", 2},
		{"default types", "  pull_request:", cairn.TriggerEvent{Event: "pull_request", Action: "labeled"}, nil, "", false, "opened, synchronize, reopened", 2},
		{"base branch", "  pull_request:\n    branches: [main]", cairn.TriggerEvent{Event: "pull_request", Action: "opened", BaseRef: "dev", HeadRef: "main"}, nil, "", false, "branch dev matches none", 3},
		{"conflict", "  pull_request:", cairn.TriggerEvent{Event: "pull_request", Action: "opened", Conflict: true}, nil, "", false, "conflicts", 2},
		{"target in spite of a conflict", "  pull_request_target:", cairn.TriggerEvent{Event: "pull_request_target", Action: "opened", Conflict: true}, nil, "", true, "", 2},
		{"workflow_run", "  workflow_run:\n    workflows: [Build]", cairn.TriggerEvent{Event: "workflow_run", Action: "completed", WorkflowName: "Build"}, nil, "", true, "", 2},
		{"workflow_run of another", "  workflow_run:\n    workflows: [Build]", cairn.TriggerEvent{Event: "workflow_run", Action: "completed", WorkflowName: "Test"}, nil, "", false, "workflow Test is not among Build", 3},
		{"workflow_run by pattern", "  workflow_run:\n    workflows: ['Build*']", cairn.TriggerEvent{Event: "workflow_run", Action: "completed", WorkflowName: "Build it"}, nil, "", true, "", 2},
		{"workflow_run of a branch", "  workflow_run:\n    workflows: [B]\n    branches: [main]", cairn.TriggerEvent{Event: "workflow_run", WorkflowName: "B", HeadRef: "dev"}, nil, "", false, "branch dev", 4},
		{"chain of three", "  workflow_run:\n    workflows: [B]", cairn.TriggerEvent{Event: "workflow_run", WorkflowName: "B", Chain: 3}, nil, "", true, "", 2},
		{"chain of four", "  workflow_run:\n    workflows: [B]", cairn.TriggerEvent{Event: "workflow_run", WorkflowName: "B", Chain: 4}, nil, "", false, "at most 3", 2},
		{"repository_dispatch type", "  repository_dispatch:\n    types: [retrain]", cairn.TriggerEvent{Event: "repository_dispatch", Action: "other"}, nil, "", false, "activity other", 3},
		{"another file", "  schedule: [{cron: '1 * * * *'}]", cairn.TriggerEvent{Event: "schedule", Workflow: "x.yml"}, nil, "", false, "x.yml alone", 2},
		{"release", "  release:\n    types: [published]", cairn.TriggerEvent{Event: "release", Action: "published", Ref: "refs/tags/v1"}, nil, "", true, "", 2},
	} {
		w := parse(t, c.on)
		var f trigger.Files
		if c.files != nil {
			f = trigger.Files{Known: true, Paths: *c.files}
		}
		got := trigger.Decide(w, &c.event, f, c.message)
		if got.Starts != c.starts || !strings.Contains(got.Why, c.why) || got.Pos.Line != c.line {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// What starts a push never depends on the order of the changed files, and a file
// more can only help paths within the bound.
func TestDecidePathsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SampledFrom([]string{"src/a", "src/b/c", "docs/x.md", "README", "src/docs/y"})
		pattern := rapid.SampledFrom([]string{"src/**", "docs/**", "**.md", "*"})
		pats := []string{pattern.Draw(t, "first")}
		for _, p := range rapid.SliceOfN(pattern, 0, 3).Draw(t, "more") {
			if rapid.Bool().Draw(t, "not") {
				p = "!" + p
			}
			pats = append(pats, p)
		}
		w := parse(t, "  push: {paths: ['"+strings.Join(pats, "', '")+"']}")
		files := rapid.SliceOfN(file, 1, 6).Draw(t, "files")
		e := &cairn.TriggerEvent{Event: "push", Ref: "refs/heads/m"}
		before := trigger.Decide(w, e, trigger.Files{Known: true, Paths: files}, "").Starts
		shuffled := rapid.Permutation(files).Draw(t, "shuffled")
		if got := trigger.Decide(w, e, trigger.Files{Known: true, Paths: shuffled}, "").Starts; got != before {
			t.Fatalf("%v: order counts", pats)
		}
		more := append(files, file.Draw(t, "extra"))
		if before && !trigger.Decide(w, e, trigger.Files{Known: true, Paths: more}, "").Starts {
			t.Fatalf("%v: %v starts, %v does not", pats, files, more)
		}
	})
}

func TestFires(t *testing.T) {
	t.Parallel()
	for _, e := range []string{"push", "schedule", "release", "workflow_run"} {
		if !trigger.Fires(e) {
			t.Errorf("%s is fired here", e)
		}
	}
	for _, e := range []string{"issues", "merge_group", "page_build", "watch"} {
		if message, hint := trigger.NeverFires(e); trigger.Fires(e) || !strings.Contains(message, e) || !strings.Contains(hint, "--event "+e) {
			t.Errorf("%s: %s, %s", e, message, hint)
		}
	}
	if !trigger.OnDefaultBranch("schedule") || trigger.OnDefaultBranch("push") || !trigger.OnDefaultBranch("pull_request_target") {
		t.Error("which commit counts")
	}
}
