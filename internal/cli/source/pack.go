package source

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"go.yaml.in/yaml/v3"
)

// Packed is a component or an environment as one tree: its file at the top, under a name
// that is always the same, and what it names by path beside it.
type Packed struct {
	Digest      cairn.Digest
	Size, Files int64
	Told        []string
}

// packer lays a document and what it names into one folder.
type packer struct {
	ctx   context.Context
	f     *Folder
	snap  *snapshot
	texts map[string][]byte // by path in the tree
	at    map[string]string // path in the tree, by use and path in the folder
	taken map[string]bool
	told  []string
}

// maxPacked bounds components inside of components.
const maxPacked = 200

// Pack stores a document with all that it names by path; main is the name that its file
// gets in the tree.
func (f *Folder) Pack(ctx context.Context, doc *pipeline.Document, main string, to Store) (*Packed, error) {
	p := &packer{ctx: ctx, f: f, snap: &snapshot{}, texts: map[string][]byte{}, at: map[string]string{}, taken: map[string]bool{strings.ToLower(main): true}}
	v, err := p.document(doc)
	if err != nil {
		return nil, err
	}
	if p.texts[main], err = yaml.Marshal(node(v)); err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "%s cannot be written as YAML: %w", doc.Path, err)
	}
	info, err := p.snap.sendWith(ctx, to, p.texts)
	if err != nil {
		return nil, err
	}
	return &Packed{Digest: info.Root, Size: info.Size, Files: info.Files, Told: p.told}, nil
}

// document is the value of a file in which every path leads to where it is packed.
func (p *packer) document(doc *pipeline.Document) (pipeline.Value, error) {
	if len(p.at) > maxPacked {
		return doc.Value, cairn.Errorf(cairn.CodeTooLarge, "%s names more than %d files and folders", doc.Path, maxPacked)
	}
	more, err := gather(doc)
	if err != nil {
		return doc.Value, err
	}
	v := doc.Value
	for i := range doc.References {
		r := &doc.References[i]
		if r.Kind != pipeline.RefLocal || r.Use == "include" || r.Pos.File != "" && path.Clean(r.Pos.File) != path.Clean(doc.Path) {
			continue
		}
		to, err := p.place(r, more[r.Path])
		if err != nil {
			return v, at(r, err)
		}
		if to != "" {
			v = replaced(v, strings.Split(r.JSONPath, "."), "./"+to)
		}
	}
	if len(more) > 0 {
		v = without(v, "additional_includes")
	}
	return p.files(v, path.Dir(doc.Path))
}

// place packs what a reference leads to, and returns where.
func (p *packer) place(r *pipeline.Reference, more []pipeline.Reference) (string, error) {
	key := r.Use + " " + r.Path
	if to, done := p.at[key]; done {
		return to, nil
	}
	switch r.Use {
	case "code":
		snap, err := p.f.take(p.ctx, r.Path)
		if err == nil {
			err = p.f.lay(p.ctx, snap, more)
		}
		if err != nil {
			return "", err
		}
		if len(snap.files) == 0 {
			return "", cairn.Errorf(cairn.CodeInvalid, "the code %s holds no files", p.f.Shown(r.Path)).
				WithHint("all of them may be ignored: look at .gitignore and .amlignore")
		}
		p.told = append(p.told, snap.told(p.f.Shown(r.Path))...)
		return p.below(key, "code", snap), nil
	case "build", "data", "model":
		snap, err := p.f.whole(p.ctx, r.Path)
		if err != nil {
			return "", err
		}
		return p.below(key, r.Use, snap), nil
	case "conda":
		b, err := p.f.ReadFile(r.Path)
		if err != nil {
			return "", cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", p.f.Shown(r.Path), err)
		}
		p.at[key] = p.name(path.Base(r.Path))
		p.texts[p.at[key]] = b
		return p.at[key], nil
	}
	return "", nil
}

// below puts the files of a snapshot into a folder of the tree.
func (p *packer) below(key, folder string, snap *snapshot) string {
	folder = p.name(folder)
	for _, f := range snap.files {
		f.Path = path.Join(folder, f.Path)
		p.snap.files = append(p.snap.files, f)
	}
	p.snap.size += snap.size
	p.at[key] = folder
	return folder
}

// name is a free name at the top of the tree.
func (p *packer) name(base string) string {
	name := base
	for i := 2; p.taken[strings.ToLower(name)]; i++ {
		ext := path.Ext(base)
		name = strings.TrimSuffix(base, ext) + "-" + strconv.Itoa(i) + ext
	}
	p.taken[strings.ToLower(name)] = true
	return name
}

// files packs the components and environments that a job, a component or a node names
// as files of their own.
func (p *packer) files(v pipeline.Value, dir string) (pipeline.Value, error) {
	if v.Kind != cairn.TemplateMap {
		return v, nil
	}
	v.Pairs = slices.Clone(v.Pairs)
	for i := range v.Pairs {
		key, x, err := v.Pairs[i].Key.Value, v.Pairs[i].Value, error(nil)
		switch key {
		case "component", "trial", "environment":
			if name := named(key, x, dir); name != "" {
				x, err = p.file(key, name, x)
			} else {
				x, err = p.files(x, dir)
			}
		case "task":
			x, err = p.files(x, dir)
		case "jobs":
			if x.Kind == cairn.TemplateMap {
				x.Pairs = slices.Clone(x.Pairs)
				for n := range x.Pairs {
					if x.Pairs[n].Value, err = p.files(x.Pairs[n].Value, dir); err != nil {
						break
					}
				}
			}
		}
		if err != nil {
			return v, err
		}
		v.Pairs[i].Value = x
	}
	return v, nil
}

