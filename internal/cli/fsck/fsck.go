// Package fsck is cairn fsck: everything stored, read and compared with its
// digest.
package fsck

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Read everything that is stored and compare it with its digest",
		Long: `Read everything that is stored and compare it with its digest, and every version and link
with what it points to. Nothing is changed, unless --repair moves damaged files aside, so that
storing the same content again puts it right. The exit code is 1 when something is wrong.`,
		Example: "cairn fsck\ncairn fsck --jq '.findings[].held_by'",
		Args:    kit.Args(0, 0),
	}
	var repair bool
	cmd.Flags().BoolVar(&repair, "repair", false, "move damaged files aside")
	out := k.JSONFlags(cmd, client.FsckReport{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.Fsck(c.Context(), repair)
		if err != nil {
			return err
		}
		if out.On() {
			err = out.Write(r)
		} else {
			_, err = fmt.Fprint(k.Term.Out, report(k.Term.OutStyle(), r))
		}
		if err == nil && len(r.Findings) > 0 {
			return kit.Exit(kit.ExitFailed)
		}
		return err
	}
	return cmd
}

func report(s term.Style, r *client.FsckReport) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n", s.Red("wrong"), term.Clean(f.Subject), term.Clean(f.Problem))
		if len(f.HeldBy) > 0 {
			by := strings.Join(f.HeldBy, ", ")
			if more := f.Held - len(f.HeldBy); more > 0 {
				by += fmt.Sprintf(" and %d more", more)
			}
			fmt.Fprintf(&b, "      %s %s\n", s.Cyan("held by:"), term.Clean(by))
		}
		if f.Fix != "" {
			fmt.Fprintf(&b, "      %s %s\n", s.Cyan("fix:"), term.Clean(f.Fix))
		}
	}
	verdict := s.Green("all well")
	if n := len(r.Findings); n > 0 {
		verdict = s.Red(term.Count(int64(n), "finding"))
	}
	fmt.Fprintf(&b, "%s in %s, %s, %s: %s\n", term.Count(r.Blobs, "blob"), term.Size(r.Bytes),
		term.Count(r.Versions, "version"), term.Count(r.Links, "link"), verdict)
	return b.String()
}
