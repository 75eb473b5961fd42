// Package server is the composition root: it turns configuration into a running
// owner of a home, with every room wired to the ones it needs.
package server
