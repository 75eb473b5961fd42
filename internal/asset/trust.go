package asset

import "github.com/cairn-ml/cairn"

// trusted refuses what others would use: a run of untrusted code makes artifacts,
// and records the packages that it resolved, but no data, model or label.
func trusted(actor cairn.Principal, kind cairn.AssetKind) error {
	if !actor.Untrusted || kind == cairn.AssetEnvironment {
		return nil
	}
	return cairn.Errorf(cairn.CodeForbidden, "the run is of untrusted code: it may not make or change a %s", kind).
		WithHint("keep it as an artifact; somebody who may write here can start the workflow on a branch of this repository")
}
