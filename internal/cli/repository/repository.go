// Package repository is cairn repo: repositories that stay where they are.
package repository

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn repo.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "repo",
		Short: "Follow repositories that stay on GitHub or any git server",
		Long: `Follow repositories that stay where they are: on GitHub, Gitea, GitLab or any git server.

Cairn looks at their branches and tags, or is told by a signed webhook, starts the workflows
that match, and writes commit statuses back where a token allows it.`,
		Example: `cairn repo add https://github.com/owner/name --token-file token.txt
cairn repo add git@host.example:team/app.git --every 5m
cairn repo list
cairn repo show owner/name`,
	}, addCmd(k), listCmd(k), showCmd(k), syncCmd(k), setCmd(k), pauseCmd(k, true), pauseCmd(k, false), removeCmd(k), webhookCmd(k))
}

// flags say how a repository shall be followed.
type flags struct {
	every      time.Duration
	branches   []string
	tokenStdin bool
	tokenFile  string
	user       string
	sshKey     string
	status     string
}

func (f *flags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.DurationVar(&f.every, "every", 0, "look at its branches and tags so `often`, 5s to 24h; 0 leaves it to the webhook")
	fs.StringArrayVar(&f.branches, "branch", nil, "a `pattern` of branches that count, repeatable: main, release/*; '' for all")
	fs.BoolVar(&f.tokenStdin, "token-stdin", false, "read a token from standard input; it is kept encrypted")
	fs.StringVar(&f.tokenFile, "token-file", "", "read the token from this `file`")
	fs.StringVar(&f.user, "user", "", "the user `name` that git sends with the token (default: what the host wants)")
	fs.StringVar(&f.sshKey, "ssh-key", "", "a `file` with a private key, for addresses of ssh; '' for what ssh finds by itself")
	fs.StringVar(&f.status, "status", "", "write commit statuses as this `host` wants them: github, gitea, gitlab, none")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"github", "gitea", "gitlab", "none"}, cobra.ShellCompDirectiveNoFileComp))
}

// maxToken bounds what is read as a token.
const maxToken = 8 << 10

// request puts the flags that were given into a request.
func (f *flags) request(c *cobra.Command, k *kit.Kit, r *client.FollowRequest) error {
	if err := kit.Exclusive(c, "token-stdin", "token-file"); err != nil {
		return err
	}
	given := c.Flags().Changed
	if given("every") {
		r.Every = &f.every
	}
	if given("branch") {
		list := []string{}
		for _, b := range f.branches {
			if b != "" {
				list = append(list, b)
			}
		}
		r.Branches = &list
	}
	if given("user") {
		r.User = &f.user
	}
	if given("ssh-key") {
		if f.sshKey != "" {
			if _, err := k.ReadFile(f.sshKey, 64<<10); err != nil {
				return err
			}
			f.sshKey = k.Path(f.sshKey)
		}
		r.SSHKey = &f.sshKey
	}
	if given("status") {
		kinds := []string{cairn.HostGitHub, cairn.HostGitea, cairn.HostGitLab, "none"}
		known := false
		for _, h := range kinds {
			known = known || h == f.status
		}
		if !known {
			e := cairn.Errorf(cairn.CodeInvalid, "--status %q is not a host whose statuses Cairn can write", term.Clean(f.status))
			if near := cairn.Nearest(f.status, kinds); near != "" {
				return e.WithHint("did you mean %s? one of %s", near, strings.Join(kinds, ", "))
			}
			return e.WithHint("one of %s", strings.Join(kinds, ", "))
		}
		r.Status = &f.status
	}
	if f.tokenStdin || f.tokenFile != "" {
		token, err := f.token(k)
		if err != nil {
			return err
		}
		r.Token = &token
	}
	return nil
}

// token reads the token, never from an argument.
func (f *flags) token(k *kit.Kit) (string, error) {
	var b []byte
	var err error
	switch {
	case f.tokenFile != "" && f.tokenFile != "-":
		b, err = k.ReadFile(f.tokenFile, maxToken)
	case k.Term.CanAsk():
		fmt.Fprint(k.Term.Err, "token: ")
		var text string
		text, err = k.Term.ReadPassword()
		fmt.Fprintln(k.Term.Err)
		b = []byte(text)
	default:
		b, err = io.ReadAll(io.LimitReader(k.Term.In, maxToken+1))
	}
	if err != nil {
		return "", err
	}
	if len(b) > maxToken {
		return "", cairn.Errorf(cairn.CodeTooLarge, "a token has at most %d bytes", maxToken)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", cairn.Errorf(cairn.CodeInvalid, "the token is empty").WithHint("write it to standard input, or name a file with --token-file")
	}
	return token, nil
}

// named is the repository that an argument or the folder means.
func named(ctx context.Context, k *kit.Kit, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "owner/name is missing, and this folder is in no git repository").
			WithHint("cairn repo list shows what is followed")
	}
	return wt.Name, nil
}
