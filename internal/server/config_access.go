package server

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
)

// defaultSets are what permissions may be set to.
func defaultSets() map[string]cairn.Permissions {
	return map[string]cairn.Permissions{
		"restricted": cairn.RestrictedPermissions(),
		"read":       cairn.AllPermissions(cairn.PermissionRead),
		"write":      writeDefault(),
	}
}

// writeDefault is GitHub's permissive default: an identity token is never given
// without being asked for.
func writeDefault() cairn.Permissions {
	p := cairn.AllPermissions(cairn.PermissionWrite)
	delete(p, "id-token")
	return p
}

// defaultPermissions are those of a job of which nobody says anything; nil is
// Cairn's own default.
func (c *Config) defaultPermissions() cairn.Permissions { return defaultSets()[c.Permissions] }

// untrusted reports whether code of a ref, or a pull request from a branch, is
// under suspicion by its name.
func (c *Config) untrusted(ref, head string) bool {
	return slices.ContainsFunc(c.Untrusted, func(p string) bool {
		return run.MatchRef(p, ref) || head != "" && run.MatchRef(p, head)
	})
}

// What the setting forks may be, and what a run of a fork asks for.
const (
	forksAsk    = "ask"
	forksRun    = "run"
	codeOfAFork = "code of a fork"
)

// checkAccess checks the settings of this file.
func (c *Config) checkAccess(path string) error {
	names := []string{"restricted", "read", "write"}
	if c.Permissions != "" && !slices.Contains(names, c.Permissions) {
		hint := "it may be " + strings.Join(names, ", ")
		if near := cairn.Nearest(c.Permissions, names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return cairn.Errorf(cairn.CodeInvalid, "%s: permissions is %q", path, c.Permissions).WithHint("%s", hint)
	}
	if c.Forks != "" && c.Forks != forksAsk && c.Forks != forksRun {
		return cairn.Errorf(cairn.CodeInvalid, "%s: forks is %q", path, c.Forks).WithHint("it may be %s or %s", forksAsk, forksRun)
	}
	for _, p := range c.Untrusted {
		if p == "" || len(p) > 255 || strings.HasPrefix(p, "!") {
			return cairn.Errorf(cairn.CodeInvalid, "%s: untrusted: %q is no pattern of branches", path, p).
				WithHint("write external/* or dependabot/**")
		}
	}
	if c.OIDC.Issuer == "" {
		return nil
	}
	u, err := url.Parse(c.OIDC.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || len(c.OIDC.Issuer) > 500 {
		return cairn.Errorf(cairn.CodeInvalid, "%s: oidc.issuer is %q, which is no address of a server", path, c.OIDC.Issuer).
			WithHint("write https://ci.example.com: what is before /.well-known/openid-configuration")
	}
	return nil
}
