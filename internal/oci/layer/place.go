package layer

import (
	"archive/tar"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Place makes files fit over this image: paths that lead through a link of the
// image are spelled as where they really lie, and folders above them that are
// there already are listed with the mode and owner that they have. Without that a
// layer's own entry for "lib" would replace the link lib -> usr/lib, and one for
// "tmp" take its sticky bit. Links at the end of a path are not followed.
func (f *FS) Place(files []File) ([]File, error) {
	out := make([]File, 0, len(files)+16)
	own := map[string]bool{} // folders that the list has itself
	above := map[string]bool{}
	for _, x := range files {
		if err := cleanPath(x.Path); err != nil {
			return nil, err
		}
		real, err := f.real(x.Path)
		if err != nil {
			return nil, err
		}
		x.Path = real
		if x.Type == tar.TypeLink {
			if x.Link, err = f.real(x.Link); err != nil {
				return nil, err
			}
		}
		if x.Type == tar.TypeDir {
			own[real] = true
		}
		for d := parent(real); d != "" && !above[d]; d = parent(d) {
			above[d] = true
		}
		out = append(out, x)
	}
	dirs := make([]string, 0, len(above))
	for d := range above {
		if !own[d] {
			dirs = append(dirs, d)
		}
	}
	slices.Sort(dirs)
	for _, d := range dirs {
		n, err := f.lookup(d, false)
		if err != nil || !n.info.IsDir() {
			continue // Write adds it, over whatever is there
		}
		out = append(out, File{Path: d, Type: tar.TypeDir, Mode: n.info.Mode, UID: n.info.UID, GID: n.info.GID})
	}
	return out, nil
}

// Real returns where a path would lie, links on the way to it followed: the path
// itself need not be there.
func (f *FS) Real(p string) (string, error) {
	return f.real(strings.TrimPrefix(path.Clean("/"+p), "/"))
}

func (f *FS) real(p string) (string, error) {
	dir := parent(p)
	at, err := f.realDir(dir)
	if err != nil {
		return "", err
	}
	return join(at, path.Base(p)), nil
}

// realDir follows the links of a folder's path; what is not there stays as it is.
func (f *FS) realDir(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	n, err := f.follow(dir, func(at *node, part string) (*node, error) {
		// A folder to come: it is not put into the index.
		return &node{info: Info{Path: join(at.info.Path, part), Type: tar.TypeDir}}, nil
	})
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "%s cannot be placed in the image: %w", clip(dir), err)
	}
	return n.info.Path, nil
}
