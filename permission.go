package cairn

import "strings"

// Permissions are what the token of a job may do: a level by scope, as the
// permissions of a workflow name them. A scope that is not there is none.
type Permissions map[string]string

// The levels of a permission; write includes read.
const (
	PermissionNone  = "none"
	PermissionRead  = "read"
	PermissionWrite = "write"
)

// PermissionScopes are the scopes of a job's token with the highest level that
// each can have. Two of them have no level read: id-token and copilot-requests.
func PermissionScopes() []PermissionScope {
	return []PermissionScope{
		{"actions", "read write"}, {"artifact-metadata", "read write"}, {"attestations", "read write"},
		{"checks", "read write"}, {"code-quality", "read write"}, {"contents", "read write"}, {"copilot-requests", "write"},
		{"deployments", "read write"}, {"discussions", "read write"}, {"drives", "read write"}, {"id-token", "write"},
		{"issues", "read write"}, {"models", "read"}, {"packages", "read write"}, {"pages", "read write"},
		{"pull-requests", "read write"}, {"repository-projects", "read write"}, {"security-events", "read write"},
		{"statuses", "read write"}, {"vulnerability-alerts", "read"},
	}
}

// PermissionScope is one scope with the levels that it takes beside none.
type PermissionScope struct{ Name, Levels string }

// Has reports whether the scope takes a level.
func (s PermissionScope) Has(level string) bool {
	for _, l := range strings.Fields(s.Levels) {
		if l == level {
			return true
		}
	}
	return false
}

// Level is what p allows on a scope.
func (p Permissions) Level(scope string) string {
	if l := p[scope]; l != "" {
		return l
	}
	return PermissionNone
}

// Allows reports whether p is enough for a level on a scope.
func (p Permissions) Allows(scope, level string) bool {
	return permissionRank(p.Level(scope)) >= permissionRank(level)
}

func permissionRank(level string) int {
	switch level {
	case PermissionWrite:
		return 2
	case PermissionRead:
		return 1
	}
	return 0
}

// AllPermissions gives every scope that can have it the same level; write gives
// read to the scopes that can only be read.
func AllPermissions(level string) Permissions {
	p := metadataOnly()
	for _, s := range PermissionScopes() {
		switch {
		case s.Has(level):
			p[s.Name] = level
		case level == PermissionWrite && s.Has(PermissionRead):
			p[s.Name] = PermissionRead
		}
	}
	return p
}

// metadataOnly is a token that may do nothing: who it is can always be read, as
// on GitHub. It also keeps a stored row apart from one that says nothing.
func metadataOnly() Permissions { return Permissions{"metadata": PermissionRead} }

// DefaultPermissions are those of a job for which nobody says anything: it reads
// everything, pushes images and deploys, which is what a workflow of a model
// needs. It gets no identity token.
func DefaultPermissions() Permissions {
	p := AllPermissions(PermissionRead)
	p["packages"], p["deployments"] = PermissionWrite, PermissionWrite
	return p
}

// RestrictedPermissions are GitHub's restricted default.
func RestrictedPermissions() Permissions {
	p := metadataOnly()
	p["contents"], p["packages"] = PermissionRead, PermissionRead
	return p
}

// NamedPermissions reads the permissions of a plan: what is not named is none.
// Nil for a plan that says nothing.
func NamedPermissions(named []NamedValue) Permissions {
	if len(named) == 0 {
		return nil
	}
	p := metadataOnly()
	for _, n := range named {
		switch level := n.Value.Text; {
		case n.Name == "all" && level != PermissionNone:
			p = AllPermissions(level)
		case n.Name != "all" && level != PermissionNone:
			p[n.Name] = level
		}
	}
	return p
}

// Within is p with nothing beyond limit: a called workflow may only have less than
// its caller.
func (p Permissions) Within(limit Permissions) Permissions {
	out := metadataOnly()
	for scope, level := range p {
		if !limit.Allows(scope, level) {
			level = limit.Level(scope)
		}
		if level != PermissionNone {
			out[scope] = level
		}
	}
	return out
}

// ReadOnly is p without the right to change anything: for code that nobody here
// answers for.
func (p Permissions) ReadOnly() Permissions { return p.Within(AllPermissions(PermissionRead)) }
