package run

import "github.com/cairn-ml/cairn"

// permissions are what the token of a job may do. Where nobody says anything it is
// the default of the home; nil is that of Cairn. Untrusted code may only read.
func (d *decider) permissions(sc *scope, n *cairn.Node) cairn.Permissions {
	p := permissions(d.plan, sc, n)
	if p == nil {
		p = d.f.Permissions
	}
	if !d.f.Run.Untrusted {
		return p
	}
	if p == nil {
		p = cairn.DefaultPermissions()
	}
	return p.ReadOnly()
}
