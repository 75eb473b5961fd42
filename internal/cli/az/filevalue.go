package az

import (
	"slices"
	"strconv"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// load reads and checks a file with what flags say.
func (c *call) load(kind pipeline.Kind, values ...pipeline.NamedValue) (*source.Folder, *pipeline.Document, error) {
	folder, name, err := source.Open(c.k, c.get("file"))
	if err != nil {
		return nil, nil, err
	}
	o := pipeline.Options{Kind: kind, Set: slices.Concat(c.list("set"), c.list("add"))}
	for _, v := range values {
		if v.Value != "" {
			o.Values = append(o.Values, v)
		}
	}
	doc, ps := folder.Load(name, o)
	if doc == nil || cairn.HasErrors(ps) {
		return nil, nil, &cairn.Error{Code: cairn.CodeInvalid, Message: c.get("file") + " cannot be used", Problems: ps}
	}
	if doc.Kind != kind {
		return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%s describes a %s, not a %s", c.get("file"), doc.Kind, kind)
	}
	return folder, doc, nil
}

// textOf is the text at a path of keys; "" where there is none.
func textOf(v pipeline.Value, keys ...string) string {
	for _, k := range keys {
		var ok bool
		if v, ok = v.Field(k); !ok {
			return ""
		}
	}
	return v.Text
}

func intOf(v pipeline.Value, keys ...string) int {
	n, err := strconv.Atoi(textOf(v, keys...))
	if err != nil {
		return 0 // the file was checked: it is not there
	}
	return n
}

func textsOf(v pipeline.Value, key string) map[string]string {
	f, _ := v.Field(key)
	if len(f.Pairs) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, p := range f.Pairs {
		out[p.Key.Value] = p.Value.Text
	}
	return out
}
