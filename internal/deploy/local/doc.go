// Package local serves releases on this machine. For each stage it keeps one
// process (`cairn _stage FOLDER`) that owns the stage's port, and tells it over a
// socket what to run: the image in a container where Docker or Podman answers,
// else in its own unpacked root file system, else its Python application on the
// interpreter of this machine.
//
// What runs outlives the owner: a process is recognised by pid, start time and
// run of the machine, and taken up again by the next owner.
package local
