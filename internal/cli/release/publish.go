package release

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// newPublish makes cairn release publish: the event that workflows know as release.
func newPublish(k *kit.Kit) *cobra.Command {
	var r client.TagReleaseCreate
	var name, notes string
	cmd := &cobra.Command{
		Use:   "publish TAG",
		Short: "Publish a git tag with notes, for workflows that run on release",
		Long: `Publish a release of a git tag, as GitHub has it: a tag with a title and notes. Workflows that
run on release start (created, published, released). A tag that is not there is made.

What is put on stages is another thing: cairn release list shows it.`,
		Example: "cairn release publish v1.2.0 --title 'Better features' --notes-file notes.md\ncairn release publish v2.0.0-rc1 --target main --prerelease",
		Args:    kit.Args(1, 1, "TAG"),
	}
	f := cmd.Flags()
	f.StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.StringVar(&r.Target, "target", "", "the `branch` or commit of a tag that is not there (default: the default branch)")
	f.StringVarP(&r.Name, "title", "t", "", "one `line`")
	f.StringVarP(&r.Body, "notes", "n", "", "a `text`")
	f.StringVar(&notes, "notes-file", "", "read the notes from this `file`")
	f.BoolVar(&r.Draft, "draft", false, "keep it without publishing it: nothing starts")
	f.BoolVar(&r.Prerelease, "prerelease", false, "it is not for everybody yet: prereleased instead of released")
	out := k.JSONFlags(cmd, client.TagReleaseAnswer{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "notes", "notes-file"); err != nil {
			return err
		}
		if notes != "" {
			b, err := k.ReadFile(notes, 1<<20)
			if err != nil {
				return err
			}
			r.Body = string(b)
		}
		r.Tag, r.Repository = args[0], folder(c.Context(), k, name)
		if r.Repository == "" {
			return cairn.Errorf(cairn.CodeInvalid, "no repository is given").WithHint("--repo owner/name")
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		a, err := cl.CreateTagRelease(c.Context(), r)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(a)
		}
		done := "published"
		if a.Release.Draft {
			done = "kept as a draft:"
		}
		fmt.Fprintf(k.Term.Err, "%s %s of %s\n", done, term.Clean(a.Release.Tag), term.Clean(a.Release.Repository))
		for _, n := range a.Notes {
			fmt.Fprintln(k.Term.Err, term.Clean(n))
		}
		return nil
	}
	return cmd
}
