// Package kit is what every command of the line is given and shares: the
// terminal, the environment, the way to the owner process, JSON output, help
// and errors. One value is made per process, by cli.Main.
package kit

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Kit is handed to each command's constructor.
type Kit struct {
	Term *term.Term
	// Env looks up environment variables; Environ is all of them, for programs
	// that are started.
	Env     func(string) string
	Environ []string
	// Dir is the directory the command was typed in.
	Dir     string
	Version string
	Now     func() time.Time
	// Dial connects to the owner of the home, starting it if need be; Peek only
	// to one that runs.
	Dial func(context.Context) (*Client, error)
	Peek func(context.Context) (*Client, error)

	mu     sync.Mutex
	client *Client
	// wantJSON is set once a command's --json or --jq is seen: errors are JSON too.
	wantJSON bool
	insist   func(context.Context)
}

// OnInsist says what a second interrupt does before the command leaves.
func (k *Kit) OnInsist(f func(context.Context)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.insist = f
}

// Insist does what OnInsist said, if anything.
func (k *Kit) Insist(ctx context.Context) {
	k.mu.Lock()
	f := k.insist
	k.mu.Unlock()
	if f != nil {
		f(ctx)
	}
}

// Client connects once and then gives the same client.
func (k *Kit) Client(ctx context.Context) (*Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		return k.client, nil
	}
	if k.Dial == nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "this binary was built without a server to talk to")
	}
	c, err := k.Dial(ctx)
	if err != nil {
		return nil, err
	}
	k.client = c
	return c, nil
}

// As is the same kit with another way to the owner.
func (k *Kit) As(dial func(context.Context) (*Client, error)) *Kit {
	return &Kit{Term: k.Term, Env: k.Env, Environ: k.Environ, Dir: k.Dir, Version: k.Version, Now: k.Now, Dial: dial, Peek: k.Peek}
}

// Path resolves a path the user typed against Dir.
func (k *Kit) Path(p string) string {
	if p == "~" || strings.HasPrefix(p, "~/") {
		if home := k.Env("HOME"); home != "" {
			return filepath.Join(home, strings.TrimPrefix(p[1:], "/"))
		}
	}
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(k.Dir, p)
}

// Rel shortens an absolute path for showing it.
func (k *Kit) Rel(p string) string {
	r, err := filepath.Rel(k.Dir, p)
	if err != nil || strings.HasPrefix(r, "..") {
		return p
	}
	return r
}

// ReadFile reads a file the user named, bounded, with errors in words.
func (k *Kit) ReadFile(p string, limit int64) ([]byte, error) {
	path := k.Path(p)
	fi, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		e := cairn.Errorf(cairn.CodeNotFound, "there is no file %s", p)
		if near := nearestFile(path); near != "" {
			return nil, e.WithHint("did you mean %s?", filepath.Join(filepath.Dir(p), filepath.Base(near)))
		}
		return nil, e
	case err != nil:
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", p, err)
	case fi.IsDir():
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a folder; a file is needed", p)
	case fi.Size() > limit:
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is %s; at most %s are read", p, term.Size(fi.Size()), term.Size(limit))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", p, err)
	}
	defer f.Close()
	// A pipe, such as <(command), has no size beforehand.
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", p, err)
	case int64(len(b)) > limit:
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is more than %s", p, term.Size(limit))
	}
	return b, nil
}

func nearestFile(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) > 1000 {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if n := cairn.Nearest(filepath.Base(path), names); n != "" {
		return filepath.Join(filepath.Dir(path), n)
	}
	return ""
}

// Group makes a command that only holds others: alone it prints its help, with
// a word it does not know it names the nearest.
func Group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		if args[0] == "help" {
			return helpOf(c, args[1:])
		}
		return UnknownCommand(c, args[0])
	}
	cmd.AddCommand(subs...)
	return cmd
}

// helpOf prints the help of the command that words name below c: many type help
// first, before they know that it is a flag.
func helpOf(c *cobra.Command, words []string) error {
	for _, w := range words {
		i := slices.IndexFunc(c.Commands(), func(s *cobra.Command) bool { return s.IsAvailableCommand() && (s.Name() == w || s.HasAlias(w)) })
		if i < 0 {
			return UnknownCommand(c, w)
		}
		c = c.Commands()[i]
	}
	c.InitDefaultHelpFlag()
	return c.Help()
}

// UnknownCommand is the usage error for a word that is no command of c.
func UnknownCommand(c *cobra.Command, word string) error {
	var names []string
	for _, s := range c.Commands() {
		if s.IsAvailableCommand() {
			names = append(names, s.Name())
			names = append(names, s.Aliases...)
		}
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%q is not a command of %q", term.Clean(word), c.CommandPath())
	if at := elsewhere(c.Root(), word); len(at) == 1 {
		return e.WithHint("did you mean %q?  (%s --help lists them all)", at[0], c.CommandPath())
	}
	if n := cairn.Nearest(word, names); n != "" {
		return e.WithHint("did you mean %q?  (%s --help lists them all)", c.CommandPath()+" "+n, c.CommandPath())
	}
	return e.WithHint("one of: %s", strings.Join(names, ", "))
}

// elsewhere lists the commands below c that have exactly a name: rerun is one of run.
func elsewhere(c *cobra.Command, name string) []string {
	var at []string
	for _, s := range c.Commands() {
		if !s.IsAvailableCommand() {
			continue
		}
		if s.Name() == name {
			at = append(at, s.CommandPath())
		}
		at = append(at, elsewhere(s, name)...)
	}
	return at
}

// Args checks the number of positional arguments and says in words what is
// missing: names are those of the usage line, the last of which may repeat.
func Args(minimum, maximum int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < minimum:
			return cairn.Errorf(cairn.CodeInvalid, "%s is missing", names[min(len(args), len(names)-1)]).
				WithHint("usage: %s", c.UseLine())
		case maximum >= 0 && len(args) > maximum:
			e := cairn.Errorf(cairn.CodeInvalid, "%q is one argument too many", term.Clean(args[maximum]))
			if f := c.Flags().Lookup("json"); f != nil && f.Changed {
				return e.WithHint("fields are written with an equals sign: --json=%s", args[maximum])
			}
			return e.WithHint("usage: %s", c.UseLine())
		}
		return nil
	}
}

// Exclusive refuses two flags that do not go together.
func Exclusive(c *cobra.Command, names ...string) error {
	var set []string
	for _, n := range names {
		if c.Flags().Changed(n) {
			set = append(set, "--"+n)
		}
	}
	if len(set) < 2 {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%s do not go together", strings.Join(set, " and ")).
		WithHint("leave one of them out")
}

// Pairs reads NAME=VALUE flags.
func Pairs(flag string, given []string) (map[string]string, error) {
	out := make(map[string]string, len(given))
	for _, kv := range given {
		name, value, ok := strings.Cut(kv, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			e := cairn.Errorf(cairn.CodeInvalid, "--%s %q is not NAME=VALUE", flag, kv)
			if ok || name == "" {
				return nil, e.WithHint("the name before = is empty")
			}
			return nil, e.WithHint("--%s %s", flag, term.ShellQuote(name+"=VALUE"))
		}
		if _, twice := out[name]; twice {
			return nil, cairn.Errorf(cairn.CodeInvalid, "--%s %s is given twice", flag, name)
		}
		out[name] = value
	}
	return out, nil
}
