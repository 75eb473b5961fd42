// Package cairn holds the nouns of Cairn: plan, run, job, step, asset, link
// and what they are made of. It imports only the standard library and does no
// I/O; every room under internal/ meets the others through these types.
//
// The story they tell: a workflow file becomes a [Plan]; a plan and a trigger
// become a [Run]; a run's jobs execute on a runner and make [AssetVersion]s;
// every write adds [Link]s; a trace walks the links.
package cairn
