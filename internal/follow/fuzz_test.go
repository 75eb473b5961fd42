package follow

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzDelivery reads what a host could send: nothing of it makes a crash, and what
// is read of it is fit to be used.
func FuzzDelivery(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"ref":"refs/heads/main","before":"` + zero + `","after":"` + strings.Repeat("a", 40) + `"}`,
		`{"action":"opened","pull_request":{"number":1,"state":"open","base":{"ref":"main","sha":"` + strings.Repeat("a", 40) + `","repo":null},"head":{"ref":"x","sha":"` + strings.Repeat("b", 40) + `"}}}`,
		`payload=%7B%7D`, `[]`, `{"pull_request":[]}`, `{"pull_request":{"number":1e99}}`,
	} {
		f.Add("application/json", []byte(seed))
		f.Add("application/x-www-form-urlencoded", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		payload, err := payloadOf(kind, body)
		if err != nil {
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(payload, &object) != nil {
			t.Fatalf("%q is no object", payload)
		}
		p, err := readPull(payload)
		if err != nil {
			return
		}
		if !commitID.MatchString(p.Head.SHA) || !commitID.MatchString(p.Base.SHA) || p.Number <= 0 || len(p.Base.Ref) > 255 {
			t.Fatalf("%+v", p)
		}
		if n, err := numberOf(p.headRef()); err != nil || n != p.Number {
			t.Fatalf("%s: %d %v", p.headRef(), n, err)
		}
		if p.Head.Repo == "" && !p.untrusted() {
			t.Fatal("what is from nowhere is trusted")
		}
	})
}

// FuzzSigned: without the secret no header is a signature.
func FuzzSigned(f *testing.F) {
	f.Add("sha256=", "", "", []byte("{}"))
	f.Add("", strings.Repeat("0", 64), "x", []byte("{}"))
	f.Fuzz(func(t *testing.T, hub, gitea, gitlab string, body []byte) {
		h := http.Header{"X-Hub-Signature-256": {hub}, "X-Gitea-Signature": {gitea}, "X-Gitlab-Token": {gitlab}}
		if signed(h, "a secret that nobody guesses 5b1f", body) && gitlab != "a secret that nobody guesses 5b1f" {
			t.Fatalf("%q %q %q", hub, gitea, gitlab)
		}
		if signed(h, "", body) {
			t.Fatal("no secret signs nothing")
		}
	})
}
