package repository

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func listCmd(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the repositories that are followed",
		Example: "cairn repo list\ncairn repo list --json=repository,url,error",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, cairn.FollowInfo{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		list, err := cl.Follows(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(k.Term.Err, "no repository is followed; cairn repo add URL follows one")
			return nil
		}
		tb := k.Term.NewTable("REPOSITORY", "EVERY", "LOOKED", "STATE", "URL")
		for i := range list {
			f := &list[i]
			tb.Row(term.Clean(f.Repository), every(f), when(f.CheckedAt, k.Now(), "-"), term.Clean(state(f)), term.Clean(f.URL))
		}
		return tb.Write()
	}
	return cmd
}

func every(f *cairn.FollowInfo) string {
	parts := []string{}
	if f.Every > 0 {
		parts = append(parts, term.Duration(f.Every))
	}
	if f.Hook != "" {
		parts = append(parts, "webhook")
	}
	return strings.Join(parts, ", ")
}

// state says in a few words how following goes.
func state(f *cairn.FollowInfo) string {
	switch {
	case f.Paused:
		return "paused"
	case f.Error != "":
		return "failing: " + f.Error
	case f.StatusTrouble != "":
		return "no statuses: " + f.StatusTrouble
	case f.PullTrouble != "":
		return "no pull requests: " + f.PullTrouble
	case f.Fresh:
		return "beginning"
	}
	return "ok"
}

func showCmd(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [OWNER/NAME]", Short: "Show how a repository is followed, and what happened last",
		Example:           "cairn repo show owner/name\ncairn repo show owner/name --jq .error",
		Args:              kit.Args(0, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
	}
	out := k.JSONFlags(cmd, cairn.FollowInfo{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		name, err := named(c.Context(), k, args)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		f, err := cl.Follow(c.Context(), name)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(f)
		}
		show(k, f)
		return nil
	}
	return cmd
}

func show(k *kit.Kit, f *cairn.FollowInfo) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(k.Term.Out, "%-10s %s\n", name, term.Clean(fmt.Sprintf(format, args...)))
	}
	now := k.Now()
	fmt.Fprintln(k.Term.Out, k.Term.OutStyle().Bold(term.Clean(f.Repository)))
	line("from", "%s", f.URL)
	line("state", "%s", state(f))
	if f.Error != "" {
		line("", "failed %s in a row; next look %s", term.Count(int64(f.Failures), "time"), in(f.NextAt, now))
		if f.Hint != "" {
			line("hint", "%s", f.Hint)
		}
	}
	looks := "only when the webhook comes"
	if f.Every > 0 {
		looks = "every " + term.Duration(f.Every)
	}
	line("looks", "%s; last %s, %s", looks, when(f.CheckedAt, now, "not yet"), term.Count(int64(f.Refs), "ref"))
	if len(f.Branches) > 0 {
		line("branches", "%s", strings.Join(f.Branches, ", "))
	}
	switch {
	case f.SSHKey != "":
		line("access", "ssh key %s", f.SSHKey)
	case f.HasToken:
		line("access", "a token")
	}
	if f.HookURL != "" {
		line("webhook", "%s", f.HookURL)
	}
	switch {
	case f.StatusTrouble != "":
		line("statuses", "stopped: %s", f.StatusTrouble)
	case f.Statuses:
		line("statuses", "written to %s", f.API)
	default:
		line("statuses", "not written")
	}
	for _, w := range f.Waiting {
		text := fmt.Sprintf("%s %s %s", short(w.SHA), w.Context, w.State)
		if w.Reason != "" {
			text += ": " + w.Reason
		}
		line("  waits", "%s", text)
	}
	line("since", "%s, by %s", term.Since(f.CreatedAt, now), f.By)
	if len(f.Moves) > 0 {
		fmt.Fprintln(k.Term.Out, "\nseen last")
		for i := range f.Moves {
			fmt.Fprintf(k.Term.Out, "  %s  %s\n", term.Since(f.Moves[i].At, now), moveLine(&f.Moves[i]))
		}
	}
	if len(f.Deliveries) > 0 {
		fmt.Fprintln(k.Term.Out, "\ndeliveries of the webhook")
		for _, d := range f.Deliveries {
			note := d.Note
			if d.DoneAt.IsZero() {
				note = "waits"
			}
			fmt.Fprintf(k.Term.Out, "  %s  %s\n", term.Since(d.At, now), term.Clean(d.Event+" "+d.ID+": "+note))
		}
	}
}

// in says a time to come.
func in(at, now time.Time) string {
	if at.IsZero() {
		return "when asked for"
	}
	if d := at.Sub(now); d > time.Second {
		return "in " + term.Duration(d)
	}
	return "now"
}

