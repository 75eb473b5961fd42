//go:build !unix

package layer

func isNameError(error) bool { return false }
