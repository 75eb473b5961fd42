package plan

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// JobPermissions are what the token of a job may do: what its node says, else its
// file, else its caller, and never more than limit, which is what the caller has.
// Nil means that nobody says anything.
func JobPermissions(n *cairn.Node, file, limit cairn.Permissions) cairn.Permissions {
	p := stated(n, file)
	switch {
	case p == nil:
		return limit
	case limit != nil:
		return p.Within(limit)
	}
	return p
}

func stated(n *cairn.Node, file cairn.Permissions) cairn.Permissions {
	if own := cairn.NamedPermissions(n.Permissions); own != nil {
		return own
	}
	return file
}

// BodyLimit is the most that the jobs of a called workflow may have: what the job
// that calls has. A file of another repository is given no more than the default
// where nobody here says so.
func BodyLimit(n *cairn.Node, own cairn.Permissions) cairn.Permissions {
	if own == nil && n.Remote != "" {
		return cairn.DefaultPermissions()
	}
	return own
}

// checkPermissions refuses called workflows that ask for more than their caller has,
// as GitHub does before it starts anything.
func (b *builder) checkPermissions(nodes []cairn.Node, file, limit cairn.Permissions) {
	for i := range nodes {
		n := &nodes[i]
		if limit != nil {
			var want, have []string
			for _, s := range cairn.PermissionScopes() {
				if asked := stated(n, file).Level(s.Name); !limit.Allows(s.Name, asked) {
					want = append(want, s.Name+": "+asked)
					have = append(have, s.Name+": "+limit.Level(s.Name))
				}
			}
			if len(want) > 0 {
				b.fail("plan.permissions", n.Pos, "give the job that calls it permissions: "+strings.Join(want, ", "),
					"The nested job %s is requesting '%s', but is only allowed '%s'.", show(n.ID), strings.Join(want, ", "), strings.Join(have, ", "))
			}
		}
		if n.Kind == cairn.NodeCall {
			own := JobPermissions(n, file, limit)
			b.checkPermissions(n.Body, cairn.NamedPermissions(n.BodyPermissions), BodyLimit(n, own))
		}
	}
}
