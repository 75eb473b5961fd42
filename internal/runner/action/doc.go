// Package action holds the actions that are built in: what `uses:` names. They
// do what the originals of the same name do, with the same inputs, outputs and
// defaults, but in Go and without a network of their own: code comes from the
// hosted repository, artifacts and environments go to the owner through
// [runner.Server].
package action
