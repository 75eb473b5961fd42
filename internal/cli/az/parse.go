package az

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// usageError is a line that cannot be read: the original's words, exit code 2.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func misuse(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// queryHint stands behind errors of --query.
const queryHint = "To learn more about --query, please visit: 'https://learn.microsoft.com/cli/azure/query-azure-cli'"

// globals are the arguments of every command.
func globals() []arg {
	return []arg{
		{flags: []string{"--debug"}, dest: "debug", kind: bare, help: "Increase logging verbosity to show all debug logs."},
		{flags: []string{"--help", "-h"}, dest: "help", kind: bare, help: "Show this help message and exit."},
		{flags: []string{"--only-show-errors"}, dest: "only_show_errors", kind: bare, help: "Only show errors, suppressing warnings."},
		{flags: []string{"--output", "-o"}, dest: "output", kind: value, choices: []string{"json", "jsonc", "yaml", "yamlc", "table", "tsv", "none"}, def: "json", help: "Output format."},
		{flags: []string{"--query"}, dest: "query", kind: value, help: "JMESPath query string."},
		{flags: []string{"--verbose"}, dest: "verbose", kind: bare, help: "Increase logging verbosity. Use --debug for full debug logs."},
	}
}

// negative is what argparse takes for a value though it begins with a dash.
var negative = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// reader reads the arguments of one command as argparse does.
type reader struct {
	cmd  *command
	args []arg
	out  *values
	// loose are the words that belong to no option, in their order: those that are no
	// options themselves may be for arguments without flags.
	loose []looseWord
}

type looseWord struct {
	text   string
	option bool
}

// parse reads the words behind a command. Its errors come in the original's order: what is
// wrong with an argument, what is missing, what is not known.
// configured is what stands in for an argument that is not given, by its key.
func parse(cmd *command, words []string, configured func(key string) string) (*values, error) {
	r := &reader{cmd: cmd, args: slices.Concat(cmd.args, globals()),
		out: &values{one: map[string]string{}, lists: map[string][]string{}, given: map[string]bool{}}}
	for i := 0; i < len(words); {
		n, err := r.word(words, i)
		if err != nil {
			return nil, err
		}
		i += n
	}
	if r.out.on("help") {
		return r.out, nil
	}
	r.place()
	if err := r.complete(configured); err != nil {
		return nil, err
	}
	if len(r.loose) > 0 {
		var all []string
		for _, l := range r.loose {
			all = append(all, l.text)
		}
		return nil, misuse("unrecognized arguments: %s", strings.Join(all, " "))
	}
	return r.out, nil
}

// word reads the argument that begins at words[i] and returns how many it took.
func (r *reader) word(words []string, i int) (int, error) {
	w := words[i]
	if w == "--" {
		r.loose = append(r.loose, looseWord{w, true})
		for _, rest := range words[i+1:] {
			r.loose = append(r.loose, looseWord{rest, false})
		}
		return len(words) - i, nil
	}
	a, inline, err := r.option(w)
	switch {
	case err != nil:
		return 0, err
	case a == nil && optionLike(w):
		r.loose = append(r.loose, looseWord{w, true})
		return 1, nil
	case a == nil:
		r.loose = append(r.loose, looseWord{w, false})
		return 1, nil
	}
	if a.kind == bare {
		if inline != nil {
			return 0, misuse("argument %s: ignored explicit argument '%s'", a.shown(), *inline)
		}
		return 1, r.set(a, []string{"true"})
	}
	var got []string
	taken := 1
	if inline != nil {
		got = []string{*inline}
	} else {
		for j := i + 1; j < len(words); j++ {
			next := words[j]
			if next == "--" || optionLike(next) {
				break
			}
			if one := a.kind == value || a.kind == append1 || a.kind == maybe || a.kind == switched; one && len(got) == 1 {
				break
			}
			got = append(got, next)
			taken++
		}
	}
	switch {
	case (a.kind == value || a.kind == append1) && len(got) == 0:
		if a.dest == "query" {
			return 0, misuse("argument %s: expected one argument\n%s", a.shown(), queryHint)
		}
		return 0, misuse("argument %s: expected one argument", a.shown())
	case (a.kind == many || a.kind == manyMore) && len(got) == 0:
		return 0, misuse("argument %s: expected at least one argument", a.shown())
	}
	return taken, r.set(a, got)
}

