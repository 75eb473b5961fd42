// Package git runs the system's git: it finds out about the user's working
// trees without ever writing to them, keeps bare repositories of its own
// (hosted), makes the work trees of jobs, and answers git clients over HTTP.
//
// Every git process gets a cleaned environment (no inherited GIT_DIR and the
// like), the C locale, no hooks, no prompts and no file system monitor; it ends
// with its context, and so do its children. In a user's repository the user's
// own configuration counts (safe.directory, global ignore files, filters); in
// hosted repositories and in the work trees of jobs none does but their own.
//
// # Hosted repositories
//
// <dir>/<owner>/<name>.git is bare and self-contained. Branches and tags that
// were pushed are under refs/heads and refs/tags as usual. What runs took from
// working trees is kept apart, out of sight of clients:
//
//	refs/cairn/keep/<commit>  keeps an imported commit and its history
//	refs/cairn/trees/<tree>   keeps the tree of an uncommitted state
//	refs/cairn/tags/<name>    the tags of the working tree's repository
package git