func setCmd(k *kit.Kit) *cobra.Command {
	var f flags
	var noToken bool
	cmd := &cobra.Command{
		Use: "set [OWNER/NAME]", Short: "Change how a repository is followed; flags that are left out change nothing",
		Example: `cairn repo set owner/name --every 5m --branch main --branch 'release/*'
cairn repo set owner/name --token-stdin < token.txt
cairn repo set owner/name --status none`,
		Args:              kit.Args(0, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&noToken, "no-token", false, "forget the token")
	out := k.JSONFlags(cmd, cairn.FollowInfo{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		var r client.FollowRequest
		if err := kit.Exclusive(c, "token-stdin", "token-file", "no-token"); err != nil {
			return err
		}
		if err := f.request(c, k, &r); err != nil {
			return err
		}
		if noToken {
			none := ""
			r.Token = &none
		}
		return change(c, k, args, r, out)
	}
	return cmd
}

func change(c *cobra.Command, k *kit.Kit, args []string, r client.FollowRequest, out *kit.JSON) error {
	name, err := named(c.Context(), k, args)
	if err != nil {
		return err
	}
	cl, err := k.Client(c.Context())
	if err != nil {
		return err
	}
	got, err := cl.SetFollow(c.Context(), name, r)
	if err != nil {
		return err
	}
	if out.On() {
		return out.Write(&got.Follow)
	}
	if got.Follow.Paused {
		fmt.Fprintf(k.Term.Err, "following %s is paused\n", term.Clean(got.Follow.Repository))
		return nil
	}
	said(k, &got.Follow)
	return nil
}

func pauseCmd(k *kit.Kit, pause bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: "pause [OWNER/NAME]", Short: "Look at a repository no more, until it is resumed",
		Long:    "Look at a repository no more, until it is resumed: then what moved meanwhile counts as one move.",
		Example: "cairn repo pause owner/name", Args: kit.Args(0, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
	}
	if !pause {
		cmd.Use, cmd.Short, cmd.Long, cmd.Example = "resume [OWNER/NAME]", "Go on following a repository", "", "cairn repo resume owner/name"
	}
	out := k.JSONFlags(cmd, cairn.FollowInfo{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		return change(c, k, args, client.FollowRequest{Paused: &pause}, out)
	}
	return cmd
}

func removeCmd(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "remove OWNER/NAME", Short: "Follow a repository no more; what was fetched and run stays",
		Example: "cairn repo remove owner/name", Args: kit.Args(1, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			if err := cl.RemoveFollow(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s is followed no more; its token and webhook are forgotten\n", term.Clean(args[0]))
			return nil
		},
	}
}

func webhookCmd(k *kit.Kit) *cobra.Command {
	var fresh, off bool
	cmd := &cobra.Command{
		Use: "webhook [OWNER/NAME]", Short: "Show the address of the webhook, or make a new one with its secret",
		Long: `Show the address of the webhook, or make a new one with its secret, which is shown this once.

Deliveries are signed: X-Hub-Signature-256 (GitHub, Gitea), X-Gitea-Signature, or the secret
token of GitLab. Each counts once, also when it is sent again.`,
		Example:           "cairn repo webhook owner/name\ncairn repo webhook owner/name --new\ncairn repo webhook owner/name --off",
		Args:              kit.Args(0, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
	}
	cmd.Flags().BoolVar(&fresh, "new", false, "make one, with another address and secret than before")
	cmd.Flags().BoolVar(&off, "off", false, "end it")
	out := k.JSONFlags(cmd, cairn.NewHook{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "new", "off"); err != nil {
			return err
		}
		name, err := named(c.Context(), k, args)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if !fresh && !off {
			f, err := cl.Follow(c.Context(), name)
			if err != nil {
				return err
			}
			if f.HookURL == "" {
				return cairn.Errorf(cairn.CodeNotFound, "%s has no webhook", term.Clean(name)).WithHint("cairn repo webhook %s --new makes one", name)
			}
			if out.On() {
				return out.Write(&cairn.NewHook{URL: f.HookURL})
			}
			fmt.Fprintf(k.Term.Out, "webhook  %s\n", f.HookURL)
			fmt.Fprintln(k.Term.Err, "its secret was shown when it was made; --new makes another one")
			return nil
		}
		r := client.FollowRequest{Hook: "new"}
		if off {
			r.Hook = "off"
		}
		got, err := cl.SetFollow(c.Context(), name, r)
		if err != nil {
			return err
		}
		switch {
		case off:
			fmt.Fprintf(k.Term.Err, "%s has no webhook any more\n", term.Clean(name))
		case out.On():
			return out.Write(got.Hook)
		default:
			showHook(k, got.Hook)
		}
		return nil
	}
	return cmd
}