// optionLike reports whether a word is taken for an option's name.
func optionLike(w string) bool {
	return len(w) > 1 && w[0] == '-' && !negative.MatchString(w) && !strings.Contains(w, " ")
}

// option finds the argument that a word names; inline is what stands behind "=", or right
// behind a short name.
func (r *reader) option(w string) (a *arg, inline *string, err error) {
	if len(w) < 2 || w[0] != '-' {
		return nil, nil, nil
	}
	name, rest, eq := strings.Cut(w, "=")
	exact := func(n string) *arg {
		for i := range r.args {
			if slices.Contains(r.args[i].flags, n) {
				return &r.args[i]
			}
		}
		return nil
	}
	if a := exact(w); a != nil {
		return a, nil, nil
	}
	if a := exact(name); a != nil && eq {
		return a, &rest, nil
	}
	if !strings.HasPrefix(w, "--") {
		if a := exact(w[:2]); a != nil && len(w) > 2 {
			rest := strings.TrimPrefix(w[2:], "=")
			return a, &rest, nil
		}
		return nil, nil, nil
	}
	// An unambiguous beginning is enough.
	var found []*arg
	var names []string
	for i := range r.args {
		for _, f := range r.args[i].flags {
			if strings.HasPrefix(f, name) {
				if !slices.Contains(found, &r.args[i]) {
					found = append(found, &r.args[i])
				}
				names = append(names, f)
			}
		}
	}
	switch {
	case len(names) > 1:
		return nil, nil, misuse("ambiguous option: %s could match %s", w, strings.Join(names, ", "))
	case len(found) == 1 && eq:
		return found[0], &rest, nil
	case len(found) == 1:
		return found[0], nil, nil
	}
	return nil, nil, nil
}

// set takes the words of an argument.
func (r *reader) set(a *arg, words []string) error {
	for _, w := range words {
		if len(a.choices) > 0 {
			i := slices.IndexFunc(a.choices, func(c string) bool { return strings.EqualFold(c, w) })
			if i < 0 {
				return misuse("az %s: '%s' is not a valid value for '%s'. Allowed values: %s.", r.cmd.path, w, a.shownLong(), strings.Join(a.choices, ", "))
			}
			words[0] = a.choices[i]
		}
	}
	r.out.given[a.dest] = true
	switch a.kind {
	case many, any0:
		r.out.lists[a.dest] = words
	case append1, manyMore:
		r.out.lists[a.dest] = append(r.out.lists[a.dest], words...)
	case switched:
		word := "true"
		if len(words) == 1 {
			word = strings.ToLower(words[0])
		}
		switch word {
		case "true", "t", "yes", "y", "1":
			r.out.one[a.dest] = "true"
		case "false", "f", "no", "n", "0":
			r.out.one[a.dest] = "false"
		default:
			return misuse("argument %s: '%s' is neither true nor false", a.shown(), words[0])
		}
	default:
		r.out.one[a.dest] = ""
		if len(words) > 0 {
			r.out.one[a.dest] = words[0]
		}
	}
	return nil
}

// shownLong is the first long spelling, as the original names it among choices.
func (a *arg) shownLong() string {
	if len(a.flags) == 0 {
		return a.dest
	}
	return a.flags[0]
}

// place gives the words without a name to the arguments without flags.
func (r *reader) place() {
	for i := range r.args {
		a := &r.args[i]
		if len(a.flags) > 0 {
			continue
		}
		var words []string
		all := a.kind == many || a.kind == any0
		r.loose = slices.DeleteFunc(r.loose, func(l looseWord) bool {
			if l.option || !all && len(words) == 1 {
				return false
			}
			words = append(words, l.text)
			return true
		})
		if len(words) > 0 {
			_ = r.set(a, words) // they have no choices
			// What stood before it said that they are no options.
			r.loose = slices.DeleteFunc(r.loose, func(l looseWord) bool { return l.text == "--" })
		}
	}
}

// complete sets defaults and looks for what is missing.
func (r *reader) complete(configured func(key string) string) error {
	var missing []string
	for i := range r.args {
		a := &r.args[i]
		if r.out.given[a.dest] {
			continue
		}
		if a.def != "" {
			r.out.one[a.dest] = a.def
		}
		if a.config != "" && configured(a.config) != "" {
			r.out.one[a.dest] = configured(a.config)
		} else if a.required {
			missing = append(missing, a.shown())
		}
	}
	if len(missing) > 0 {
		return misuse("the following arguments are required: %s", strings.Join(missing, ", "))
	}
	return nil
}
