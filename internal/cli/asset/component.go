package asset

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// The files that describe a registered component and a registered environment, at the
// top of their trees.
const (
	componentFile   = "component.yml"
	environmentFile = "environment.yml"
)

func (a *assets) mainFile() string {
	if a.kind == cairn.AssetEnvironment {
		return environmentFile
	}
	return componentFile
}

func (a *assets) newComponent() *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "component",
		Short: "Components: steps that pipelines are put together from",
		Long: `Components: steps that pipelines are put together from. A version holds the component's
file, its code and what else it names by path.

A version is named NAME:VERSION or NAME@LABEL; NAME alone means NAME@latest. In a pipeline it
is component: azureml:NAME:VERSION.`,
		Example: `cairn component create --file train/component.yml
cairn component list
cairn component show train@latest
cairn component download train:1 --to ./here`,
	}, a.newRegister(), a.newValidate(), a.newList(), a.newShowFile(), a.newDownload(), a.newUpdate(), a.newLabel(), a.newShare(), a.newArchive(true), a.newArchive(false))
}

// Environments are the commands below cairn environment that are about what jobs run in:
// the noun is shared with stages.
type Environments struct{ a *assets }

// NewEnvironments makes the commands of Azure ML's environments.
func NewEnvironments(k *kit.Kit) Environments {
	return Environments{&assets{k, cairn.AssetEnvironment, string(cairn.AssetEnvironment)}}
}

// Commands are those that stages do not have.
func (e Environments) Commands() []*cobra.Command {
	a := e.a
	return []*cobra.Command{a.newRegister(), a.newValidate(), a.newDownload(), a.newUpdate(), a.newShare(), a.newArchive(true), a.newArchive(false)}
}

// List is the newest version of each environment, the newest first. What jobs recorded
// of the packages that they found is none.
func (e Environments) List(ctx context.Context, cl *kit.Client, archived bool) ([]cairn.AssetVersion, error) {
	vs, err := cl.ListAssets(ctx, client.AssetFilter{Kind: e.a.kind, Archived: archived, Limit: 1000})
	return slices.DeleteFunc(vs, func(v cairn.AssetVersion) bool { return v.Type != typeFolder }), err
}

// Write lists versions as a table.
func (e Environments) Write(vs []cairn.AssetVersion) error { return e.a.writeList(vs) }

// Find resolves a name; CodeNotFound where there is no such environment.
func (e Environments) Find(ctx context.Context, asked string) (*client.AssetDetail, error) {
	_, d, err := e.a.resolve(ctx, asked)
	return d, err
}

// Show writes a version that Find answered.
func (e Environments) Show(ctx context.Context, out *kit.JSON, d *client.AssetDetail) error {
	cl, err := e.a.k.Client(ctx)
	if err != nil {
		return err
	}
	return e.a.showFile(ctx, cl, out, d)
}

func (a *assets) newRegister() *cobra.Command {
	var n client.NewAsset
	var o fileFlags
	var tagFlags []string
	cmd := &cobra.Command{
		Use:   "create --file FILE",
		Short: "Register what a YAML file describes as a new version",
		Long: a.text(`Register what a YAML file describes as a new version, with all that it names by path: code
without what .gitignore and .amlignore files name, conda files, build contexts. Without a
version in the file or by --version it gets the next number; a version that is there with
other content is a conflict.`),
		Example: a.text(`cairn NOUN create --file NOUN.yml
cairn NOUN create --file NOUN.yml --version 7 --set tags.team=vision
cairn NOUN create --file NOUN.yml --json=name,version`),
		Args: kit.Args(0, 0),
	}
	o.add(cmd)
	cmd.Flags().StringVar(&n.Version, "version", "", "the `version` (default: that of the file, else the next number)")
	cmd.Flags().StringVar(&n.Description, "description", "", "a `sentence` about it")
	cmd.Flags().StringArrayVar(&tagFlags, "tag", nil, "tag as `KEY=VALUE`, repeatable")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.file == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("%s", a.text("cairn NOUN create --file FILE"))
		}
		if n.Tags, err = kit.Pairs("tag", tagFlags); err != nil {
			return err
		}
		v, err := a.fromFile(c.Context(), &o, n)
		if err != nil {
			return err
		}
		return a.made(out, v)
	}
	return cmd
}

func (a *assets) newShowFile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME[:VERSION|@LABEL]",
		Short: "Show a version: what its file says, its code, what made it",
		Example: a.text(`cairn NOUN show train
cairn NOUN show train:3 --json
cairn NOUN show train@latest --jq .version`),
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: a.complete(true),
	}
	out := a.k.JSONFlags(cmd, nil)
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, d, err := a.resolve(c.Context(), args[0])
		if err != nil {
			return err
		}
		return a.showFile(c.Context(), cl, out, d)
	}
	return cmd
}

// maxShown bounds the file that is read of a version.
const maxShown = pipeline.MaxFile

