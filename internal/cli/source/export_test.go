package source

import "github.com/cairn-ml/cairn/internal/cli/ignore"

func file(path string, size int64) ignore.File {
	return ignore.File{Path: path, Name: path, Size: size}
}
