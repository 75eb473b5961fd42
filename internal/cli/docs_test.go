package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/cli/az"
)

// docFiles are the pages that people type from; the rest of docs/reference is generated.
var docFiles = []string{"README.md", "AGENTS.md", "CHANGELOG.md", "docs/*.md", "docs/howto/*.md", "docs/reference/workflow-syntax.md", "examples/*/README.md"}

// TestDocsCommands keeps the pages honest: each cairn command in a code block or in
// code within a line exists, with its flags and its number of arguments, and each
// link leads to a file.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	total := 0
	for _, pattern := range docFiles {
		paths, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no such page (%v)", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range links.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))); err != nil && !strings.Contains(m[1], "://") {
					t.Errorf("%s: the link to %s leads nowhere", filepath.ToSlash(path[len("../../"):]), m[1])
				}
			}
			for _, words := range docCommands(string(text)) {
				total++
				if problem := tryParse(words); problem != "" {
					t.Errorf("%s: cairn %s: %s", filepath.ToSlash(path[len("../../"):]), strings.Join(words, " "), problem)
				}
			}
		}
	}
	if total < 100 {
		t.Errorf("%d commands were found in the pages: the test does not see them", total)
	}
}

// tryParse takes the words through the tree as the shell would, short of running.
func tryParse(words []string) string {
	if words[0] == "az" {
		if err := az.Check(words[1:]); err != nil {
			return err.Error()
		}
		return ""
	}
	c, rest, err := testRoot().Find(words)
	if err != nil {
		return err.Error()
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err.Error()
	}
	args := c.Flags().Args()
	if c.HasSubCommands() && !c.Runnable() {
		if len(args) > 0 {
			return "it has no command " + args[0]
		}
		return "" // the group, as in "see cairn image"
	}
	// In a line of text the arguments may be left out.
	if len(args) == 0 {
		return ""
	}
	if err := c.ValidateArgs(args); err != nil {
		return err.Error()
	}
	return ""
}

var (
	links      = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	spans      = regexp.MustCompile("`(cairn [^`]+)`")
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// docCommands finds the words behind each "cairn" of a page.
func docCommands(text string) [][]string {
	var out [][]string
	fenced := false
	for _, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			line = strings.TrimPrefix(line, "- run: ") // in a workflow
			out = append(out, shellCommands(line)...)
		default:
			for _, m := range spans.FindAllStringSubmatch(line, -1) {
				out = append(out, shellCommands(m[1])...)
			}
		}
	}
	return out
}

// shellCommands splits a line of shell into simple commands, those in $( ) too, and
// keeps what stands behind "cairn" where that is the program. It knows what pages
// use: quotes, comments, pipes, lists, redirections, variables before a command.
func shellCommands(line string) [][]string {
	var out [][]string
	var words []string
	var word strings.Builder
	started, quote, skip := false, rune(0), false
	endWord := func() {
		if started && !skip {
			words = append(words, word.String())
		}
		if started {
			skip = false
		}
		word.Reset()
		started = false
	}
	endCommand := func() {
		endWord()
		for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "export" || words[0] == "time" || words[0] == "until" || words[0] == "do") {
			words = words[1:]
		}
		// Hidden ones, such as cairn _job, are not typed.
		if len(words) > 1 && words[0] == "cairn" && !strings.HasPrefix(words[1], "_") && words[1] != "…" {
			out = append(out, words[1:])
		}
		words, skip = nil, false
	}
	rs := []rune(line)
	for i := 0; i < len(rs); i++ {
		r := rs[i]
		switch {
		case r == '$' && quote != '\'' && i+1 < len(rs) && rs[i+1] == '(':
			depth, end := 0, len(rs)
			for j := i + 1; j < len(rs); j++ {
				if rs[j] == '(' {
					depth++
				} else if rs[j] == ')' {
					if depth--; depth == 0 {
						end = j
						break
					}
				}
			}
			out = append(out, shellCommands(string(rs[min(i+2, end):end]))...)
			word.WriteString("X")
			started = true
			i = end
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ' || r == '\t':
			endWord()
		case r == '#' && !started:
			endCommand()
			return out
		case r == ';' || r == '|' || r == '&':
			endCommand()
		case r == '<' || r == '>':
			if started && strings.Trim(word.String(), "0123456789") == "" {
				word.Reset() // 2>
				started = false
			}
			endWord()
			skip = true
		default:
			word.WriteRune(r)
			started = true
		}
	}
	endCommand()
	return out
}

func TestShellCommands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`cairn run --workflow mlops   # all of it`:                             "run --workflow mlops",
		`CAIRN_TOKEN=$(cat t) cairn approve 6 --comment 'a; b'`:                "approve 6 --comment a; b",
		`p=$(cairn prediction list production --jq '.[0].id')`:                 "prediction list production --jq .[0].id",
		`cairn trace "$(cairn status --jq .url)/x" | head -n 3; cairn serve &`: "status --jq .url / trace X/x / serve",
		`cairn secret set X < secret.txt`:                                      "secret set X",
		`cairn image save api:main - 2>/dev/null | docker load`:                "image save api:main -",
		`docker run cairn`:            "",
		`cairn _job DIR`:              "",
		`make build && cairn version`: "version",
	} {
		var got []string
		for _, c := range shellCommands(line) {
			got = append(got, strings.Join(c, " "))
		}
		if g := strings.Join(got, " / "); g != want {
			t.Errorf("%s: %q, want %q", line, g, want)
		}
	}
}
