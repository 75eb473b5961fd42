// Package source is what commands do with YAML files of jobs and assets on this machine:
// find and read them with all that they name, show what is wrong with them, and send
// code, data and build contexts by content.
package source
