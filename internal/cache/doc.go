// Package cache keeps what jobs put aside for later runs: compressed tars under a
// key, as actions/cache and the cache service of GitHub define it.
//
// A key is found by the runs of the ref that made it. What runs of a repository's
// default branch made, all runs of the repository find; what runs of a base branch
// made, the pull requests into it find; nobody else finds anything, so that a pull
// request cannot put anything in the way of the default branch. An entry never
// changes. It goes when nobody asked for it for a week, or when its repository
// keeps more than it may: then those go first that were not asked for the longest.
package cache
