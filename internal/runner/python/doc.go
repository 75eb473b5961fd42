// Package python gives a job its Python: it finds the interpreters of this
// machine and asks each for its real version, matches them with what
// actions/setup-python accepts, makes one virtual environment per job, puts a
// pip into it that hands plain installs to uv, and writes down which packages
// were resolved.
//
// Nothing is substituted: a version that is not there is fetched by uv where
// that is possible, else the step fails and names the versions that are there.
package python