// showFile shows what the file of a version says, under the names that it has there.
func (a *assets) showFile(ctx context.Context, cl *kit.Client, out *kit.JSON, d *client.AssetDetail) error {
	if d.Version.Type != typeFolder {
		if out.On() {
			return out.Write(d)
		}
		return write(a.k.Term.Out, detail(a.k, d, modelFacts{}))
	}
	files, err := cl.TreeFiles(ctx, d.Version.Digest)
	if err != nil {
		return err
	}
	src, err := readFile(ctx, cl, files, a.mainFile())
	if err != nil {
		return err
	}
	if out.On() {
		return out.Write(a.asYAML(src, d))
	}
	if err := write(a.k.Term.Out, detail(a.k, d, modelFacts{})); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", a.k.Term.OutStyle().Bold(a.mainFile()))
	for l := range strings.SplitSeq(strings.TrimRight(string(src), "\n"), "\n") {
		b.WriteString("  " + term.Clean(l) + "\n")
	}
	return write(a.k.Term.Out, b.String())
}

func readFile(ctx context.Context, cl *kit.Client, files []client.TreeFile, name string) ([]byte, error) {
	i := slices.IndexFunc(files, func(f client.TreeFile) bool { return path.Clean(f.Path) == name })
	if i < 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "it holds no %s", name)
	}
	r, size, err := cl.GetBlob(ctx, files[i].Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxShown {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is %s", name, term.Size(size))
	}
	return io.ReadAll(io.LimitReader(r, maxShown))
}

// asYAML is the file's own map with what is known of the version beside it.
func (a *assets) asYAML(src []byte, d *client.AssetDetail) object {
	v := &d.Version
	all := pipeline.MapFiles{Files: map[string][]byte{a.mainFile(): src}}
	doc, _ := pipeline.Load(all, a.mainFile(), pipeline.Options{Kind: pipeline.Kind(a.kind)})
	out := object{}
	if doc != nil {
		if m, ok := plain(doc.Value).(object); ok {
			out = m
		}
	}
	put := func(key string, value any) {
		for i := range out {
			if out[i].key == key {
				out[i].value = value
				return
			}
		}
		out = append(out, entry{key, value})
	}
	put("name", v.Name)
	put("version", v.Version)
	if v.Description != "" {
		put("description", v.Description)
	}
	tags := object{}
	names := make([]string, 0, len(v.Tags))
	for n := range v.Tags {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		tags = append(tags, entry{n, v.Tags[n]})
	}
	put("tags", tags)
	put("id", string(v.Ref()))
	put("digest", v.Digest)
	if v.Archived {
		put("archived", true)
	}
	if len(d.Labels) > 0 {
		put("labels", d.Labels)
	}
	put("creation_context", object{{"created_at", v.CreatedAt}, {"created_by", v.By}, {"last_modified_at", v.UpdatedAt}})
	if d.MadeBy != "" {
		put("made_by", d.MadeBy)
	}
	return out
}

// packed registers a component or an environment: its file with all that it names, as
// one tree.
func (a *assets) packed(ctx context.Context, folder *source.Folder, doc *pipeline.Document, n client.NewAsset) (*cairn.AssetVersion, error) {
	n.Kind, n.Type = a.kind, typeFolder
	var tags, props []pipeline.NamedText
	switch {
	case a.kind == cairn.AssetComponent && doc.Component != nil:
		c := doc.Component
		n.Name, n.Version, n.Description, tags = c.Name.Value, c.Version.Value, c.Description.Value, c.Tags
		_, kind, _ := strings.Cut(string(c.Kind), "/")
		set(&n.Properties, "type", kind)
		set(&n.Properties, "display_name", c.DisplayName.Value)
		if c.Job.Command != nil {
			set(&n.Properties, "is_deterministic", strconv.FormatBool(c.Job.Command.Deterministic == nil || *c.Job.Command.Deterministic))
		}
	case a.kind == cairn.AssetEnvironment && doc.Asset != nil && doc.Asset.Environment != nil:
		d := doc.Asset
		n.Name, n.Version, n.Description, tags, props = d.Name.Value, d.Version.Value, d.Description.Value, d.Tags, d.Properties
		set(&n.Properties, "type", "environment")
		set(&n.Properties, "image", d.Environment.Image.Value)
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s describes no %s", folder.Shown(doc.Path), a.noun).
			WithHint("cairn job validate --file %s says what it is", term.ShellQuote(folder.Shown(doc.Path)))
	}
	if n.Name == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s gives no name", folder.Shown(doc.Path)).WithHint("add a line name: …, or say --name NAME")
	}
	if err := texts(&n.Tags, tags); err != nil {
		return nil, err
	}
	if err := texts(&n.Properties, props); err != nil {
		return nil, err
	}
	cl, err := a.k.Client(ctx)
	if err != nil {
		return nil, err
	}
	p, err := folder.Pack(ctx, doc, a.mainFile(), cl)
	if err != nil {
		return nil, err
	}
	n.Digest = p.Digest
	if !a.k.JSONWanted() {
		for _, l := range p.Told {
			fmt.Fprintln(a.k.Term.Err, l)
		}
	}
	return cl.CreateAsset(ctx, n)
}
