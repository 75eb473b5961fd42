package access

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewOIDC makes cairn oidc.
func NewOIDC(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "oidc",
		Short: "The issuer of identity tokens: its address and its keys",
		Long: `The issuer of identity tokens (OpenID Connect). A job with permissions: id-token: write gets a
token that says who it is, and trades it for access elsewhere, without a stored secret.`,
		Example: "cairn oidc show\ncairn oidc rotate",
	}, oidcShow(k), oidcRotate(k))
}

func oidcShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show the issuer, where its keys are read, and how old they are",
		Example: "cairn oidc show\ncairn oidc show --jq .discovery",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, cairn.IDTokenIssuer{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		i, err := cl.IDTokens(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(i)
		}
		fmt.Fprintf(k.Term.Out, "issuer     %s\ndiscovery  %s\n", term.Clean(i.Issuer), term.Clean(i.Discovery))
		for _, key := range i.Keys {
			state := "signs"
			if !key.RetiredAt.IsZero() {
				state = "retired " + term.Since(key.RetiredAt, k.Now())
			}
			fmt.Fprintf(k.Term.Out, "key        %s  made %s, %s\n", term.Clean(key.ID), term.Since(key.CreatedAt, k.Now()), state)
		}
		if len(i.Keys) == 0 {
			fmt.Fprintln(k.Term.Out, "key        none yet: it is made with the first token")
		}
		return nil
	}
	return cmd
}

func oidcRotate(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Sign with a new key from now on; the one before is shown for another day",
		Long: `Sign with a new key from now on. The one before is shown for another day, so that what it
signed can still be checked. Without this command a key gives way after 90 days.`,
		Example: "cairn oidc rotate",
		Args:    kit.Args(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			key, err := cl.RotateIDTokens(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "identity tokens are signed with %s from now on\n", key.ID)
			return nil
		},
	}
	return cmd
}
