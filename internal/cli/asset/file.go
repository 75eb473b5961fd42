package asset

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// fileFlags are the flags of commands that read an asset's YAML file.
type fileFlags struct {
	file, name string
	set        []string
}

func (o *fileFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "its YAML `file`, as Azure ML has it")
	f.StringVarP(&o.name, "name", "n", "", "the `name` (default: that of the file)")
	f.StringArrayVar(&o.set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
}

// load reads the file of an asset with what the flags say.
func (a *assets) load(o *fileFlags, n *client.NewAsset) (*source.Folder, *pipeline.Document, error) {
	folder, name, err := source.Open(a.k, o.file)
	if err != nil {
		return nil, nil, err
	}
	opts := pipeline.Options{Kind: pipeline.Kind(a.kind), Set: o.set}
	for _, v := range []pipeline.NamedValue{{Name: "name", Value: o.name}, {Name: "version", Value: n.Version}, {Name: "description", Value: n.Description}} {
		if v.Value != "" {
			opts.Values = append(opts.Values, v)
		}
	}
	doc, ps := folder.Load(name, opts)
	if doc == nil || cairn.HasErrors(ps) {
		errs := 0
		for _, p := range ps {
			if p.Severity == cairn.SeverityError {
				errs++
			}
		}
		return nil, nil, &cairn.Error{Code: cairn.CodeFailed, Problems: ps,
			Message: fmt.Sprintf("%s cannot be registered: %s", o.file, term.Count(int64(errs), "mistake"))}
	}
	if !a.k.JSONWanted() {
		kit.RenderProblems(a.k.Term.Err, a.k.Term.ErrStyle(), ps)
	}
	return folder, doc, nil
}

// fromFile registers what a file describes.
func (a *assets) fromFile(ctx context.Context, o *fileFlags, n client.NewAsset) (*cairn.AssetVersion, error) {
	folder, doc, err := a.load(o, &n)
	if err != nil {
		return nil, err
	}
	if a.kind == cairn.AssetComponent || a.kind == cairn.AssetEnvironment {
		return a.packed(ctx, folder, doc, n)
	}
	d := doc.Asset
	if d == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s describes no %s", o.file, a.noun).WithHint("cairn job validate --file %s says what it is", term.ShellQuote(o.file))
	}
	n.Kind = a.kind
	n.Name, n.Version, n.Description = d.Name.Value, d.Version.Value, d.Description.Value
	if n.Name == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s gives no name", o.file).WithHint("add a line name: …, or say --name NAME")
	}
	if err := texts(&n.Tags, d.Tags); err != nil {
		return nil, err
	}
	if err := texts(&n.Properties, d.Properties); err != nil {
		return nil, err
	}
	set(&n.Properties, "type", d.Type)
	if d.Flavors.Kind == cairn.TemplateMap {
		b, err := json.Marshal(plain(d.Flavors))
		if err != nil {
			return nil, err
		}
		set(&n.Properties, "flavors", string(b))
	}
	if d.Path == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s gives no path", o.file)
	}
	if d.Path.Kind != pipeline.RefLocal {
		return a.elsewhere(ctx, folder, d, n)
	}
	path := folder.Path(d.Path.Path)
	if err := fits(path, folder.Shown(d.Path.Path), d.Type); err != nil {
		at := d.Path.Pos
		at.File = folder.Shown(at.File)
		return nil, err.At(at)
	}
	cl, err := a.k.Client(ctx)
	if err != nil {
		return nil, err
	}
	if n.Type, n.Digest, err = upload(ctx, a.k, cl, path); err != nil {
		return nil, err
	}
	if n.Type == typeFile {
		set(&n.Properties, "file", filepath.Base(path)) // jobs find it under its own name
	} else if n.Kind == cairn.AssetModel {
		set(&n.Properties, "folder", filepath.Base(path)) // and deployments a folder
	}
	v, err := cl.CreateAsset(ctx, n)
	if err != nil {
		return nil, err
	}
	return a.staged(ctx, cl, d, v)
}

// elsewhere registers data whose bytes are not on this machine, or lie where a job left
// them: the server finds them.
func (a *assets) elsewhere(ctx context.Context, folder *source.Folder, d *pipeline.Asset, n client.NewAsset) (*cairn.AssetVersion, error) {
	cl, err := a.k.Client(ctx)
	if err != nil {
		return nil, err
	}
	n.SourceURI = d.Path.Text
	v, err := cl.CreateAsset(ctx, n)
	if err != nil {
		if e := cairn.AsError(err); e.Position == nil && (e.Code == cairn.CodeUnsupported || e.Code == cairn.CodeNotFound || e.Code == cairn.CodeInvalid) {
			at := d.Path.Pos
			at.File = folder.Shown(at.File)
			return nil, e.At(at)
		}
		return nil, err
	}
	return a.staged(ctx, cl, d, v)
}

