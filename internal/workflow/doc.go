// Package workflow reads GitHub Actions YAML into a tree with positions. It is
// pure: bytes in, tree and problems out. A tree that came with an error must
// not be built; [Parse] returns it anyway, as far as it could be read.
//
// What the language allows stands in tables (schema_*.go); the reader that
// follows them is in reader.go. Every finding carries a stable code, a position
// and, where it can, the nearest spelling and the list of what is allowed.
package workflow
