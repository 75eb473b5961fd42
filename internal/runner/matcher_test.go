package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

const pythonMatcher = `{
  // as actions/setup-python has it
  "problemMatcher": [{
    "owner": "python",
    "pattern": [
      {"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
      {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}
    ]
  }]
}`

const eslintMatcher = `{"problemMatcher": [{
  "owner": "eslint-stylish",
  "pattern": [
    {"regexp": "^([^\\s].*)$", "file": 1},
    {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$", "line": 1, "column": 2, "severity": 3, "message": 4, "code": 5, "loop": true}
  ]}]}`

// matched feeds lines to matchers and gives "severity file:line:column message" of
// what they find.
func matched(t *testing.T, configs []string, text string) (found []string, rest string) {
	t.Helper()
	set := &matcherSet{}
	for _, c := range configs {
		defs, err := parseMatchers([]byte(c))
		if err != nil {
			t.Fatal(err)
		}
		if err := set.add(defs); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	o := &output{log: newStepLog(closer{&buf}, NewMasks(), func() time.Time { return time.Unix(0, 0) }, 0)}
	o.match = &matching{
		set:   set,
		place: func(file, from string) string { return strings.TrimPrefix(from+"|"+file, "|") },
		found: func(a cairn.Annotation, line string) {
			found = append(found, a.Severity+" "+a.Position.String()+" "+a.Message)
		},
		warn: func(m string) { found = append(found, m) },
	}
	if _, err := o.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	o.flush()
	if _, err := o.log.close(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(buf.String()) {
		_, text, _ := strings.Cut(line, "Z ")
		rest += text
	}
	return found, rest
}

func TestProblemMatchers(t *testing.T) {
	t.Parallel()
	single := `{"problemMatcher": [{"owner": "tsc", "severity": "warning", "pattern": [
		{"regexp": "^([^\\s].*)\\((\\d+),(\\d+)\\):\\s+(error|warning)?\\s*(TS\\d+)\\s*:\\s*(.*)$", "file": 1, "line": 2, "column": 3, "severity": 4, "code": 5, "message": 6, "fromPath": 0}]}]}`
	for _, c := range []struct {
		name    string
		configs []string
		text    string
		want    []string
		rest    string
	}{
		{"single line, default severity", []string{single}, "src/a.ts(3,7): TS100: bad\nok\n", []string{"warning src/a.ts(3,7): TS100: bad|src/a.ts:3:7 bad"}, "ok\n"},
		{"a group decides", []string{single}, "src/a.ts(3,7): error TS100: bad\n", []string{"error src/a.ts(3,7): error TS100: bad|src/a.ts:3:7 bad"}, ""},
		{"lines that follow", []string{pythonMatcher}, "  File \"x.py\", line 7, in main\n    raise ValueError('no')\nend\n", []string{"error x.py:7 no"}, "  File \"x.py\", line 7, in main\nend\n"},
		{"broken sequence", []string{pythonMatcher}, "  File \"x.py\", line 7, in main\n  other\n    raise ValueError('no')\n", nil, "  File \"x.py\", line 7, in main\n  other\n    raise ValueError('no')\n"},
		{"loop", []string{eslintMatcher}, "a.js\n  1:2  error  one  rule\n  3:4  warning  two  rule\n\n  5:6  error  three  rule\n",
			[]string{"error a.js:1:2 one", "warning a.js:3:4 two"}, "a.js\n\n  5:6  error  three  rule\n"},
		{"colours are not seen", []string{single}, "\x1b[31msrc/a.ts(3,7): \x1b[0mTS100: bad\n", []string{"warning src/a.ts(3,7): TS100: bad|src/a.ts:3:7 bad"}, ""},
		{"no message", []string{single}, "src/a.ts(3,7): TS100:  \n", nil, "src/a.ts(3,7): TS100:  \n"},
		{"the last added is first", []string{single, strings.Replace(strings.Replace(single, `"tsc"`, `"mine"`, 1), `"warning"`, `"notice"`, 1)},
			"a.ts(3,7): TS1: bad\n", []string{"notice a.ts(3,7): TS1: bad|a.ts:3:7 bad"}, ""},
		{"same owner gives way", []string{single, `{"problemMatcher": [{"owner": "TSC", "pattern": [{"regexp": "^x(.*)$", "message": 1}]}]}`},
			"a.ts(3,7): TS1: bad\nxyz\n", []string{"error  yz"}, "a.ts(3,7): TS1: bad\n"},
		{"last line without end", []string{single}, "a.ts(1,2): TS1: bad", []string{"warning a.ts(1,2): TS1: bad|a.ts:1:2 bad"}, ""},
		{"look-ahead of .NET", []string{`{"problemMatcher": [{"owner": "l", "pattern": [{"regexp": "^(?!ok)(\\w+)!$", "message": 1}]}]}`}, "ok!\nno!\n", []string{"error  no"}, "ok!\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found, rest := matched(t, c.configs, c.text)
			if strings.Join(found, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("found %q, want %q", found, c.want)
			}
			if rest != c.rest {
				t.Errorf("rest %q, want %q", rest, c.rest)
			}
		})
	}
}

func TestProblemMatcherThatNeverEnds(t *testing.T) {
	t.Parallel()
	slow := `{"problemMatcher": [{"owner": "slow", "pattern": [{"regexp": "^(a+)+$", "message": 1}]}]}`
	found, rest := matched(t, []string{slow}, strings.Repeat("a", 40)+"!\nafter\n")
	if len(found) != 1 || !strings.Contains(found[0], "Removing issue matcher 'slow'") || !strings.HasSuffix(rest, "after\n") {
		t.Errorf("found %q, rest %q", found, rest)
	}
}

func TestProblemMatcherFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`: "it is no JSON of problem matchers",
		`{"problemMatcher": [{"owner": "", "pattern": []}]}`:                                                                                           "Owner must not be empty",
		`{"problemMatcher": [{"owner": "a", "pattern": []}]}`:                                                                                          "does not contain any patterns",
		`{"problemMatcher": [{"owner": "a", "severity": "fatal", "pattern": [{"regexp": "a", "message": 0}]}]}`:                                        "unexpected default severity 'fatal'",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "a"}]}]}`:                                                                           "At least one pattern must set 'message'",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "(", "message": 0}]}]}`:                                                             "is not valid",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "(a)", "message": 2}]}]}`:                                                           "'message' is set to 2 which is out of range",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "(a)", "message": 1, "loop": true}]}]}`:                                             "Only the last pattern",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "a", "file": 0}, {"regexp": "a", "file": 0}]}]}`:                                    "'file' is set twice",
		`{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "a", "message": 0}]}, {"owner": "A", "pattern": [{"regexp": "a", "message": 0}]}]}`: "Duplicate owner name 'A'",
	} {
		if _, err := parseMatchers([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestMatchedFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, f := range []string{"a.py", "sub/b.py", "repo/.git/HEAD", "repo/src/c.py"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	st := &step{x: &executor{Job: Job{Machine: placeMachine{root: root}}}}
	for _, c := range []struct{ file, from, want string }{
		{"a.py", "", "a.py"},
		{root + "/sub/b.py", "", "sub/b.py"},
		{"b.py", "sub/project.toml", "sub/b.py"},
		{"repo/src/c.py", "", "src/c.py"},
		{"missing.py", "", ""},
		{"../../etc/passwd", "", ""},
		{"/etc/passwd", "", ""},
		{"sub", "", ""},
	} {
		if got := st.matchedFile(c.file, c.from); got != c.want {
			t.Errorf("%s from %q: got %q, want %q", c.file, c.from, got, c.want)
		}
	}
}

// placeMachine has folders and nothing else.
type placeMachine struct {
	Machine
	root string
}

func (m placeMachine) Dirs() Dirs { return Dirs{Workspace: m.root} }

func FuzzProblemMatcher(f *testing.F) {
	f.Add(pythonMatcher, "  File \"x.py\", line 7, in main\n    raise ValueError('no')\n")
	f.Add(eslintMatcher, "a.js\n  1:2  error  one  rule\n")
	f.Fuzz(func(t *testing.T, config, text string) {
		defs, err := parseMatchers([]byte(config))
		if err != nil {
			return
		}
		m := &matching{set: &matcherSet{}, place: func(f, _ string) string { return f }, found: func(cairn.Annotation, string) {}, warn: func(string) {}}
		for _, d := range defs {
			for i := range d.patterns {
				d.patterns[i].re.MatchTimeout = 10 * time.Millisecond
			}
		}
		if m.set.add(defs) == nil && m.sync() {
			for line := range strings.Lines(text) {
				m.line(line)
			}
		}
	})
}

func BenchmarkProblemMatcher(b *testing.B) {
	defs, err := parseMatchers([]byte(pythonMatcher))
	if err != nil {
		b.Fatal(err)
	}
	m := &matching{set: &matcherSet{}, place: func(f, _ string) string { return f }, found: func(cairn.Annotation, string) {}, warn: func(string) {}}
	if err := m.set.add(defs); err != nil {
		b.Fatal(err)
	}
	m.sync()
	line := "2024-01-01 epoch 12 loss=0.1234 accuracy=0.9876 some more words of a usual log line\n"
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m.line(line)
	}
}

func TestAnnotationPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		props map[string]string
		want  cairn.Annotation
	}{
		{map[string]string{"line": "3", "col": "4", "endcolumn": "9"}, cairn.Annotation{Position: cairn.Position{Line: 3, Column: 4, EndColumn: 9}}},
		{map[string]string{"endline": "3"}, cairn.Annotation{Position: cairn.Position{Line: 3}}},
		{map[string]string{"col": "4"}, cairn.Annotation{}},
		{map[string]string{"line": "3", "endline": "5", "col": "4"}, cairn.Annotation{Position: cairn.Position{Line: 3}, EndLine: 5}},
		{map[string]string{"line": "5", "endline": "3"}, cairn.Annotation{}},
		{map[string]string{"line": "5", "col": "9", "endcolumn": "2"}, cairn.Annotation{Position: cairn.Position{Line: 5}}},
		{map[string]string{"line": "x", "title": "T", "file": "a.py"}, cairn.Annotation{Position: cairn.Position{File: "a.py"}, Title: "T"}},
	} {
		if got := annotationOf("", "", c.props); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.props, got, c.want)
		}
	}
}
