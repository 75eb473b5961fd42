// Package ignore decides which files of a folder are left out of what is sent: by
// .gitignore and .amlignore files, with git's own rules, and never by anything that
// differs between machines. Match is pure; Walk reads a folder.
package ignore
