package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestConfigAccess(t *testing.T) {
	t.Parallel()
	load := func(text string) (Config, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadConfig(path)
	}
	for text, want := range map[string]string{
		"permissions: all":                       "permissions is \"all\"",
		"permissions: restrict":                  "permissions is \"restrict\"",
		"untrusted: ['!main']":                   "no pattern of branches",
		"untrusted: ['']":                        "no pattern of branches",
		"oidc: {issuer: ci.example.com}":         "no address of a server",
		"oidc: {issuer: 'ftp://x'}":              "no address of a server",
		"oidc: {issuer: 'https://x/?a=b'}":       "no address of a server",
		"oidc: {issuer: 'https://u:p@x'}":        "no address of a server",
		"oidc: {isuer: 'https://x'}":             "there is no setting \"isuer\"",
		"oidc: {issuer: 'https://x', keys: [1]}": "there is no setting \"keys\"",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := load("oidc: {issuer: 'https://ci.example.com/cairn/'}\nhosts: [a]\npermissions: restricted\nuntrusted: ['wip/*', 'dependabot/**']\n")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{config: c, url: "http://127.0.0.1:7077"}
	if s.issuerURL() != "https://ci.example.com/cairn/" || strings.Join(s.hosts(), " ") != "a ci.example.com" {
		t.Errorf("%s, %v", s.issuerURL(), s.hosts())
	}
	if p := c.defaultPermissions(); p.Level("packages") != cairn.PermissionRead || p.Level("actions") != cairn.PermissionNone {
		t.Errorf("restricted: %v", p)
	}
	if p := (&Config{Permissions: "write"}).defaultPermissions(); p.Level("contents") != cairn.PermissionWrite || p.Level("id-token") != cairn.PermissionNone {
		t.Errorf("write: %v", p)
	}
	if (&Config{}).defaultPermissions() != nil {
		t.Error("without a setting it is Cairn's own default")
	}
	for _, x := range []struct {
		ref, head string
		want      bool
	}{
		{"refs/heads/main", "", false}, {"refs/heads/wip/a", "", true}, {"refs/heads/wip/a/b", "", false},
		{"refs/pull/3/merge", "dependabot/npm/x/y", true}, {"refs/pull/3/merge", "feature", false}, {"", "", false},
	} {
		if got := c.untrusted(x.ref, x.head); got != x.want {
			t.Errorf("%s from %s: %v", x.ref, x.head, got)
		}
	}
}
