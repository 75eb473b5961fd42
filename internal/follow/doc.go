// Package follow keeps up with repositories that stay where they are: on GitHub,
// Gitea, GitLab or any git server. It mirrors their refs, takes each move and
// each event of a signed webhook in once, and writes commit statuses back.
//
// # What is seen once
//
// Two ways tell of the same push: the look at the refs, which may see several
// pushes as one move, and the webhook, which may come late, twice or in another
// order. Both go by where the ref was when it was last recorded:
//
//   - a move from there is taken in and recorded, whoever told of it;
//   - what the webhook tells of a commit that was seen on the ref is old news;
//   - what it tells of another commit is taken in too, since a look saw past it,
//     and noted as being ahead: when a look sees the ref there, nothing starts.
//
// An event is taken in under a key that says which move it is, and recorded then:
// a crash between the two takes it in again under the same key, which starts
// nothing twice.
package follow
