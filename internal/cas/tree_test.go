package cas

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func genEntries(t *rapid.T) []cairn.TreeEntry {
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zA-Z0-9 .\\\n"'\x01-\x1fäß-]{1,20}`).Filter(func(s string) bool {
		return CheckName(s) == nil
	}), 0, 20, rapid.ID).Draw(t, "names")
	out := make([]cairn.TreeEntry, 0, len(names))
	for _, n := range names {
		e := cairn.TreeEntry{
			Name: n, Mode: rapid.SampledFrom([]uint32{cairn.ModeFile, cairn.ModeExec, cairn.ModeSymlink, cairn.ModeDir}).Draw(t, "mode"),
			Size: rapid.Int64Range(0, 4096).Draw(t, "size"), Digest: cairn.SumBytes([]byte(n)),
		}
		if e.Mode == cairn.ModeDir {
			e.Files = rapid.Int64Range(0, 100).Draw(t, "files")
		}
		out = append(out, e)
	}
	return out
}

func TestTreeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := genEntries(t)
		text, err := EncodeTree(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := DecodeTree(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := EncodeTree(rapid.Permutation(in).Draw(t, "order"))
		if err != nil || string(again) != string(text) {
			t.Fatalf("another order gives another text (%v)", err)
		}
		byText, err := EncodeTree(out)
		if err != nil || string(byText) != string(text) || len(out) != len(in) {
			t.Fatalf("decoding and encoding changes the text (%v)", err)
		}
	})
}

// The format is fixed for good: stored digests depend on it.
func TestTreeText(t *testing.T) {
	t.Parallel()
	d := cairn.SumBytes(nil)
	text, err := EncodeTree([]cairn.TreeEntry{
		{Name: "z", Mode: cairn.ModeDir, Size: 12, Files: 2, Digest: d},
		{Name: "a\nb\\", Mode: cairn.ModeExec, Size: 0, Digest: d},
		{Name: "Z z", Mode: cairn.ModeSymlink, Size: 3, Digest: d},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "cairn-tree 1\n" +
		"120000 3 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 Z z\n" +
		"000755 0 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a\\nb\\\\\n" +
		"040000 12 2 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 z\n"
	if string(text) != want {
		t.Errorf("got %q", text)
	}
}

func TestDecodeTreeRefuses(t *testing.T) {
	t.Parallel()
	hex := cairn.SumBytes(nil).Hex()
	for text, want := range map[string]string{
		"":                    "does not start with",
		"cairn-tree 2\n":      "does not start with",
		"cairn-tree 1\r\n":    "does not start with",
		"cairn-tree 1\n\n":    "fields",
		"cairn-tree 1\njunk":  "has no end",
		"cairn-tree 1\nx y\n": "fields",
		"cairn-tree 1\n000644 0 0 " + hex + " \n":                                            "not a file name",
		"cairn-tree 1\n000644 0 0 " + hex + " ..\n":                                          "not a file name",
		"cairn-tree 1\n000644 0 0 " + hex + " a/b\n":                                         "slash",
		"cairn-tree 1\n000644 0 0 " + hex + " a\\x\n":                                        "escaped",
		"cairn-tree 1\n000644 0 0 " + hex + " a\\\n":                                         "escaped",
		"cairn-tree 1\n000644 00 0 " + hex + " a\n":                                          "plain number",
		"cairn-tree 1\n000644 -1 0 " + hex + " a\n":                                          "plain number",
		"cairn-tree 1\n000644 +1 0 " + hex + " a\n":                                          "plain number",
		"cairn-tree 1\n000644 9223372036854775808 0 " + hex + " a\n":                         "plain number",
		"cairn-tree 1\n000644 1 1 " + hex + " a\n":                                           "no folder",
		"cairn-tree 1\n100644 1 0 " + hex + " a\n":                                           "mode",
		"cairn-tree 1\n644 1 0 " + hex + " a\n":                                              "mode",
		"cairn-tree 1\n120000 5000 0 " + hex + " a\n":                                        "target",
		"cairn-tree 1\n000644 1 0 " + strings.ToUpper(hex) + " a\n":                          "digest",
		"cairn-tree 1\n000644 1 0 " + hex + " b\n000644 1 0 " + hex + " a\n":                 "sort",
		"cairn-tree 1\n000644 1 0 " + hex + " a\n000644 1 0 " + hex + " a\n":                 "sort",
		"cairn-tree 1\n000644 1 0 " + hex + " " + strings.Repeat("n", MaxNameBytes+1) + "\n": "bytes",
	} {
		_, err := DecodeTree([]byte(text))
		if cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one with %q", text, err, want)
		}
	}
}

func TestCheckLink(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target string
		depth  int
		ok     bool
	}{
		{"a", 0, true}, {"a/b/c", 0, true}, {"./a", 0, true}, {"..", 1, true}, {"../a", 1, true}, {"../../a", 2, true},
		{"..a", 0, true}, {"a..", 0, true}, {".", 0, true}, {"./../a", 1, true},
		{"", 0, false}, {"/", 0, false}, {"/etc/passwd", 3, false}, {"..", 0, false}, {"../a", 0, false}, {"../../a", 1, false},
		{"a/../b", 3, false}, {"a/../../b", 3, false}, {"../a/..", 3, false}, {"a\x00b", 0, false}, {"./..", 0, false},
		{strings.Repeat("a", MaxLinkBytes+1), 0, false},
	} {
		if err := CheckLink(c.target, c.depth); (err == nil) != c.ok {
			t.Errorf("%.40q at depth %d: %v", c.target, c.depth, err)
		}
	}
}

func FuzzDecodeTree(f *testing.F) {
	hex := cairn.SumBytes(nil).Hex()
	f.Add([]byte("cairn-tree 1\n"))
	f.Add([]byte("cairn-tree 1\n000644 1 0 " + hex + " a\\n\n040000 1 2 " + hex + " b c\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := DecodeTree(b)
		if err != nil {
			return
		}
		text, err := EncodeTree(entries)
		if err != nil {
			t.Fatalf("decoded, but not encoded: %v", err)
		}
		if string(text) != string(b) {
			t.Fatalf("not canonical: %q became %q", b, text)
		}
		again, _ := DecodeTree(text)
		if !reflect.DeepEqual(again, entries) {
			t.Fatal("differs the second time")
		}
	})
}
