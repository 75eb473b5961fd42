package workflow

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
)

func TestGlobs(t *testing.T) {
	t.Parallel()
	// The patterns and examples of GitHub's documentation, and the corners.
	for _, c := range []struct{ pattern, yes, no string }{
		{"feature/*", "feature/my-branch feature/your-branch", "feature/a/b feature"},
		{"feature/**", "feature/beta-a/my-branch feature/your-branch feature/mona/the/octocat", "features/x"},
		{"main", "main", "Main main2 amain"},
		{"releases/mona-the-octocat", "releases/mona-the-octocat", ""},
		{"*", "main releases", "all/the/branches"},
		{"**", "all/the/branches every/tag x", ""},
		{"*feature", "mona-feature feature ver-10-feature", "feature2 a/feature"},
		{"v2*", "v2 v2.0 v2.9", "v1 v2/a"},
		{"v[12].[0-9]+.[0-9]+", "v1.10.1 v2.0.0", "v3.0.0 v1.x.1 v1.10"},
		{"*.jsx?", "page.js page.jsx", "page.jsxx page.ts a/page.js"},
		{"**.js", "index.js js/index.js src/js/app.js", "index.ts"},
		{"docs/*", "docs/README.md docs/file.txt", "docs/a/b.md docs"},
		{"docs/**", "docs/README.md docs/mona/octocat.txt", "doc/x"},
		{"docs/**/*.md", "docs/README.md docs/mona/hello-world.md docs/a/markdown/file.md", "docs/x.txt"},
		{"**/docs/**", "docs/hello.md dir/docs/my-file.txt space/docs/plan/space.doc", "docs adocs/x"},
		{"**/README.md", "README.md js/README.md", "aREADME.md"},
		{"**/*src/**", "a/src/app.js my-src/code/js/app.js", "src a/src"},
		{"**/*-post.md", "my-post.md path/their-post.md", "post.md"},
		{"**/migrate-*.sql", "migrate-10909.sql db/migrate-v1.0.sql db/sept/migrate-v1.sql", "migrate.sql"},
		{"a+b", "ab aab", "b a+b"},
		{`a\+b`, "a+b", "aab"},
		{`\*`, "*", "x"},
		{"[a-z]x", "ax zx", "Ax 0x"},
		{"é?x", "éx x", "ex"},
		{"a.b", "a.b", "axb"},
		{"(x)|{y}^$", "(x)|{y}^$", "x"},
	} {
		g, err := compileGlob(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, s := range strings.Fields(c.yes) {
			if !g.re.MatchString(s) {
				t.Errorf("%s should match %s (%s)", c.pattern, s, g.re)
			}
		}
		for _, s := range strings.Fields(c.no) {
			if g.re.MatchString(s) {
				t.Errorf("%s should not match %s (%s)", c.pattern, s, g.re)
			}
		}
	}
	for _, bad := range []string{"", "!", "?a", "+", "*?", "a[", "[]", "[z-a]", `a\`, "a++", strings.Repeat("x", 2000)} {
		if _, err := compileGlob(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestGlobProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"*", "**", "/", "?", "+", "[", "]", "a", "-", "z", "!", `\`, "^", ".", "é", "("}), 0, 12).Draw(t, "pattern"), "")
		if g, err := compileGlob(pattern); err == nil {
			g.re.MatchString("a/z.md")
		}
	})
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		on                   string
		event, ref, activity string
		changed              []string
		want                 bool
		why                  string
	}{
		{"on: push", "push", "refs/heads/x", "", nil, true, "on.push matches"},
		{"on: push", "push", "refs/tags/v1", "", nil, true, "refs/tags/v1"},
		{"on: [push, pull_request]", "workflow_dispatch", "", "", nil, false, "it runs on push, pull_request"},
		{"on: {push: {branches: [main, 'releases/**']}}", "push", "refs/heads/releases/1/x", "", nil, true, ""},
		{"on: {push: {branches: [main]}}", "push", "refs/heads/dev", "", nil, false, "branch dev matches none of main"},
		{"on: {push: {branches: [main]}}", "push", "refs/tags/v1", "", nil, false, "v1 is a tag"},
		{"on: {push: {tags: ['v*']}}", "push", "refs/heads/main", "", nil, false, "main is a branch"},
		{"on: {push: {tags: ['v*'], paths: [src/**]}}", "push", "refs/tags/v1", "", []string{"x"}, true, ""},
		{"on: {push: {branches: ['**', '!wip/**', 'wip/keep']}}", "push", "refs/heads/wip/x", "", nil, false, ""},
		{"on: {push: {branches: ['**', '!wip/**', 'wip/keep']}}", "push", "refs/heads/wip/keep", "", nil, true, ""},
		{"on: {push: {branches-ignore: ['wip/**']}}", "push", "refs/heads/wip/x", "", nil, false, "is ignored by wip/**"},
		{"on: {push: {tags-ignore: ['v1.*']}}", "push", "refs/tags/v1.2", "", nil, false, "is ignored"},
		{"on: {push: {paths: ['src/**', '!src/docs/**']}}", "push", "refs/heads/m", "", []string{"src/docs/a", "README"}, false, "none of the 2 changed files"},
		{"on: {push: {paths: ['src/**', '!src/docs/**']}}", "push", "refs/heads/m", "", []string{"src/docs/a", "src/b"}, true, ""},
		{"on: {push: {paths-ignore: ['**.md']}}", "push", "refs/heads/m", "", []string{"a.md", "d/b.md"}, false, "all of the 2 changed files"},
		{"on: {push: {paths-ignore: ['**.md']}}", "push", "refs/heads/m", "", []string{"a.md", "b.py"}, true, ""},
		{"on: {push: {paths: [src/**]}}", "push", "refs/heads/m", "", nil, true, ""},
		{"on: {push: {paths: [src/**]}}", "push", "refs/heads/m", "", []string{}, false, ""},
		{"on: pull_request", "pull_request", "main", "closed", nil, false, "opened, synchronize, reopened"},
		{"on: {pull_request: {types: [closed], branches: [main]}}", "pull_request", "main", "closed", nil, true, ""},
		{"on: {release: {types: published}}", "release", "refs/tags/v1", "created", nil, false, "activity created"},
	} {
		w, ps := Parse("w.yml", []byte(c.on+"\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"))
		if cairn.HasErrors(ps) {
			t.Fatal(Render(ps, nil))
		}
		got := w.Match(Moment{Event: c.event, Ref: c.ref, Changed: c.changed, Action: c.activity})
		if got.Starts != c.want || !strings.Contains(got.Why, c.why) || got.Pos.Line != 1 {
			t.Errorf("%s: %s %s %v: got %+v", c.on, c.event, c.ref, c.changed, got)
		}
	}
}