// named is the file that a value stands for; "" for a reference to something registered,
// or one that is written in place.
func named(key string, v pipeline.Value, dir string) string {
	switch {
	case v.File != "":
		return v.File
	case v.Kind != cairn.TemplateString || key == "environment" && !strings.HasPrefix(v.Text, "file:"):
		return ""
	}
	if _, foreign := pipeline.ParseReference(v.Text, key); foreign {
		return ""
	}
	return path.Join(dir, strings.TrimPrefix(v.Text, "file:"))
}

// file packs one such file: a component beside the others, an environment in place.
func (p *packer) file(key, name string, v pipeline.Value) (pipeline.Value, error) {
	kind := pipeline.Kind("component")
	if key == "environment" {
		kind = pipeline.KindEnvironment
	}
	to, done := p.at["file "+name]
	if !done {
		doc, ps := p.f.Load(name, pipeline.Options{Kind: kind})
		if doc == nil || cairn.HasErrors(ps) {
			return v, &cairn.Error{Code: cairn.CodeFailed, Message: fmt.Sprintf("%s cannot be packed", p.f.Shown(name)), Problems: ps}
		}
		p.at["file "+name] = "" // one that holds itself was refused when it was read
		inner, err := p.document(doc)
		if err != nil {
			return v, err
		}
		if key == "environment" {
			delete(p.at, "file "+name)
			return without(without(inner, "name"), "version"), nil
		}
		to = p.name(path.Base(name))
		p.at["file "+name] = to
		if p.texts[to], err = yaml.Marshal(node(inner)); err != nil {
			return v, cairn.Errorf(cairn.CodeInternal, "%s cannot be written as YAML: %w", name, err)
		}
	}
	v.Text, v.Raw, v.File = "./"+to, "./"+to, ""
	return v, nil
}

// replaced is a value with another text at a path; keys may hold dots.
func replaced(v pipeline.Value, at []string, text string) pipeline.Value {
	if len(at) == 0 {
		return pipeline.Value{Kind: cairn.TemplateString, Text: text, Raw: text, Pos: v.Pos}
	}
	switch v.Kind {
	case cairn.TemplateMap:
		for n := 1; n <= len(at); n++ {
			key := strings.Join(at[:n], ".")
			if i := slices.IndexFunc(v.Pairs, func(p pipeline.Pair) bool { return p.Key.Value == key }); i >= 0 {
				v.Pairs = slices.Clone(v.Pairs)
				v.Pairs[i].Value = replaced(v.Pairs[i].Value, at[n:], text)
				return v
			}
		}
	case cairn.TemplateSeq:
		if i, err := strconv.Atoi(at[0]); err == nil && i >= 0 && i < len(v.Items) {
			v.Items = slices.Clone(v.Items)
			v.Items[i] = replaced(v.Items[i], at[1:], text)
		}
	}
	return v
}

// without is a value in which no map has a key.
func without(v pipeline.Value, key string) pipeline.Value {
	if v.Kind != cairn.TemplateMap {
		return v
	}
	v.Pairs = slices.DeleteFunc(slices.Clone(v.Pairs), func(p pipeline.Pair) bool { return p.Key.Value == key })
	for i := range v.Pairs {
		if key == "additional_includes" {
			v.Pairs[i].Value = without(v.Pairs[i].Value, key)
		}
	}
	return v
}

// node is a value as YAML. Texts that YAML would take for something else are quoted by
// its writer.
func node(v pipeline.Value) *yaml.Node {
	switch v.Kind {
	case cairn.TemplateMap:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, p := range v.Pairs {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.Key.Value}, node(p.Value))
		}
		return n
	case cairn.TemplateSeq:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, i := range v.Items {
			n.Content = append(n.Content, node(i))
		}
		return n
	case cairn.TemplateBool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool)}
	case cairn.TemplateNumber:
		text := v.Raw
		if text == "" {
			text = strconv.FormatFloat(v.Num, 'g', -1, 64)
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	case cairn.TemplateNull:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.Text}
	if strings.Contains(v.Text, "\n") {
		n.Style = yaml.LiteralStyle
	}
	return n
}

// whole lists all files of a folder, or a file, whatever ignore files say.
func (f *Folder) whole(ctx context.Context, name string) (*snapshot, error) {
	snap, err := f.takeWith(ctx, name, true)
	if err == nil && len(snap.files) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s holds no files", f.Shown(name))
	}
	return snap, err
}

// sendWith stores a snapshot together with texts that lie nowhere.
func (s *snapshot) sendWith(ctx context.Context, to Store, texts map[string][]byte) (*client.TreeInfo, error) {
	files, err := s.hash(ctx)
	if err != nil {
		return nil, err
	}
	var blobs []client.Blob
	var names []string
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b := client.BytesBlob(texts[name])
		blobs = append(blobs, b)
		files = append(files, client.TreeFile{Path: name, Mode: cairn.ModeFile, Size: b.Size, Digest: b.Digest})
	}
	if err := s.upload(ctx, to, files[:len(s.files)], blobs); err != nil {
		return nil, err
	}
	return to.PutTree(ctx, files)
}
