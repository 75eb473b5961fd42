package cairn_test

import (
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func TestPermissionsTable(t *testing.T) {
	t.Parallel()
	named := func(kv ...string) cairn.Permissions {
		var nv []cairn.NamedValue
		for i := 0; i < len(kv); i += 2 {
			nv = append(nv, cairn.NamedValue{Name: kv[i], Value: cairn.Str(kv[i+1])})
		}
		return cairn.NamedPermissions(nv)
	}
	for _, c := range []struct {
		name string
		p    cairn.Permissions
		want map[string]string
	}{
		{"default", cairn.DefaultPermissions(), map[string]string{
			"contents": "read", "packages": "write", "deployments": "write", "actions": "read", "id-token": "none", "metadata": "read",
		}},
		{"restricted", cairn.RestrictedPermissions(), map[string]string{
			"contents": "read", "packages": "read", "deployments": "none", "actions": "none", "id-token": "none", "metadata": "read",
		}},
		{"read-all", named("all", "read"), map[string]string{
			"contents": "read", "packages": "read", "models": "read", "id-token": "none", "copilot-requests": "none",
		}},
		{"write-all", named("all", "write"), map[string]string{
			"contents": "write", "packages": "write", "models": "read", "id-token": "write", "vulnerability-alerts": "read",
		}},
		{"{}", named("all", "none"), map[string]string{"contents": "none", "packages": "none", "id-token": "none", "metadata": "read"}},
		{"named", named("contents", "write", "issues", "none", "id-token", "write"), map[string]string{
			"contents": "write", "issues": "none", "packages": "none", "id-token": "write", "metadata": "read",
		}},
		{"called, less", named("contents", "read").Within(named("contents", "write", "packages", "write")), map[string]string{
			"contents": "read", "packages": "none",
		}},
		{"called, more", named("contents", "write", "packages", "write").Within(named("contents", "read")), map[string]string{
			"contents": "read", "packages": "none", "metadata": "read",
		}},
		{"untrusted", named("all", "write").ReadOnly(), map[string]string{
			"contents": "read", "packages": "read", "deployments": "read", "id-token": "none", "copilot-requests": "none",
		}},
	} {
		for scope, want := range c.want {
			if got := c.p.Level(scope); got != want {
				t.Errorf("%s: %s is %s, want %s", c.name, scope, got, want)
			}
		}
	}
	if cairn.NamedPermissions(nil) != nil {
		t.Error("a plan that says nothing must not name permissions")
	}
	if p := named("contents", "write"); !p.Allows("contents", "read") || p.Allows("issues", "read") || !p.Allows("issues", "none") {
		t.Error("write must include read, and nothing else")
	}
}

// A called workflow never has more than its caller, whatever it asks for, and
// untrusted code never writes.
func TestPermissionsWithinProperty(t *testing.T) {
	t.Parallel()
	scopes := []string{"contents", "packages", "id-token", "models", "metadata", "no-such-scope"}
	levels := []string{"", "none", "read", "write", "admin"}
	some := rapid.MapOf(rapid.SampledFrom(scopes), rapid.SampledFrom(levels))
	rapid.Check(t, func(t *rapid.T) {
		p, limit := cairn.Permissions(some.Draw(t, "p")), cairn.Permissions(some.Draw(t, "limit"))
		got := p.Within(limit)
		for _, s := range scopes {
			for _, l := range []string{"read", "write"} {
				if s != "metadata" && got.Allows(s, l) && !(p.Allows(s, l) && limit.Allows(s, l)) {
					t.Fatalf("%v within %v gives %v: %s: %s", p, limit, got, s, l)
				}
			}
			if p.ReadOnly().Allows(s, "write") {
				t.Fatalf("%v may write %s although it only reads", p, s)
			}
		}
	})
}
