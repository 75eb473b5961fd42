package ignore

import "testing"

// Whatever an ignore file holds, it is read to its end, and a line that says the
// contrary of all before it has the last word.
func FuzzIgnored(f *testing.F) {
	for _, s := range []string{"*.py", "/a/**/b", "!a\n[a-c]?", "a/", "\\ ", "[[:alpha:]", "**/", "#x"} {
		f.Add(s, "a/b/c.py", true)
	}
	f.Fuzz(func(t *testing.T, src, name string, dir bool) {
		if len(src) > 60 || len(name) > 60 || name == "" {
			return
		}
		m := Matcher{}.With("", []byte(src))
		m.Ignored(name, dir)
		if !m.With("", []byte("\n*\n")).Ignored(name, dir) {
			t.Errorf("%q is not ignored by *", name)
		}
		if m.With("", []byte("\n*\n!*\n")).Ignored(name, dir) {
			t.Errorf("%q is ignored although !* is the last line", name)
		}
	})
}
