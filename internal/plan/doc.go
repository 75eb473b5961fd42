// Package plan turns a workflow, a trigger and the files it calls into a frozen
// plan. It is pure and does no I/O: what it lacks it names as [Missing], and the
// caller resolves that before it calls [Build] again. The same input gives the
// same plan, byte for byte.
package plan
