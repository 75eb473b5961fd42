// Package access is who may do what and with which values: cairn secret,
// variable, user, token and environment.
package access

import (
	"context"
	"io"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/spf13/cobra"
)

// scopeFlags say whose a secret or variable is.
type scopeFlags struct {
	repo, env string
	workspace bool
}

func (s *scopeFlags) add(cmd *cobra.Command, k *kit.Kit) {
	f := cmd.Flags()
	f.StringVar(&s.repo, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.StringVarP(&s.env, "env", "e", "", "of this `environment` of the repository")
	f.BoolVar(&s.workspace, "workspace", false, "of all repositories")
	complete.Flag(k, cmd, "env", complete.Environments)
}

// scope resolves the flags. Outside of a repository, without flags, it is the
// workspace.
func (s *scopeFlags) scope(ctx context.Context, k *kit.Kit) (cairn.Scope, error) {
	if s.workspace {
		if s.repo != "" || s.env != "" {
			return "", cairn.Errorf(cairn.CodeInvalid, "--workspace does not go together with --repo or --env")
		}
		return cairn.ScopeWorkspace, nil
	}
	name := s.repo
	if name == "" {
		wt, err := repo.Find(ctx, k)
		switch {
		case err == nil:
			name = wt.Name
		case s.env != "":
			return "", cairn.Errorf(cairn.CodeInvalid, "an environment belongs to a repository, and this folder is in none").
				WithHint("name it with --repo owner/name")
		default:
			return cairn.ScopeWorkspace, nil
		}
	}
	if s.env != "" {
		return cairn.ScopeEnv(name, s.env), nil
	}
	return cairn.ScopeRepo(name), nil
}

// repoName is the repository that the flag or the folder means.
func repoName(ctx context.Context, k *kit.Kit, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "this folder is in no git repository").WithHint("name one with --repo owner/name")
	}
	return wt.Name, nil
}

// checkName refuses names that workflows could not use.
func checkName(name string) (string, error) {
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) || len(name) > 100 {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is not a name", name).
			WithHint("letters, digits and _, not starting with a digit, at most 100")
	}
	if strings.HasPrefix(strings.ToUpper(name), "GITHUB_") {
		return "", cairn.Errorf(cairn.CodeInvalid, "names starting with GITHUB_ belong to the runner")
	}
	return strings.ToUpper(name), nil
}

// maxValue bounds a secret or variable.
const maxValue = 64 << 10

// body reads a value from a file or from standard input, never from an argument.
// One newline at its end belongs to the file, not to the value.
func body(k *kit.Kit, file, what string) (string, error) {
	var b []byte
	var err error
	switch {
	case file != "" && file != "-":
		b, err = k.ReadFile(file, maxValue)
	case k.Term.CanAsk() && file == "":
		if _, err := io.WriteString(k.Term.Err, what+": "); err != nil {
			return "", err
		}
		text, err := k.Term.ReadPassword()
		_, _ = io.WriteString(k.Term.Err, "\n")
		if err != nil {
			return "", cairn.Errorf(cairn.CodeCanceled, "no value was given: %w", err)
		}
		return text, nil
	default:
		b, err = io.ReadAll(io.LimitReader(k.Term.In, maxValue+1))
	}
	if err != nil {
		return "", err
	}
	if len(b) > maxValue {
		return "", cairn.Errorf(cairn.CodeTooLarge, "the value is longer than %d bytes", maxValue)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", cairn.Errorf(cairn.CodeInvalid, "the value is empty").WithHint("write it to standard input, or name a file with --body-file")
	}
	return text, nil
}
