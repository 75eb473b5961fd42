package follow

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	a, b, c := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)
	for _, x := range []struct {
		name                    string
		recorded, before, after string
		seen                    bool
		want                    verdict
	}{
		{"the next push", a, a, b, false, next},
		{"back to a commit that was there", b, b, a, true, next},
		{"a look was faster", b, a, b, true, covered},
		{"a look saw past it", c, a, b, false, apart},
		{"a look saw past it, told again", c, a, b, true, covered},
		{"it came before the one before it", a, b, c, false, apart},
		{"a new branch", "", zero, a, false, next},
		{"a new branch that a look saw", a, zero, a, true, covered},
		{"deleted", a, a, zero, false, next},
		{"deleted, and a look saw it", zero, a, zero, false, covered},
		{"deleted, and made again", b, a, zero, false, covered},
		{"made again", zero, zero, a, true, next},
	} {
		if got := judge(x.recorded, x.before, x.after, x.seen); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
	}
}

func TestMoved(t *testing.T) {
	t.Parallel()
	got := moved(map[string]cairn.RecordedRef{
		"refs/heads/main": {SHA: "1", Version: 3}, "refs/heads/same": {SHA: "2", Version: 1}, "refs/heads/gone": {SHA: "3", Version: 1},
		"refs/heads/back": {SHA: zero, Version: 2}, "refs/heads/long-gone": {SHA: zero, Version: 2}, "refs/pull/1/head": {SHA: "9", Version: 1},
	}, map[string]string{"refs/heads/main": "4", "refs/heads/same": "2", "refs/tags/v1": "5", "refs/heads/back": "6"})
	want := []move{
		{"refs/heads/back", zero, "6", 2, false}, {"refs/heads/gone", "3", zero, 1, false}, {"refs/heads/main", "1", "4", 3, false}, {"refs/tags/v1", zero, "5", 0, true},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestFollowsBranch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, branch string
		want            bool
	}{
		{"main", "main", true}, {"main", "main2", false}, {"release/*", "release/1", true}, {"release/*", "release/1/2", false},
		{"release/**", "release/1/2", true}, {"**", "a/b", true}, {"*", "a/b", false}, {"v?", "v1", true}, {"v?", "v/", false},
		{"a.b", "aXb", false}, {"ä*", "äb", true}, {"a+", "a+", true}, {"(x", "(x", true}, {"***", "a/b", true},
	} {
		if got := followsBranch([]string{c.pattern}, c.branch); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.branch, got)
		}
	}
	if !follows(nil, "refs/heads/x") || !follows([]string{"main"}, "refs/tags/x") || follows(nil, "refs/notes/x") {
		t.Error("what is followed")
	}
	for _, bad := range []string{"", "refs/heads/main", "a b", "a[b", "a\nb", "!main", strings.Repeat("x", 300)} {
		if checkPattern(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		every    time.Duration
		failures int
		want     time.Duration
	}{
		{time.Minute, 1, time.Minute}, {time.Minute, 2, 2 * time.Minute}, {time.Minute, 7, time.Hour}, {time.Minute, 1000, time.Hour},
		{24 * time.Hour, 3, 24 * time.Hour}, {5 * time.Second, 1, 5 * time.Second},
	} {
		if got := backOff(c.every, c.failures); got != c.want {
			t.Errorf("%s after %d: %s, want %s", c.every, c.failures, got, c.want)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place     Place
		kind, api string
	}{
		{Place{Scheme: "https", Host: "github.com"}, cairn.HostGitHub, "https://api.github.com"},
		{Place{Scheme: "ssh", Host: "ssh.github.com:443"}, cairn.HostGitHub, "https://api.github.com"},
		{Place{Scheme: "https", Host: "acme.ghe.com"}, cairn.HostGitHub, "https://api.acme.ghe.com"},
		{Place{Scheme: "https", Host: "gitlab.com"}, cairn.HostGitLab, "https://gitlab.com/api/v4"},
		{Place{Scheme: "https", Host: "codeberg.org"}, cairn.HostGitea, "https://codeberg.org/api/v1"},
		{Place{Scheme: "ssh", Host: "codeberg.org:22"}, cairn.HostGitea, "https://codeberg.org/api/v1"},
		{Place{Scheme: "https", Host: "git.example"}, "", ""},
		{Place{Scheme: "file"}, "", ""},
	} {
		kind := hostOf(c.place.Host)
		if api := apiOf(kind, c.place); kind != c.kind || api != c.api {
			t.Errorf("%+v: %q %q", c.place, kind, api)
		}
	}
	if got := apiOf(cairn.HostGitHub, Place{Scheme: "https", Host: "git.example:8443"}); got != "https://git.example:8443/api/v3" {
		t.Error(got)
	}
	if got := apiOf(cairn.HostGitea, Place{Scheme: "http", Host: "127.0.0.1:3000"}); got != "http://127.0.0.1:3000/api/v1" {
		t.Error(got)
	}
}
