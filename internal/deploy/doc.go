// Package deploy puts releases on stages: it makes releases of images, asks the
// gates of a stage, carries deployments out one after another, goes back to an
// earlier release, and says what is live where.
//
// Rows are the truth. Next is pure: it says what follows for a deployment from
// its row and a few facts; Service applies that and lets a Target do the work. An
// owner that starts again takes up what was under way: a target is idempotent by
// the deployment's number.
package deploy
