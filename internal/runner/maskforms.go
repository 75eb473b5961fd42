package runner

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"
)

const (
	maxMaskLeaves = 1000 // values taken out of one JSON secret
	minNumberLeaf = 6    // a shorter number is too common to hide (a year, a port)
)

// maskForms lists what has to be hidden for one secret: itself, each line of a
// longer one, the values inside a JSON document, and how each looks when a
// program encodes it. Nothing shorter than MinMask is in the list.
func maskForms(value string) []string {
	seen := map[string]bool{}
	var out []string
	add := func(s string) {
		if len(s) >= MinMask && !seen[s] && strings.TrimSpace(s) != "" {
			seen[s] = true
			out = append(out, s)
		}
	}
	for _, part := range maskParts(value) {
		add(part)
		for _, e := range encodings(part) {
			add(e)
		}
	}
	return out
}

// maskParts lists the value, the value without white space around it, its
// lines, and the leaves of a JSON document.
func maskParts(value string) []string {
	trimmed := strings.TrimSpace(value)
	if len(trimmed) < MinMask {
		return nil
	}
	parts := []string{trimmed}
	if value != trimmed {
		parts = append(parts, value)
	}
	if unquoted := strings.Trim(trimmed, `"`); unquoted != trimmed {
		parts = append(parts, unquoted)
	}
	if strings.ContainsAny(trimmed, "\r\n") {
		for _, l := range strings.FieldsFunc(trimmed, func(r rune) bool { return r == '\r' || r == '\n' }) {
			parts = append(parts, strings.TrimRightFunc(strings.TrimLeftFunc(l, unicode.IsSpace), unicode.IsSpace))
		}
		// A terminal turns line ends into CR LF; Windows tools do too.
		unix := strings.ReplaceAll(trimmed, "\r\n", "\n")
		parts = append(parts, unix, strings.ReplaceAll(unix, "\n", "\r\n"))
	}
	if c := trimmed[0]; c == '{' || c == '[' {
		parts = append(parts, jsonLeaves(trimmed)...)
	}
	return parts
}

func jsonLeaves(doc string) []string {
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	var out []string
	var walk func(v any)
	walk = func(v any) {
		if len(out) >= maxMaskLeaves {
			return
		}
		switch x := v.(type) {
		case map[string]any:
			for _, e := range x {
				walk(e)
			}
		case []any:
			for _, e := range x {
				walk(e)
			}
		case string:
			out = append(out, maskParts(x)...)
		case json.Number:
			if len(x) >= minNumberLeaf {
				out = append(out, x.String())
			}
		}
	}
	walk(v)
	return out
}

// encodings lists how s looks after the encodings that programs apply before
// they print.
func encodings(s string) []string {
	out := []string{
		url.QueryEscape(s), url.PathEscape(s), percentAll(s),
		html.EscapeString(s), xmlEscape(s, "&apos;"), xmlEscape(s, "&#x27;"), xmlEscape(s, "'"), hex.EncodeToString([]byte(s)),
		strings.ReplaceAll(s, `'`, `'\''`), strings.ReplaceAll(s, `'`, `'"'"'`),
		shellBackslash(s), strings.ReplaceAll(s, `"`, `\"`), strings.ReplaceAll(s, `'`, `''`),
	}
	if b, err := json.Marshal(s); err == nil {
		out = append(out, string(b[1:len(b)-1])) // with <, > and & as \u003c …
		plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b[1 : len(b)-1]))
		out = append(out, plain, jsonASCII(plain), strings.ReplaceAll(plain, "/", `\/`))
	}
	for shift := range 3 {
		std := base64At(s, shift)
		out = append(out, std, strings.NewReplacer("+", "-", "/", "_").Replace(std))
	}
	return out
}

// xmlEscape is text as XML and HTML writers put it down; they differ in the apostrophe.
func xmlEscape(s, apostrophe string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", apostrophe).Replace(s)
}

// jsonASCII is JSON as Python's json.dumps writes it: with an escape for
// everything beyond ASCII.
func jsonASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// base64At gives the characters of a base64 text that s alone decides when it
// begins at an offset of shift bytes modulo three.
func base64At(s string, shift int) string {
	all := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), s...))
	from := (8*shift + 5) / 6
	to := 8 * (shift + len(s)) / 6
	return all[from:to]
}

// percentAll is the URL encoding that leaves only letters, digits and -_.~ .
func percentAll(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// shellBackslash quotes as bash's printf %q does.
func shellBackslash(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; strings.IndexByte(" !\"#$&'()*,;<=>?[\\]^`{|}~", c) >= 0 && !(c == '=' || c == '#' || c == '~') {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
