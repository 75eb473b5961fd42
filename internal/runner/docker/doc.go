// Package docker runs the containers of a job with the engine of Docker or Podman:
// its services, the container its steps run in, and actions that are images.
//
// The steps of a job with a container are started by Cairn itself inside of it (see
// inside), with the job's folders mounted under the names that GitHub gives them and
// under their own. Everything that is made carries labels with the home and the job,
// so that an owner finds what a supervisor that was killed has left.
package docker
