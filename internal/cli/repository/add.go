package repository

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func addCmd(k *kit.Kit) *cobra.Command {
	var f flags
	var name string
	var webhook, fromNow, latest bool
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Follow a repository",
		Long: `Follow a repository. URL is what git clone takes: https, ssh, git, file, or a folder.

What is there already starts nothing (--from-now); --run-latest runs the newest commit of the
default branch. A token is never part of the URL or an argument. With one, commit statuses are
written back, and pull requests are seen. --webhook makes an address and a secret for the host,
which are shown once. Following goes on while a server runs: cairn serve --install keeps one.`,
		Example: `cairn repo add https://github.com/owner/name
cairn repo add https://github.com/owner/name --token-file token.txt --webhook
cairn repo add https://git.example.com/team/app --status gitea --token-stdin < token.txt
cairn repo add git@host.example:team/app.git --ssh-key ~/.ssh/deploy --branch main
cairn repo add /srv/git/app.git --name team/app --run-latest`,
		Args: kit.Args(1, 1, "URL"),
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&name, "name", "", "call it `owner/name` here (default: as in the URL)")
	fs.BoolVar(&webhook, "webhook", false, "make a webhook, and look only every 10m besides")
	fs.BoolVar(&fromNow, "from-now", false, "run what comes from now on (the default)")
	fs.BoolVar(&latest, "run-latest", false, "run the newest commit of the default branch at once")
	out := k.JSONFlags(cmd, client.Followed{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "from-now", "run-latest"); err != nil {
			return err
		}
		r := client.FollowRequest{URL: address(k, args[0]), Name: name, RunLatest: latest}
		if webhook {
			r.Hook = "on"
		}
		if err := f.request(c, k, &r); err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		got, err := cl.AddFollow(c.Context(), r)
		if err != nil {
			return err
		}
		if out.On() {
			if err := out.Write(got); err != nil {
				return err
			}
		} else {
			said(k, &got.Follow)
			showHook(k, got.Hook)
		}
		// It is followed from here on; the first look tells what is there.
		first, err := cl.SyncFollow(c.Context(), got.Follow.Repository)
		if err != nil {
			return err
		}
		if !out.On() {
			synced(k, first)
			if latest && len(first.Moves) == 0 {
				fmt.Fprintln(k.Term.Err, "nothing was run: the default branch (HEAD) of that repository is not there, or --branch leaves it out")
			}
		}
		return nil
	}
	return cmd
}

// address makes a folder that was named from here an absolute path.
func address(k *kit.Kit, arg string) string {
	if strings.Contains(arg, "://") {
		return arg
	}
	local := arg == "." || arg == ".." || arg == "~" || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../") || strings.HasPrefix(arg, "~/") || filepath.IsAbs(arg)
	if !local && !strings.Contains(arg, ":") {
		fi, err := os.Stat(k.Path(arg))
		local = err == nil && fi.IsDir()
	}
	if local {
		return k.Path(arg)
	}
	return arg
}

func said(k *kit.Kit, f *cairn.FollowInfo) {
	how := "when its webhook says so"
	if f.Every > 0 {
		how = "every " + term.Duration(f.Every)
		if f.Hook != "" {
			how += ", and when its webhook says so"
		}
	}
	back := "; no statuses are written back"
	if f.Statuses {
		back = "; statuses are written back"
	}
	fmt.Fprintf(k.Term.Err, "following %s from %s, %s%s\n", term.Clean(f.Repository), term.Clean(f.URL), how, back)
}

func showHook(k *kit.Kit, h *cairn.NewHook) {
	if h == nil {
		return
	}
	fmt.Fprintf(k.Term.Out, "webhook  %s\nsecret   %s\n", h.URL, h.Secret)
	fmt.Fprintln(k.Term.Err, "The secret is not shown again. At the host: content type application/json, this secret, and the\nevents pushes, pull requests, releases, or all. Another address for this server: url in config.yaml.")
}

func synced(k *kit.Kit, s *cairn.FollowSync) {
	text := term.Count(int64(s.Refs), "ref")
	if s.Noted > 0 {
		text += fmt.Sprintf(", %d noted", s.Noted)
	}
	if len(s.Moves) == 0 {
		text += ", nothing new"
	}
	fmt.Fprintf(k.Term.Err, "%s: %s\n", term.Clean(s.Repository), text)
	for _, m := range s.Moves {
		fmt.Fprintln(k.Term.Err, "  "+moveLine(&m))
	}
}

// moveLine says in a line what happened to a ref.
func moveLine(m *cairn.FollowMove) string {
	ref := strings.TrimPrefix(strings.TrimPrefix(m.Ref, "refs/heads/"), "refs/")
	what := m.Event
	if ref != "" {
		what += " " + ref
	}
	switch {
	case strings.Trim(m.New, "0") == "" && m.New != "":
		what += " deleted"
	case strings.Trim(m.Old, "0") == "" && m.Old != "":
		what += " new at " + short(m.New)
	case m.New != "":
		what += " " + short(m.New)
	}
	if m.By != "" {
		what += " by " + m.By
	}
	var runs []string
	for _, id := range m.Runs {
		runs = append(runs, fmt.Sprintf("run %d", id))
	}
	switch {
	case len(runs) > 0:
		what += ": " + strings.Join(runs, ", ")
	case m.Note != "":
		what += ": " + m.Note
	default:
		what += ": no workflow starts"
	}
	return term.Clean(what)
}

func short(sha string) string { return sha[:min(len(sha), 7)] }

func syncCmd(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "sync [OWNER/NAME]", Short: "Look at a followed repository now",
		Long:              "Look at a followed repository now, and wait until what is new was taken in.",
		Example:           "cairn repo sync owner/name\ncairn repo sync owner/name --jq '.moves[].runs'",
		Args:              kit.Args(0, 1, "OWNER/NAME"),
		ValidArgsFunction: complete.First(k, complete.Followed),
	}
	out := k.JSONFlags(cmd, cairn.FollowSync{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		name, err := named(c.Context(), k, args)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		got, err := cl.SyncFollow(c.Context(), name)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(got)
		}
		synced(k, got)
		return nil
	}
	return cmd
}

// when says a time that may not have come.
func when(at, now time.Time, never string) string {
	if at.IsZero() {
		return never
	}
	return term.Since(at, now)
}
