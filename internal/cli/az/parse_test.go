package az

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// TestParse reads lines as argparse does; TestOracle compares more of them.
func TestParse(t *testing.T) {
	t.Parallel()
	cmd := &command{path: "x y", args: []arg{nameArg(true, "x"), setArg(), {flags: []string{"--max", "-m"}, dest: "max", def: "5"}, {flags: []string{"--all"}, dest: "all", kind: switched},
		{flags: []string{"--tags"}, dest: "tags", kind: any0}, {flags: []string{"--group", "-g"}, dest: "group", config: "group"}, {dest: "words", kind: any0}}}
	configured := func(key string) string { return map[string]string{"group": "mine"}[key] }
	for line, want := range map[string]string{
		"-n a":                         "name=a max=5 group=mine",
		"--name=a --max=7":             "name=a max=7 group=mine",
		"-na -m7 -g theirs":            "name=a max=7 group=theirs",
		"-n=a":                         "name=a max=5 group=mine",
		"--na a --al":                  "name=a max=5 all=true group=mine",
		"--all no -n a":                "name=a max=5 all=false group=mine",
		"-n a --set x=1 y=2 --set z=3": "name=a max=5 group=mine set=[x=1 y=2 z=3]",
		"-n a --tags":                  "name=a max=5 group=mine tags=[]",
		"-n a w1 w2":                   "name=a max=5 group=mine words=[w1 w2]",
		"-n a -m -3":                   "name=a max=-3 group=mine",
		"":                             "the following arguments are required: --name/-n",
		"-n":                           "argument --name/-n: expected one argument",
		"-n a --set":                   "argument --set: expected at least one argument",
		"-n a --foo b":                 "name=a max=5 group=mine words=[b] unrecognized arguments: --foo",
		"-n a --all maybe":             "argument --all: 'maybe' is neither true nor false",
		"-n a -o XML":                  "az x y: 'XML' is not a valid value for '--output'. Allowed values: json, jsonc, yaml, yamlc, table, tsv, none.",
		"-n a --o json":                "ambiguous option: --o could match --only-show-errors, --output",
		"-n a --debug=1":               "argument --debug: ignored explicit argument '1'",
		"-n a --query":                 "argument --query: expected one argument\n" + queryHint,
	} {
		v, err := parse(cmd, strings.Fields(line), configured)
		var got []string
		if v != nil {
			for _, d := range []string{"name", "max", "all", "group"} {
				if s, ok := v.one[d]; ok {
					got = append(got, d+"="+s)
				}
			}
			for _, d := range []string{"set", "tags", "words"} {
				if l, ok := v.lists[d]; ok {
					got = append(got, fmt.Sprintf("%s=%v", d, l))
				}
			}
		}
		var bad *usageError
		if err != nil {
			if !errors.As(err, &bad) {
				t.Errorf("%s: %v", line, err)
			}
			got = []string{bad.message}
			want = want[max(strings.Index(want, "unrecognized"), 0):]
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s:\n%s\nwant\n%s", line, s, want)
		}
	}
}

// TestTable: every command can be carried out, every argument is told apart and explained.
func TestTable(t *testing.T) {
	t.Parallel()
	tab := commands()
	for path, c := range tab.commands {
		seen := map[string]bool{}
		for _, a := range append(slices.Clone(c.args), globals()...) {
			for _, f := range a.flags {
				if seen[f] {
					t.Errorf("%s: %s twice", path, f)
				}
				seen[f] = true
			}
			if a.help == "" || a.dest == "" {
				t.Errorf("%s: %s is not explained", path, a.shown())
			}
		}
		if c.run == nil || c.short == "" {
			t.Errorf("%s does nothing", path)
		}
		group := path[:max(strings.LastIndexByte(path, ' '), 0)]
		if _, ok := tab.groups[group]; group != "" && !ok {
			t.Errorf("%s: its group is not known", path)
		}
	}
}

const reference = "../../../docs/reference/az.md"

// TestReference holds docs/reference/az.md to the table: go test ./internal/cli/az -update.
func TestReference(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	writeReference(&b, commands())
	if *update {
		if err := os.WriteFile(reference, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(reference)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the table says (%v): go test ./internal/cli/az -run Reference -update", reference, err)
	}
}

func writeReference(b *bytes.Buffer, t *table) {
	b.WriteString(`# The az dialect

<!-- Made by go test ./internal/cli/az -run Reference -update from the table of commands; do not edit. -->

` + "`cairn az …`" + `, in jobs ` + "`az …`" + `: the commands below, with the flags, the output (` + "`-o`" + `, ` + "`--query`" + `) and the exit codes of azure-cli ` + cliVersion + `
and its ml extension. Exit codes: 0 done, 1 it failed, 2 the line cannot be read, 3 what ` + "`show`" + ` asks for is not there.
Every command has ` + "`--output/-o`, `--query`, `--only-show-errors`, `--verbose`, `--debug`" + ` and ` + "`--help/-h`" + `. Nouns may stand
in the plural. Names of subscriptions, resource groups, workspaces and locations all lead to the one workspace.

A command that is not here goes to a real az further down PATH, where there is one; else it is refused by name. With
` + "`azure: original`" + ` in ` + "`config.yaml`" + `, or ` + "`azure: {OWNER/NAME: original}`" + ` for one repository, Cairn's az leaves everything to
the real one.

## Commands

| command | what it does | flags |
|---|---|---|
`)
	var paths []string
	for p := range t.commands {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		c := t.commands[p]
		var flags []string
		for i := range c.args {
			a := &c.args[i]
			s := "`" + a.shown() + "`"
			if strings.HasPrefix(a.help, "Says nothing here") {
				s += " (taken, says nothing)"
			}
			if a.required {
				s = "**" + s + "**"
			}
			flags = append(flags, s)
		}
		fmt.Fprintf(b, "| `az %s` | %s | %s |\n", p, c.short, strings.Join(flags, ", "))
	}
	b.WriteString("\n## Refused by name\n\n| command | instead |\n|---|---|\n")
	for _, g := range []struct {
		path  string
		words []string
	}{
		{"", []string{"acr", "aks", "keyvault", "resource", "rest", "role", "storage", "vm"}},
		{"ml", []string{"batch-deployment", "batch-endpoint", "capability-host", "connection", "datastore", "deployment-template", "feature-set", "feature-store", "folder", "index",
			"marketplace-subscription", "registry", "serverless-endpoint"}},
		{"ml compute", []string{"attach", "connect-ssh", "detach", "enable-sso"}},
	} {
		for _, w := range g.words {
			fmt.Fprintf(b, "| `az %s` | %s |\n", strings.TrimSpace(g.path+" "+w), notHere(g.path, w))
		}
	}
}
