// Package auth says who asks and what they may do: principals with roles,
// tokens of people and of jobs, and the secrets and variables of scopes.
//
// On the home's socket, and over loopback from the same system user, nobody
// needs a token: whoever can open those can read the home's files anyway.
// Everybody else shows a token. A browser is never trusted for its user alone:
// see [Guard] for Host and Origin.
package auth
