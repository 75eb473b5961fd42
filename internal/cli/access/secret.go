package access

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/dotenv"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// NewSecret makes cairn secret.
func NewSecret(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "secret",
		Short: "Values for secrets.*: encrypted at rest, masked in logs",
		Long: `Values for secrets.*: encrypted at rest, masked in logs, never shown again.

A secret belongs to the repository that the command is typed in, to one of its environments
(--env) or to all repositories (--workspace); the narrowest wins.`,
		Example: `cairn secret set CLIENT_SECRET < secret.txt
cairn secret set --env-file .env
cairn secret list`,
	}, secretSet(k), listOf(k, "secret"), deleteOf(k, "secret"))
}

func secretSet(k *kit.Kit) *cobra.Command {
	var s scopeFlags
	var file, envFile string
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a secret, read from standard input or a file",
		Long: `Keep a secret. Its value is read from standard input (asked for without showing it on a
terminal) or from --body-file: never from an argument, which other users of the machine
could read. --env-file keeps every line of a .env file.`,
		Example: `cairn secret set CLIENT_SECRET
printf %s "$TOKEN" | cairn secret set API_TOKEN --env production
cairn secret set TLS_KEY --body-file key.pem
cairn secret set --env-file .env`,
		Args: func(c *cobra.Command, args []string) error {
			if envFile != "" {
				return kit.Args(0, 0, "")(c, args)
			}
			if len(args) == 2 {
				return cairn.Errorf(cairn.CodeInvalid, "a secret is never an argument: other users of this machine could read it").
					WithHint("cairn secret set %s < FILE", args[0])
			}
			return kit.Args(1, 1, "NAME")(c, args)
		},
	}
	s.add(cmd, k)
	cmd.Flags().StringVar(&file, "body-file", "", "read the value from this `file` (- for standard input)")
	cmd.Flags().StringVar(&envFile, "env-file", "", "keep every NAME=VALUE of this `file`")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "body-file", "env-file"); err != nil {
			return err
		}
		vars, err := secretValues(k, args, file, envFile)
		if err != nil {
			return err
		}
		scope, err := s.scope(c.Context(), k)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		for _, v := range vars {
			if err := cl.SetSecret(c.Context(), scope, v.Name, v.Value); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "kept secret %s (%s)\n", v.Name, scope)
		}
		return nil
	}
	return cmd
}

func secretValues(k *kit.Kit, args []string, file, envFile string) ([]dotenv.Var, error) {
	if envFile == "" {
		name, err := checkName(args[0])
		if err != nil {
			return nil, err
		}
		value, err := body(k, file, "value of "+name)
		return []dotenv.Var{{Name: name, Value: value}}, err
	}
	src, err := k.ReadFile(envFile, dotenv.MaxFile)
	if err != nil {
		return nil, err
	}
	vars, err := dotenv.Parse(envFile, src)
	if err != nil {
		return nil, err
	}
	out := vars[:0]
	for _, v := range vars {
		if v.Name, err = checkName(v.Name); err != nil {
			return nil, cairn.AsError(err).At(cairn.Position{File: envFile, Line: v.Line})
		}
		if v.Value == "" {
			fmt.Fprintf(k.Term.Err, "%s is empty: left out\n", v.Name)
			continue
		}
		out = append(out, v)
	}
	return out, nil
}

// NewVariable makes cairn variable.
func NewVariable(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "variable",
		Short: "Values for vars.*: plain configuration",
		Long: `Values for vars.*: plain configuration, shown to everybody who can look.

A variable belongs to the repository that the command is typed in, to one of its
environments (--env) or to all repositories (--workspace); the narrowest wins.`,
		Example: "cairn variable set DATASET_VERSION 3\ncairn variable list",
	}, variableSet(k), listOf(k, "variable"), deleteOf(k, "variable"))
}

func variableSet(k *kit.Kit) *cobra.Command {
	var s scopeFlags
	var file string
	cmd := &cobra.Command{
		Use:     "set NAME [VALUE]",
		Short:   "Keep a variable; without a value it is read from standard input",
		Example: "cairn variable set DATASET_VERSION 3\ncairn variable set REGION eu --env production\ncairn variable set CONFIG --body-file config.json",
		Args:    kit.Args(1, 2, "NAME", "VALUE"),
	}
	s.add(cmd, k)
	cmd.Flags().StringVar(&file, "body-file", "", "read the value from this `file` (- for standard input)")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		name, err := checkName(args[0])
		if err != nil {
			return err
		}
		var value string
		switch {
		case len(args) == 2 && file != "":
			return cairn.Errorf(cairn.CodeInvalid, "a value and --body-file do not go together")
		case len(args) == 2:
			value = args[1]
		default:
			if value, err = body(k, file, "value of "+name); err != nil {
				return err
			}
		}
		scope, err := s.scope(c.Context(), k)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if err := cl.SetVariable(c.Context(), scope, name, value); err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "kept variable %s (%s)\n", name, scope)
		return nil
	}
	return cmd
}

func deleteOf(k *kit.Kit, noun string) *cobra.Command {
	var s scopeFlags
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a " + noun,
		Example: "cairn " + noun + " delete OLD_NAME\ncairn " + noun + " delete OLD_NAME --env production",
		Args:    kit.Args(1, 1, "NAME"),
	}
	s.add(cmd, k)
	cmd.RunE = func(c *cobra.Command, args []string) error {
		name, err := checkName(args[0])
		if err != nil {
			return err
		}
		scope, err := s.scope(c.Context(), k)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if noun == "secret" {
			err = cl.DeleteSecret(c.Context(), scope, name)
		} else {
			err = cl.DeleteVariable(c.Context(), scope, name)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "deleted %s %s (%s)\n", noun, name, scope)
		return nil
	}
	return cmd
}
