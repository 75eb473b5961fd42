// Package asset is cairn data, cairn model, cairn component and the versions of cairn
// environment: what they point to, their labels and tags; and cairn artifact, what runs
// left behind.
package asset

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn data, cairn model or cairn component.
func New(k *kit.Kit, kind cairn.AssetKind) *cobra.Command {
	a := &assets{k, kind, string(kind)}
	what := "data"
	switch kind {
	case cairn.AssetModel:
		what = "models"
	case cairn.AssetComponent:
		return a.newComponent()
	}
	return kit.Group(&cobra.Command{
		Use:   a.noun,
		Short: "Versions of " + what,
		Long: fmt.Sprintf(`Versions of %s. A version never changes what it points to; a label moves.

A version is named NAME:VERSION or NAME@LABEL; NAME alone means NAME@latest.`, what),
		Example: a.text(`cairn NOUN create digits ./digits
cairn NOUN create --file NOUN.yml
cairn NOUN list
cairn NOUN show digits@latest
cairn NOUN download digits:1 --to ./here`),
	}, a.newCreate(), a.newValidate(), a.newList(), a.newShow(), a.newDownload(), a.newUpdate(), a.newTag(), a.newLabel(), a.newShare(), a.newArchive(true), a.newArchive(false))
}

type assets struct {
	k    *kit.Kit
	kind cairn.AssetKind
	noun string
}

// text puts the noun into an example.
func (a *assets) text(s string) string { return strings.ReplaceAll(s, "NOUN", a.noun) }

// ref turns what was typed into a reference: digits, digits:3, digits@latest,
// data/digits:3, azureml:digits:3.
func (a *assets) ref(asked string) (string, error) {
	asked = strings.TrimSpace(asked)
	if asked == "" {
		return "", cairn.Errorf(cairn.CodeInvalid, "the name is empty")
	}
	if strings.HasPrefix(asked, "azureml:") || strings.HasPrefix(asked, "sha256:") {
		return asked, nil
	}
	if kind, _, ok := strings.Cut(asked, "/"); ok {
		if kind == string(a.kind) {
			return asked, nil
		}
		if slices.Contains([]string{cairn.KindData, cairn.KindModel, cairn.KindEnvironment, cairn.KindComponent, cairn.KindCode}, kind) {
			return "", cairn.Errorf(cairn.CodeInvalid, "%s is no %s", asked, a.noun).WithHint("cairn %s show %s", kind, asked)
		}
	}
	if !strings.ContainsAny(asked, ":@") {
		asked += "@latest"
	}
	return string(a.kind) + "/" + asked, nil
}

// name cuts a reference to the asset's name.
func (a *assets) name(asked string) string {
	asked = strings.TrimPrefix(asked, string(a.kind)+"/")
	if i := strings.LastIndexAny(asked, ":@"); i > 0 {
		return asked[:i]
	}
	return asked
}

