package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewUser makes cairn user.
func NewUser(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:     "user",
		Short:   "People: who may look, run or administer",
		Example: "cairn user create ana --email ana@example.com --role writer\ncairn user list",
	}, userCreate(k), userUpdate(k), userList(k))
}

func roles() []string {
	return []string{string(cairn.RoleReader), string(cairn.RoleWriter), string(cairn.RoleAdmin)}
}

func checkRole(role string) error {
	if slices.Contains(roles(), role) {
		return nil
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%q is not a role", role)
	if n := cairn.Nearest(role, roles()); n != "" {
		return e.WithHint("did you mean %s?", n)
	}
	return e.WithHint("reader looks; writer runs, pushes and registers; admin keeps people, secrets and environments")
}

func userCreate(k *kit.Kit) *cobra.Command {
	var email, role string
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Add a user",
		Example: "cairn user create ana --email ana@example.com --role writer\ncairn token create --user ana laptop",
		Args:    kit.Args(1, 1, "NAME"),
	}
	cmd.Flags().StringVar(&email, "email", "", "the `address`, as in commits")
	cmd.Flags().StringVar(&role, "role", string(cairn.RoleWriter), "`role`: reader, writer or admin")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles(), cobra.ShellCompDirectiveNoFileComp))
	out := k.JSONFlags(cmd, cairn.Principal{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := checkRole(role); err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		p, err := cl.CreateUser(c.Context(), cairn.Principal{Name: args[0], Email: email, Role: cairn.Role(role)})
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(p)
		}
		fmt.Fprintf(k.Term.Err, "added %s (%s)\n", p.Name, p.Role)
		fmt.Fprintf(k.Term.Err, "%s cairn token create --user %s NAME\n", k.Term.ErrStyle().Cyan("next:"), p.Name)
		return nil
	}
	return cmd
}

func userUpdate(k *kit.Kit) *cobra.Command {
	var email, role string
	var disable, enable bool
	cmd := &cobra.Command{
		Use:     "update NAME",
		Short:   "Change a user's email or role, or shut them out",
		Example: "cairn user update ana --role admin\ncairn user update ben --disable",
		Args:    kit.Args(1, 1, "NAME"),
	}
	f := cmd.Flags()
	f.StringVar(&email, "email", "", "the `address`")
	f.StringVar(&role, "role", "", "`role`: reader, writer or admin")
	f.BoolVar(&disable, "disable", false, "refuse all their tokens; what they did stays theirs")
	f.BoolVar(&enable, "enable", false, "let a disabled user in again")
	out := k.JSONFlags(cmd, cairn.Principal{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "disable", "enable"); err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		p, err := findUser(c.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if role != "" {
			if err := checkRole(role); err != nil {
				return err
			}
			p.Role = cairn.Role(role)
		}
		if c.Flags().Changed("email") {
			p.Email = email
		}
		p.Disabled = disable || p.Disabled && !enable
		after, err := cl.UpdateUser(c.Context(), *p)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(after)
		}
		state := ""
		if after.Disabled {
			state = ", disabled"
		}
		fmt.Fprintf(k.Term.Err, "%s is %s%s\n", after.Name, after.Role, state)
		return nil
	}
	return cmd
}

func findUser(ctx context.Context, cl *kit.Client, name string) (*cairn.Principal, error) {
	all, err := cl.Users(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
		names = append(names, all[i].Name)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no user %q", name)
	if n := cairn.Nearest(name, names); n != "" {
		return nil, e.WithHint("did you mean %q?", n)
	}
	return nil, e.WithHint("cairn user list shows them")
}

func userList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List users",
		Example: "cairn user list\ncairn user list --json=name,role",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, cairn.Principal{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Users(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(all)
		}
		tb := k.Term.NewTable("NAME", "ROLE", "EMAIL", "SINCE")
		for _, u := range all {
			role := string(u.Role)
			if u.Disabled {
				role += " (disabled)"
			}
			tb.Row(term.Clean(u.Name), role, term.Clean(u.Email), term.Since(u.CreatedAt, k.Now()))
		}
		return tb.Write()
	}
	return cmd
}

// NewToken makes cairn token.
func NewToken(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:     "token",
		Short:   "Tokens: how programs and other machines get in",
		Example: "cairn token create laptop --expires 720h\ncairn token list\ncairn token delete ID",
	}, tokenCreate(k), tokenList(k), tokenDelete(k))
}

func tokenCreate(k *kit.Kit) *cobra.Command {
	var user string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and print it, once",
		Long: `Make a token and print it to standard output. It is shown this once; Cairn keeps only its
hash. NAME is for you, to know later what it is for.`,
		Example: "cairn token create laptop\ncairn token create --user ana laptop --expires 720h > token.txt",
		Args:    kit.Args(1, 1, "NAME"),
	}
	cmd.Flags().StringVar(&user, "user", "", "for this `user` (default: yourself)")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how `long` it is good for, such as 720h (default: until it is deleted)")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if expires < 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--expires is in the past")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		var until time.Time
		if expires > 0 {
			until = k.Now().Add(expires).UTC()
		}
		t, err := cl.CreateToken(c.Context(), user, args[0], until)
		if err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "token %s for %s; it is shown this once\n", t.Token.ID, t.Token.Principal)
		_, err = fmt.Fprintln(k.Term.Out, t.Text)
		return err
	}
	return cmd
}

func tokenList(k *kit.Kit) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "list", Short: "List tokens, without their text",
		Example: "cairn token list\ncairn token list --user ana",
		Args:    kit.Args(0, 0),
	}
	cmd.Flags().StringVar(&user, "user", "", "of this `user`")
	out := k.JSONFlags(cmd, cairn.Token{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Tokens(c.Context(), user)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(all)
		}
		if len(all) == 0 {
			fmt.Fprintln(k.Term.Err, "no tokens")
			return nil
		}
		tb := k.Term.NewTable("ID", "USER", "NAME", "MADE", "GOOD UNTIL")
		for _, t := range all {
			var until string
			if !t.RevokedAt.IsZero() {
				until = "deleted " + t.RevokedAt.UTC().Format(time.DateOnly)
			} else if t.ExpiresAt.IsZero() {
				until = "it is deleted"
			} else {
				until = t.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")
			}
			tb.Row(t.ID, term.Clean(t.Principal), term.Clean(t.Name), term.Since(t.CreatedAt, k.Now()), until)
		}
		return tb.Write()
	}
	return cmd
}

func tokenDelete(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "End a token",
		Example: "cairn token delete 7hk2m9",
		Args:    kit.Args(1, 1, "ID"),
		RunE: func(c *cobra.Command, args []string) error {
			id := args[0]
			if rest, whole := strings.CutPrefix(id, "cairn_"); whole {
				// The token itself was pasted: only its public part is needed.
				id, _, _ = strings.Cut(rest, "_")
			}
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			if err := cl.RevokeToken(c.Context(), id); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "ended token %s\n", term.Clean(id))
			return nil
		},
	}
}
