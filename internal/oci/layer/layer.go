// Package layer reads and writes the layers of images: tar archives, and what
// OCI and Docker say about putting one over the other.
//
// Writing is deterministic: the same files give the same bytes on any machine,
// in whatever order they were listed. Reading takes everything for hostile: what
// a layer holds is bounded, and no entry of it, and no link in it, leads out of
// the folder that it is unpacked into.
package layer

import (
	"archive/tar"
	"context"
	"io"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The media types of layers that are written or read here.
const (
	MediaTypeTar   = "application/vnd.oci.image.layer.v1.tar"
	MediaTypeGzip  = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaTypeZstd  = "application/vnd.oci.image.layer.v1.tar+zstd"
	DockerTypeTar  = "application/vnd.docker.image.rootfs.diff.tar"
	DockerTypeGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	DockerTypeZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"
)

// Names that mean a removal; those with the second prefix are notes of a file
// system that Docker once used, except for the last.
const (
	whiteoutPrefix     = ".wh."
	whiteoutMetaPrefix = ".wh..wh."
	whiteoutOpaque     = ".wh..wh..opq"
)

// File is one entry of a layer that is to be written.
type File struct {
	// Path is relative and slash-separated: "app/main.py".
	Path string
	// Mode are the permission bits, with setuid (04000), setgid and sticky.
	Mode int64
	// Type is tar.TypeReg, TypeDir, TypeSymlink or TypeLink; 0 means TypeReg.
	Type byte
	// Link is the target: any text for a symbolic link, a Path of the same layer
	// for a hard link.
	Link     string
	Size     int64
	UID, GID int
	// Open gives the content of a regular file; nil for an empty one.
	Open func() (io.ReadCloser, error)
	// Digest is that of the content where it is known. Content that is another by
	// then is an error: whoever named the file by it would be wrong.
	Digest cairn.Digest
}

// Blob is a layer that was written to disk, uncompressed: its digest is also the
// DiffID of the image's configuration.
type Blob struct {
	Digest cairn.Digest `json:"digest"`
	Size   int64        `json:"size"`
	Path   string       `json:"path"`
}

// Source is a layer to read.
type Source struct {
	// Digest is of the bytes as Open gives them; where it is set they are checked.
	Digest    cairn.Digest
	MediaType string
	Open      func(ctx context.Context) (io.ReadCloser, error)
}

// Whiteout returns the file that, in a layer, removes the path of the layers below.
func Whiteout(p string) File {
	dir, base := path.Split(p)
	return File{Path: dir + whiteoutPrefix + base, Mode: 0o644, Type: tar.TypeReg}
}

// Opaque returns the file that, in a layer, empties a folder of what the layers
// below put there.
func Opaque(dir string) File {
	return File{Path: path.Join(dir, whiteoutOpaque), Mode: 0o644, Type: tar.TypeReg}
}

// maxPath is what Linux takes as one path.
const maxPath = 4096

// cleanPath checks a path that is to be written.
func cleanPath(p string) error {
	switch {
	case p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../"):
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a path inside an image", clip(p)).
			WithHint("such a path is relative, without . and .. and without a slash at its end")
	case strings.IndexByte(p, 0) >= 0:
		return cairn.Errorf(cairn.CodeInvalid, "%q has a zero byte", clip(p))
	case len(p) > maxPath:
		return cairn.Errorf(cairn.CodeInvalid, "the path %q is %d bytes long; at most %d are allowed", clip(p), len(p), maxPath)
	}
	return nil
}

// entryPath makes the path of an entry that was read relative and clean. "" is
// the root. A path that climbs is refused: nothing that makes images writes one.
func entryPath(name string) (string, error) {
	if len(name) > maxPath || strings.IndexByte(name, 0) >= 0 {
		return "", badLayer("an entry's name %q is longer than %d bytes or has a zero byte", clip(name), maxPath)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", badLayer("the entry %q climbs out of its folder", clip(name))
		}
	}
	p := strings.TrimPrefix(path.Clean("/"+name), "/")
	return p, nil
}

func badLayer(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "the layer is not sound: "+format, args...)
}

func clip(s string) string {
	if len(s) <= 200 {
		return s
	}
	return s[:200] + "…"
}

func parent(p string) string {
	d := path.Dir(p)
	if d == "." || d == "/" {
		return ""
	}
	return d
}
