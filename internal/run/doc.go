// Package run turns plans into finished runs.
//
// [Decide] is pure: a plan, its expansions and the facts (job states, outputs,
// approvals, capacity, holders of groups, now) go in, actions come out. It
// builds a real graph, without stages: a job is ready as soon as its own needs
// are done. [State.Fold] applies an action to rows in memory; Decide uses it to
// follow its own decisions to their end, and [Engine] uses it to know which rows
// to write, so there is one account of what an action means.
//
// [Engine] is one loop. A pass takes in what supervisors reported, decides, and
// writes everything that follows in one transaction per run; what has to happen
// outside the database (starting and cancelling supervisors) are effects in the
// same transaction, carried out after it and idempotent by id. Killing the
// process between any two of these steps loses nothing and does nothing twice.
package run
