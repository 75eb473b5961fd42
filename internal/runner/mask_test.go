package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// naiveMask hides every byte that lies in any occurrence of any pattern.
func naiveMask(text string, patterns []string) string {
	hidden := make([]int, len(text)+1) // >0: number of occurrences that cover the byte
	begins := make([]bool, len(text)+1)
	type span struct{ from, to int }
	var spans []span
	for i := range text {
		for _, p := range patterns {
			if strings.HasPrefix(text[i:], p) {
				spans = append(spans, span{i, i + len(p)})
			}
		}
	}
	end := -1
	for _, s := range spans { // ordered by from
		if s.from >= end {
			begins[s.from] = true
		}
		end = max(end, s.to)
		for i := s.from; i < s.to; i++ {
			hidden[i]++
		}
	}
	var b strings.Builder
	for i := range text {
		if begins[i] {
			b.WriteString(maskText)
		}
		if hidden[i] == 0 {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func TestMaskFilterEqualsNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// A small alphabet makes overlaps, prefixes and repeats likely.
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), MinMask, 9, -1)
		patterns := rapid.SliceOfNDistinct(word, 0, 5, func(s string) string { return s }).Draw(t, "patterns")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc\n")), 0, 60, -1).Draw(t, "text")
		f := maskFilter{a: newAutomaton(patterns)}
		var out []byte
		rest := []byte(text)
		for len(rest) > 0 {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			out = f.push(out, rest[:n])
			rest = rest[n:]
		}
		out = f.flush(out)
		if want := naiveMask(text, patterns); string(out) != want {
			t.Fatalf("patterns %q text %q: got %q, want %q", patterns, text, out, want)
		}
	})
}

func TestMaskNeverLeaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9'"$%&/+ {}<>\\]{6,30}`).Filter(func(s string) bool {
			return len(strings.TrimSpace(s)) >= 6
		}).Draw(t, "secret")
		secret = strings.TrimSpace(secret)
		js, _ := json.Marshal(secret)
		pad := rapid.StringMatching(`[xyz]{0,5}`).Draw(t, "pad")
		forms := []string{
			secret, string(js), url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(pad + secret + pad)),
			base64.URLEncoding.EncodeToString([]byte(pad + secret + pad)),
			fmt.Sprintf("%x", secret),
		}
		text := rapid.StringMatching(`[a-z \n]{0,20}`).Draw(t, "before") +
			strings.Join(forms, rapid.StringMatching(`[ \n]{1,3}`).Draw(t, "between"))
		m := NewMasks()
		late := rapid.Bool().Draw(t, "late")
		if !late {
			m.Add(secret)
		}
		var out bytes.Buffer
		w := NewMaskWriter(&out, m)
		if late { // a mask that comes after the writer was made
			m.Add(secret)
		}
		rest := []byte(text)
		for len(rest) > 0 {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 9).Draw(t, "more") == 0 {
				m.Add("another-" + rapid.StringMatching(`[a-z]{4}`).Draw(t, "mask"))
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		core := base64At(secret, len(pad)%3)
		for _, leak := range []string{secret, string(js[1 : len(js)-1]), url.QueryEscape(secret), core} {
			if strings.Contains(out.String(), leak) {
				t.Fatalf("secret %q leaked as %q in %q", secret, leak, out.String())
			}
		}
	})
}

func TestMaskForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, secret, text, want string }{
		{"plain", "hunter22", "the word is hunter22!", "the word is ***!"},
		{"short", "abc", "abc", "abc"},
		{"white space", "  token99\n", "x token99 y", "x *** y"},
		{"lines", "first-line\nsecond-line", "see second-line", "see ***"},
		{"json leaf", `{"a":{"key":"deep-value"},"n":12345678,"y":2024}`, "deep-value 12345678 2024", "*** *** 2024"},
		{"json escaped", `pa"ss\word`, `{"p":"pa\"ss\\word"}`, `{"p":"***"}`},
		{"json of python", "pä\"ss😀wo<rd", `"p\u00e4\"ss\ud83d\ude00wo<rd"`, `"***"`},
		{"shell", "it's$me", `'it'\''s$me' it\'s\$me`, `'***' ***`},
		{"xml", "a<b>&c", "a&lt;b&gt;&amp;c", "***"},
		{"xml quotes", `it's "so"`, `it&apos;s &quot;so&quot; it&#x27;s &quot;so&quot; it's &quot;so&quot;`, "*** *** ***"},
		{"json solidus", "https://a/b", `"https:\/\/a\/b"`, `"***"`},
		{"adjacent", "abcd", "abcdabcd", "******"},
		{"overlapping", "aaaa", "baaaaaab", "b***b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := NewMasks()
			if got := m.Add(c.secret); got != (c.name != "short") {
				t.Fatalf("Add = %v", got)
			}
			if got := m.String(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// BenchmarkMask hides secrets in a usual log: a few of one kind, and a thousand random
// ones, of which every byte begins one.
func BenchmarkMask(b *testing.B) {
	few, many := NewMasks(), NewMasks()
	for i := range 20 {
		few.Add(fmt.Sprintf("secret-value-%d-with-some-length-%x", i, i*7919))
	}
	for i := range 1000 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		many.Add(base64.StdEncoding.EncodeToString(sum[:]))
	}
	b.Run("few", func(b *testing.B) { benchmarkMask(b, few) })
	b.Run("1000", func(b *testing.B) { benchmarkMask(b, many) })
}

func benchmarkMask(b *testing.B, m *Masks) {
	line := []byte("2024-01-01 epoch 12 loss=0.1234 accuracy=0.9876 some more words of a usual log line\n")
	text := bytes.Repeat(line, 1000)
	w := NewMaskWriter(&bytes.Buffer{}, m)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w.w.(*bytes.Buffer).Reset()
		if _, err := w.Write(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMaskBuild hides a JSON secret of 48 KiB, the largest that GitHub takes.
func BenchmarkMaskBuild(b *testing.B) {
	var doc strings.Builder
	for i := range 600 {
		fmt.Fprintf(&doc, "  \"key%d\": \"value-%d <%s>\",\n", i, i*7919, strings.Repeat("ab", 20))
	}
	secret := "{\n" + doc.String() + "  \"end\": 1\n}"
	b.ReportAllocs()
	for b.Loop() {
		m := NewMasks()
		m.Add(secret)
		m.automaton()
	}
}
