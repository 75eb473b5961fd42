// Package host runs jobs as processes of this computer.
//
// Each job has a folder and a supervisor: a process of its own session that
// outlives whoever started it, runs the steps, and appends what happened to
// events.jsonl. The [Backend] starts supervisors, finds them again, and reads
// that file; it never asks a supervisor anything, so nothing is lost when the
// owner is killed.
package host
