// Package actions speaks the dialect of GitHub's results service, as the npm
// packages @actions/artifact (2.x and later) and @actions/cache (4.x and later)
// use it: two Twirp services in JSON, and the part of Azure's blob interface that
// uploads and downloads go through, behind signed addresses of our own.
//
// An artifact that comes as a zip is kept twice: as the bytes that came, so that
// its digest is the one that its uploader was told, and as the tree of its files,
// which is what everything else in Cairn reads. One that a built-in action or
// cairn artifact create made has no zip; it is made while it is read, the same
// each time.
package actions