// staged moves a model to the stage that its file gives.
func (a *assets) staged(ctx context.Context, cl *kit.Client, d *pipeline.Asset, v *cairn.AssetVersion) (*cairn.AssetVersion, error) {
	if d.Stage.Value == "" {
		return v, nil
	}
	return cl.UpdateAsset(ctx, v.Ref(), client.AssetUpdate{Stage: &d.Stage.Value})
}

func set(m *map[string]string, key, value string) {
	if value == "" {
		return
	}
	if *m == nil {
		*m = map[string]string{}
	}
	if _, given := (*m)[key]; !given {
		(*m)[key] = value
	}
}

// texts takes tags or properties of a file over; what flags gave wins.
func texts(into *map[string]string, from []pipeline.NamedText) error {
	for _, t := range from {
		switch t.Value.Value.Kind {
		case cairn.TemplateMap, cairn.TemplateSeq:
			return cairn.Errorf(cairn.CodeInvalid, "%s is no text", t.Name).At(t.Value.Pos)
		}
		if *into == nil {
			*into = map[string]string{}
		}
		if _, given := (*into)[t.Name]; !given {
			(*into)[t.Name] = t.Value.Value.Text
		}
	}
	return nil
}

// fits refuses bytes that are not what the type says.
func fits(path, shown, kind string) *cairn.Error {
	fi, err := os.Stat(path)
	if err != nil {
		return cairn.Errorf(cairn.CodeNotFound, "there is no %s", shown)
	}
	needs := map[string]string{"mltable": "MLTable", "mlflow_model": "MLmodel"}[kind]
	switch {
	case kind == "uri_file" && fi.IsDir():
		return cairn.Errorf(cairn.CodeFailed, "%s is a folder, and type is uri_file", shown).WithHint("type: uri_folder, or name a file")
	case (kind == "uri_folder" || needs != "") && !fi.IsDir():
		return cairn.Errorf(cairn.CodeFailed, "%s is a file, and type is %s", shown, kind).WithHint("name its folder, or type: uri_file for data")
	case needs == "":
		return nil
	}
	if fi, err := os.Stat(filepath.Join(path, needs)); err != nil || !fi.Mode().IsRegular() {
		return cairn.Errorf(cairn.CodeFailed, "%s holds no file %s, which type %s needs", shown, needs, kind)
	}
	return nil
}

// plain is a YAML value as JSON has it.
func plain(v pipeline.Value) any {
	switch v.Kind {
	case cairn.TemplateMap:
		out := object{}
		for _, p := range v.Pairs {
			out = append(out, entry{p.Key.Value, plain(p.Value)})
		}
		return out
	case cairn.TemplateSeq:
		out := []any{}
		for _, i := range v.Items {
			out = append(out, plain(i))
		}
		return out
	case cairn.TemplateBool:
		return v.Bool
	case cairn.TemplateNumber:
		if v.Int {
			return json.Number(fmt.Sprintf("%.0f", v.Num))
		}
		return v.Num
	case cairn.TemplateString:
		return v.Text
	}
	return nil
}

// object is a map that keeps the order of the file.
type object []entry

type entry struct {
	key   string
	value any
}

// MarshalJSON writes the entries in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // commands are full of < and >
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(e.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(e.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (a *assets) newValidate() *cobra.Command {
	var files, set []string
	cmd := &cobra.Command{
		Use:     "validate --file FILE [--file FILE…]",
		Short:   "Check YAML files; nothing is stored",
		Example: a.text("cairn NOUN validate --file NOUN.yml\ncairn NOUN validate --file NOUN.yml --json"),
		Args:    kit.Args(0, -1, "FILE"),
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "a YAML `file`, repeatable")
	cmd.Flags().StringArrayVar(&set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	out := a.k.JSONFlags(cmd, source.Result{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		all := append(files, args...)
		if len(all) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("%s", a.text("cairn NOUN validate --file FILE"))
		}
		return source.Validate(c.Context(), a.k, all, pipeline.Options{Kind: pipeline.Kind(a.kind), Set: set}, out, nil)
	}
	return cmd
}
