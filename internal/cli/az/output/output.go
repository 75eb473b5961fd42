// Package output writes answers as knack and azure-cli do: json, jsonc, yaml, yamlc, table,
// tsv and none. Source: knack 0.12, output.py; tabulate's format "simple"; PyYAML's
// safe_dump.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
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
		writeJSON(&b, v, "", o.Color && format == "jsonc")
		b.WriteByte('\n')
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

// The colours of pygments' default for a terminal.
const (
	blue  = "\x1b[94m"
	brown = "\x1b[33m"
	green = "\x1b[34m"
	plain = "\x1b[39;49;00m"
)

func paint(on bool, color, s string) string {
	if !on {
		return s
	}
	return color + s + plain
}

func writeJSON(b *bytes.Buffer, v any, indent string, color bool) {
	switch x := v.(type) {
	case []any:
		if len(x) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteString("[\n")
		for i, e := range x {
			b.WriteString(indent + "  ")
			writeJSON(b, e, indent+"  ", color)
			if i < len(x)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "]")
	case *query.Object:
		if x.Len() == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteString("{\n")
		keys := sortedKeys(x)
		for i, k := range keys {
			b.WriteString(indent + "  " + paint(color, blue, quote(k)) + ": ")
			e, _ := x.Get(k)
			writeJSON(b, e, indent+"  ", color)
			if i < len(keys)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "}")
	case string:
		b.WriteString(paint(color, brown, quote(x)))
	default:
		b.WriteString(paint(color, green, scalar(v)))
	}
}

// scalar is a value that is neither text nor made of others, as JSON.
func scalar(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case json.Number:
		return string(x)
	case float64:
		switch {
		case math.IsNaN(x):
			return "NaN"
		case math.IsInf(x, 1):
			return "Infinity"
		case math.IsInf(x, -1):
			return "-Infinity"
		}
		return query.FloatText(x)
	}
	return fmt.Sprint(v)
}

// quote writes a text as JSON, with escapes for what has to have them alone.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
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
