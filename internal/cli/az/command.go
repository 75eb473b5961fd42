package az

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// argKind is how many words an argument takes.
type argKind int

const (
	value    argKind = iota // exactly one
	bare                    // none
	maybe                   // one or none (nargs ?)
	many                    // one or more (nargs +)
	any0                    // none or more (nargs *)
	manyMore                // one or more, repeatable
	append1                 // exactly one, repeatable
	switched                // true, false, or none for true
)

// arg is one argument of a command.
type arg struct {
	// flags are its spellings, in the order in which messages name them; none: it is
	// positional, and dest is its name.
	flags    []string
	dest     string
	kind     argKind
	required bool
	choices  []string
	def      string // where it is not given
	config   string // key of `az configure --defaults` that stands in for it
	help     string
}

// shown is how messages name it.
func (a *arg) shown() string {
	if len(a.flags) == 0 {
		return "<" + strings.ToUpper(a.dest) + ">"
	}
	return strings.Join(a.flags, "/")
}

// command is one command of the table.
type command struct {
	path  string // "ml job create"
	short string
	args  []arg
	// open says that it is there without a login, as the original's.
	open bool
	run  func(ctx context.Context, c *call) (any, error)
}

// call is one command that was typed.
type call struct {
	k   *kit.Kit
	env *environment
	cmd *command
	// tools are what is done on this machine; never nil.
	tools *Tools
	*values
}

// values are the arguments that were given.
type values struct {
	one   map[string]string
	lists map[string][]string
	given map[string]bool
}

// get is the value of an argument of one word; "" where it is not given.
func (v *values) get(dest string) string { return v.one[dest] }

// list is the value of an argument of several words.
func (v *values) list(dest string) []string { return v.lists[dest] }

// on reports whether a flag was given.
func (v *values) on(dest string) bool { return v.one[dest] == "true" }

// table is what there is: commands by path, and the short texts of groups.
type table struct {
	commands map[string]*command
	groups   map[string]string
}

func newTable(groups map[string]string, all ...[]command) *table {
	t := &table{commands: map[string]*command{}, groups: groups}
	for _, cs := range all {
		for i := range cs {
			t.commands[cs[i].path] = &cs[i]
		}
	}
	return t
}

// below are the words that may follow a path, sorted.
func (t *table) below(path string) []string {
	var out []string
	add := func(full string) {
		rest, ok := strings.CutPrefix(full, path+" ")
		if path == "" {
			rest, ok = full, true
		}
		if word, _, _ := strings.Cut(rest, " "); ok && word != "" && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	for full := range t.commands {
		add(full)
	}
	for full := range t.groups {
		add(full)
	}
	slices.Sort(out)
	return out
}

// plural are the spellings of nouns that scripts use and the original rejects.
func plural(word string) string {
	for _, noun := range []string{"job", "model", "component", "environment", "schedule", "compute", "online-endpoint", "online-deployment", "batch-endpoint", "batch-deployment", "datastore", "workspace", "registry"} {
		if word == noun+"s" || word == "registries" && noun == "registry" {
			return noun
		}
	}
	return word
}

// find takes the words of a command off a line. Where they lead nowhere, path is how far
// they went and bad the word that is not known; "" where words are missing.
func (t *table) find(args []string) (cmd *command, path, bad string, rest []string) {
	for i, word := range args {
		if strings.HasPrefix(word, "-") {
			return nil, path, "", args[i:]
		}
		next := strings.TrimSpace(path + " " + word)
		if _, group := t.groups[next]; !group && t.commands[next] == nil && strings.HasPrefix(path, "ml") {
			next = strings.TrimSpace(path + " " + plural(word))
		}
		if c := t.commands[next]; c != nil {
			return c, next, "", args[i+1:]
		}
		if _, ok := t.groups[next]; !ok {
			return nil, path, word, args[i+1:]
		}
		path = next
	}
	return nil, path, "", nil
}
