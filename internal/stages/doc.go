// Package stages reads .cairn/stages.yml: what a repository says of the stages
// that its releases go through. It is pure: text in, a tree of settings and
// problems with positions out. The fixed checks of a stage are conditions in
// CEL; they are compiled when the file is read and evaluated before a release
// goes live.
package stages

// Path is where the file lies in a repository.
const Path = ".cairn/stages.yml"
