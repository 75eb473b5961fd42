// Package trigger says what an event starts: which commit's workflow files count
// for it, whether one of them runs and why not, what github.event holds, and when
// a schedule is due. It does no I/O.
package trigger
