// Package command knows what the command of an image means: it recognises the
// servers that Python APIs are started with, and puts them on another host and
// port. It does no I/O.
package command
