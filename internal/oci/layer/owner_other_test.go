//go:build !unix

package layer_test

import "io/fs"

func describe(fi fs.FileInfo) string { return fi.Mode().String() }