// resolve finds the version that was asked for.
func (a *assets) resolve(ctx context.Context, asked string) (*kit.Client, *client.AssetDetail, error) {
	ref, err := a.ref(asked)
	if err != nil {
		return nil, nil, err
	}
	cl, err := a.k.Client(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := cl.ShowAsset(ctx, ref)
	return cl, d, err
}

// line is a version in one line: data/digits:1 sha256:… 1797 files 1.2 MB.
func line(v *cairn.AssetVersion) string {
	out := fmt.Sprintf("%s %s", v.Ref(), v.Digest)
	if v.Type != typeFile {
		out += " " + term.Count(v.Files, "file")
	}
	return out + " " + term.Size(v.Size)
}

// The types of versions.
const (
	typeFolder = "folder"
	typeFile   = "file"
)

func (a *assets) newList() *cobra.Command {
	f := client.AssetFilter{Kind: a.kind}
	cmd := &cobra.Command{
		Use:   "list [NAME]",
		Short: "List the newest version of each, or all versions of one",
		Example: a.text(`cairn NOUN list
cairn NOUN list digits
cairn NOUN list --tag team=vision --json=name,version,digest`),
		Args:              kit.Args(0, 1, "NAME"),
		ValidArgsFunction: a.complete(false),
	}
	cmd.Flags().StringVar(&f.Name, "name", "", "whose name holds this `text`")
	cmd.Flags().StringVar(&f.Tag, "tag", "", "with this tag, `NAME` or NAME=VALUE")
	cmd.Flags().BoolVar(&f.Archived, "archived", false, "archived versions too")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 100, "at most this `many`")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.k.Client(c.Context())
		if err != nil {
			return err
		}
		var vs []cairn.AssetVersion
		if len(args) > 0 {
			vs, err = cl.AssetVersions(c.Context(), a.kind, a.name(args[0]))
			vs = slices.DeleteFunc(vs, func(v cairn.AssetVersion) bool { return v.Archived && !f.Archived })
		} else {
			vs, err = cl.ListAssets(c.Context(), f)
		}
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(vs)
		}
		if len(vs) == 0 {
			fmt.Fprintln(a.k.Term.Err, a.text("none yet; cairn NOUN create NAME PATH makes one"))
			return nil
		}
		return a.writeList(vs)
	}
	return cmd
}

func (a *assets) writeList(vs []cairn.AssetVersion) error {
	tb := a.k.Term.NewTable("NAME", "VERSION", "DIGEST", "FILES", "SIZE", "BY", "WHEN", "DESCRIPTION")
	for _, v := range vs {
		note := v.Description
		if v.Archived {
			note = strings.TrimSpace("(archived) " + note)
		}
		by := v.By
		if v.Job > 0 {
			by = string(cairn.JobRef(v.Job))
		}
		tb.Row(term.Clean(v.Name), v.Version, v.Digest.Short(), fmt.Sprint(v.Files), term.Size(v.Size), term.Clean(by),
			term.Since(v.CreatedAt, a.k.Now()), term.Clean(note))
	}
	return tb.Write()
}

func (a *assets) newTag() *cobra.Command {
	var remove []string
	cmd := &cobra.Command{
		Use:   "tag NAME[:VERSION] [KEY=VALUE…]",
		Short: "Add, change or remove tags of a version",
		Long:  "Add, change or remove tags of a version. Tags may change; what the version points to cannot.",
		Example: a.text(`cairn NOUN tag digits:1 team=vision checked=yes
cairn NOUN tag digits:1 --remove checked`),
		Args:              kit.Args(1, -1, "NAME[:VERSION]"),
		ValidArgsFunction: a.complete(true),
	}
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "remove the tag of this `key`, repeatable")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		set, err := pairs(args[1:])
		if err != nil {
			return err
		}
		if len(set)+len(remove) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "no tag is named").WithHint("%s", a.text("cairn NOUN tag "+args[0]+" KEY=VALUE"))
		}
		cl, d, err := a.resolve(c.Context(), args[0])
		if err != nil {
			return err
		}
		v, err := cl.SetTags(c.Context(), d.Version.Ref(), set, remove)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(v)
		}
		fmt.Fprintf(a.k.Term.Err, "%s: %s\n", v.Ref(), tags(v.Tags))
		return nil
	}
	return cmd
}

func pairs(args []string) (map[string]string, error) {
	out := map[string]string{}
	for _, kv := range args {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not KEY=VALUE", term.Clean(kv)).WithHint("%s=VALUE", term.Clean(kv))
		}
		out[name] = value
	}
	return out, nil
}

func tags(m map[string]string) string {
	if len(m) == 0 {
		return "no tags"
	}
	var out []string
	for name, value := range m {
		out = append(out, term.Clean(name)+"="+term.Clean(value))
	}
	slices.Sort(out)
	return strings.Join(out, "  ")
}

