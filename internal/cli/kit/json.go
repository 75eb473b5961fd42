package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"
)

// JSON is the pair of flags --json[=fields] and --jq of one command.
type JSON struct {
	k      *Kit
	on     bool
	fields []string
	valid  []string
	query  *gojq.Code
}

// JSONFlags adds --json and --jq to cmd. sample is a value of the type that
// will be written, or of its elements when a list is written: its JSON names
// are the fields that can be chosen.
func (k *Kit) JSONFlags(cmd *cobra.Command, sample any) *JSON {
	j := &JSON{k: k, valid: jsonFields(reflect.TypeOf(sample))}
	cmd.Flags().Var((*fieldsFlag)(j), "json", "write JSON; =a,b chooses fields")
	cmd.Flags().Lookup("json").NoOptDefVal = allFields
	cmd.Flags().Var((*jqFlag)(j), "jq", "write what this jq expression gives (implies --json)")
	if len(j.valid) > 0 {
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[annFields] = strings.Join(j.valid, ", ")
	}
	return j
}

const (
	allFields = "*"
	annFields = "cairn.fields"
)

// On reports whether JSON was asked for.
func (j *JSON) On() bool { return j.on }

type fieldsFlag JSON

// String, Set and Type make a fieldsFlag a flag.
func (f *fieldsFlag) String() string { return strings.Join(f.fields, ",") }
func (f *fieldsFlag) Type() string   { return "fields" }
func (f *fieldsFlag) Set(v string) error {
	f.on, f.k.wantJSON = true, true
	if v == allFields || v == "" || v == "true" {
		return nil
	}
	for _, name := range strings.Split(v, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(f.valid, name) {
			e := cairn.Errorf(cairn.CodeInvalid, "%q is not a field of this command's JSON", name)
			hint := "fields: " + strings.Join(f.valid, ", ")
			if n := cairn.Nearest(name, f.valid); n != "" {
				hint = "did you mean " + n + "? " + hint
			}
			return e.WithHint("%s", hint)
		}
		f.fields = append(f.fields, name)
	}
	return nil
}

type jqFlag JSON

// String, Set and Type make a jqFlag a flag.
func (f *jqFlag) String() string { return "" }
func (f *jqFlag) Type() string   { return "expression" }
func (f *jqFlag) Set(v string) error {
	f.on, f.k.wantJSON = true, true
	q, err := gojq.Parse(v)
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "--jq: %q is not a jq expression: %w", v, err)
	}
	if f.query, err = gojq.Compile(q); err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "--jq: %w", err)
	}
	return nil
}

// Write writes v to Out as the flags ask. A nil slice is an empty list.
func (j *JSON) Write(v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice && rv.IsNil() {
		v = []any{}
	}
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	if len(j.fields) > 0 {
		if raw, err = choose(raw, j.fields); err != nil {
			return err
		}
	}
	if j.query != nil {
		return j.runQuery(raw)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(j.k.Term.Out)
	return err
}

func (j *JSON) runQuery(raw []byte) error {
	var in any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	for it := j.query.Run(in); ; {
		v, ok := it.Next()
		if !ok {
			return nil
		}
		if err, bad := v.(error); bad {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return cairn.Errorf(cairn.CodeInvalid, "--jq: %w", err)
		}
		if s, isText := v.(string); isText {
			if _, err := io.WriteString(j.k.Term.Out, s+"\n"); err != nil {
				return err
			}
			continue
		}
		b, err := gojq.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := j.k.Term.Out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// choose keeps the named fields of an object, or of each object of a list, in
// the order asked; one that a value lacks is null.
func choose(raw []byte, fields []string) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '[' {
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for i := range items {
			one, err := choose(items[i], fields)
			if err != nil {
				return nil, err
			}
			items[i] = one
		}
		return marshal(items)
	}
	var obj map[string]json.RawMessage
	if err := json.Unmarshal(raw, &obj); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := marshal(f)
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(name))
		b.WriteByte(':')
		if v, ok := obj[f]; ok {
			b.Write(v)
		} else {
			b.WriteString("null")
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonFields lists the JSON names of a struct, embedded structs included.
func jsonFields(t reflect.Type) []string {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "":
			names = append(names, jsonFields(f.Type)...)
		case name == "":
			names = append(names, f.Name)
		default:
			names = append(names, name)
		}
	}
	return names
}
