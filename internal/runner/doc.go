// Package runner executes one job: its steps in order, with their conditions,
// environment, shells, environment files and workflow commands, masked before
// the first byte reaches a disk.
//
// The parts are separate. An [Executor] knows the rules of steps and nothing of
// processes; a [Machine] starts processes and ends them (internal/runner/host
// does so on this computer); a [Reporter] keeps what happened; a [Registry]
// finds the actions that are built in (internal/runner/action); a [Server] is
// how steps reach the owner. All are handed in.
package runner