func (a *assets) newLabel() *cobra.Command {
	set := &cobra.Command{
		Use:               "set NAME[:VERSION] LABEL",
		Short:             "Move a label to a version",
		Example:           a.text("cairn NOUN label set digits:3 production\ncairn NOUN show digits@production"),
		Args:              kit.Args(2, 2, "NAME[:VERSION]", "LABEL"),
		ValidArgsFunction: a.complete(true),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] == "latest" {
				return cairn.Errorf(cairn.CodeInvalid, "the label latest moves by itself").WithHint("it is the newest version that is not archived")
			}
			cl, d, err := a.resolve(c.Context(), args[0])
			if err != nil {
				return err
			}
			v := d.Version
			if err := cl.SetLabel(c.Context(), v.Kind, v.Name, args[1], v.Version); err != nil {
				return err
			}
			fmt.Fprintf(a.k.Term.Err, "%s/%s@%s is now %s:%s %s\n", v.Kind, v.Name, term.Clean(args[1]), v.Name, v.Version, v.Digest)
			return nil
		},
	}
	del := &cobra.Command{
		Use:               "delete NAME LABEL",
		Short:             "Remove a label; the versions stay",
		Example:           a.text("cairn NOUN label delete digits production"),
		Args:              kit.Args(2, 2, "NAME", "LABEL"),
		ValidArgsFunction: a.complete(false),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.k.Client(c.Context())
			if err != nil {
				return err
			}
			if err := cl.SetLabel(c.Context(), a.kind, a.name(args[0]), args[1], ""); err != nil {
				return err
			}
			fmt.Fprintf(a.k.Term.Err, "%s has no label %s any more\n", a.name(args[0]), term.Clean(args[1]))
			return nil
		},
	}
	return kit.Group(&cobra.Command{
		Use: "label", Short: "Move or remove labels: names that move between versions",
		Example: a.text("cairn NOUN label set digits:3 production"),
	}, set, del)
}

func (a *assets) newArchive(archived bool) *cobra.Command {
	use, short, said := "archive", "Hide a version from latest and from lists; nothing is deleted", "archived"
	if !archived {
		use, short, said = "restore", "Bring an archived version back", "restored"
	}
	return &cobra.Command{
		Use: use + " NAME:VERSION", Short: short,
		Example:           a.text("cairn NOUN " + use + " digits:2"),
		Args:              kit.Args(1, 1, "NAME:VERSION"),
		ValidArgsFunction: a.complete(true),
		RunE: func(c *cobra.Command, args []string) error {
			if !strings.Contains(a.bare(args[0]), ":") {
				return cairn.Errorf(cairn.CodeInvalid, "%q names no version", args[0]).WithHint("write %s:VERSION; %s", a.name(args[0]), a.text("cairn NOUN list "+a.name(args[0])))
			}
			ref := cairn.Ref(string(a.kind) + "/" + a.bare(args[0]))
			cl, err := a.k.Client(c.Context())
			if err != nil {
				return err
			}
			if err := cl.Archive(c.Context(), ref, archived); err != nil {
				return err
			}
			fmt.Fprintf(a.k.Term.Err, "%s %s\n", said, ref)
			return nil
		},
	}
}

func (a *assets) bare(asked string) string { return strings.TrimPrefix(asked, string(a.kind)+"/") }

// complete offers names (or versions) to the shell; it starts no owner and is
// quiet on failure.
func (a *assets) complete(versions bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || a.k.Peek == nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		cl, err := a.k.Peek(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		if name, _, ok := strings.Cut(typed, ":"); versions && ok {
			vs, err := cl.AssetVersions(c.Context(), a.kind, name)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, v := range vs {
				out = append(out, v.Name+":"+v.Version)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		}
		vs, err := cl.ListAssets(c.Context(), client.AssetFilter{Kind: a.kind, Limit: 100})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, v := range vs {
			out = append(out, v.Name)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
