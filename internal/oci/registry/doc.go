// Package registry speaks the protocol of the OCI distribution specification (1.1)
// over the home's blobs and rows: docker, podman, skopeo, crane and the nodes of a
// cluster pull from it and push to it.
//
// # Names
//
// The name of a repository is its path: 127.0.0.1:7077/ghcr.io/acme/api is kept as
// ghcr.io/acme/api, 127.0.0.1:7077/api as api. The colon of a port has no place in a
// path and is written "_".
//
// # Uploads
//
// An upload in several requests is a session on disk: what was acknowledged is
// synced, and the session survives a restart. Nothing of it can be seen in the
// registry before its digest was verified and its blob is stored.
//
// # Who asks
//
// A process of the home's own user needs no token here. Clients of registries send
// the one that they have only when they are asked for it, so that a job's push would
// pass for the user's own: they are asked, with a challenge that a client without any
// can answer, too.
//
// Content is named by sha256 alone; sha512 is answered with UNSUPPORTED.
package registry
