package git

import (
	"strings"
	"testing"
)

// FuzzReadRefs reads what a remote could list: every ref that comes of it can be
// kept.
func FuzzReadRefs(f *testing.F) {
	id := strings.Repeat("a", 40)
	f.Add([]byte("ref: refs/heads/main\tHEAD\n" + id + "\tHEAD\n" + id + "\trefs/heads/main\n" + id + "\trefs/tags/v1^{}\n"))
	f.Add([]byte(strings.Repeat("a", 64) + "\trefs/heads/main\n"))
	f.Add([]byte(id + "\trefs/heads/../../config\n" + id + "\trefs/heads/-x\n\t\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		refs, err := readRefs("x", out)
		if err != nil {
			return
		}
		if refs.Head != "" && (CheckRef(refs.Head) != nil || !strings.HasPrefix(refs.Head, "refs/heads/")) {
			t.Fatalf("head %q", refs.Head)
		}
		for ref, id := range refs.Refs {
			if CheckRef(ref) != nil || !isID(id) {
				t.Fatalf("%q %q", ref, id)
			}
		}
	})
}

// FuzzParseRemote: no address starts an option, a helper, or holds a password.
func FuzzParseRemote(f *testing.F) {
	for _, s := range []string{"https://github.com/o/r", "git@h:o/r", "ssh://git@h:22/o/r", "file:///x", "/x", "ext::sh", "-x", "https://u:p@h/r", "a:b", "ssh://-x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRemote(text)
		if err != nil {
			return
		}
		if strings.HasPrefix(r.URL, "-") || strings.ContainsAny(r.URL, " \n\x00") || strings.Contains(r.URL, "::") && r.Scheme != "file" && !strings.Contains(r.URL, "[") {
			t.Fatalf("%q became %q", text, r.URL)
		}
		if CheckRepo(r.Name) != nil {
			t.Fatalf("%q is called %q", text, r.Name)
		}
		again, err := ParseRemote(r.URL)
		if err != nil || again.URL != r.URL {
			t.Fatalf("%q became %q, and that %q (%v)", text, r.URL, again.URL, err)
		}
		if host := strings.TrimPrefix(r.Host, "["); r.Scheme != "file" && (host == "" || strings.HasPrefix(host, "-")) {
			t.Fatalf("%q has the host %q", text, r.Host)
		}
	})
}
