// Package output writes answers as knack and azure-cli do: json, jsonc, yaml, yamlc, table,
// tsv and none. Source: knack 0.12, output.py; tabulate's format "simple"; PyYAML's
// safe_dump; pygments' TerminalFormatter. PyYAML's emitter is written again, since what
// other ones quote and where they fold lines differs.
//
// It differs in colours alone: those of yamlc are not given to spaces, and a no-break space
// does not lead them astray.
package output

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// Options say how.
type Options struct {
	// Color lets jsonc and yamlc be coloured.
	Color bool
	// Query says that the value is what a query found: its order is meant.
	Query bool
}

// Formats are the words for Write.
func Formats() []string { return []string{"json", "jsonc", "yaml", "yamlc", "table", "tsv", "none"} }

// Write writes a value of package query in a format.
func Write(w io.Writer, format string, v any, o Options) error {
	var b bytes.Buffer
	switch format {
	case "json", "jsonc":
		p := painter{b: &b, on: o.Color && format == "jsonc"}
		writeJSON(p, v, "\n")
		p.space("\n")
	case "yaml", "yamlc":
		writeYAML(&b, v, o.Color && format == "yamlc")
	case "table":
		writeTable(&b, v, o)
	case "tsv":
		writeTSV(&b, v)
	case "none":
	default:
		return cairn.Errorf(cairn.CodeInvalid, "%q is no format", format).WithHint("there are %s", strings.Join(Formats(), ", "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// sortedKeys are the keys of an object in Python's order of texts.
func sortedKeys(o *query.Object) []string {
	keys := slices.Clone(o.Keys())
	slices.Sort(keys)
	return keys
}

func writeTSV(b *bytes.Buffer, v any) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	cell := func(v any) {
		switch x := v.(type) {
		case []any:
			b.WriteString(strconv.Itoa(len(x)))
		case *query.Object:
		default:
			b.WriteString(query.Text(v))
		}
	}
	for _, row := range list {
		switch x := row.(type) {
		case []any:
			for i, e := range x {
				if i > 0 {
					b.WriteByte('\t')
				}
				cell(e)
			}
		case *query.Object:
			keys := x.Keys()
			if !x.Hash {
				keys = sortedKeys(x)
			}
			for i, k := range keys {
				if i > 0 {
					b.WriteByte('\t')
				}
				e, _ := x.Get(k)
				cell(e)
			}
		case bool:
			b.WriteString(strconv.FormatBool(x))
		default:
			cell(row)
		}
		b.WriteByte('\n')
	}
}
