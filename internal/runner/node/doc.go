// Package node finds the Nodes of this machine, as the version managers that
// people use lay them down, reads what a project asks for, and fetches one that is
// not there.
package node
