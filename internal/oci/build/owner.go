package build

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// owner is who copied files belong to.
type owner struct{ uid, gid int }

// maxID is what Linux takes for users and groups.
const maxID = 1<<31 - 2

// owner reads user[:group], by number or by the names of the image.
func (s *stage) owner(spec string) (*owner, error) {
	user, group, hasGroup := strings.Cut(spec, ":")
	o := &owner{}
	if n, ok := id(user); ok {
		o.uid, o.gid = n, n // docker: the same number for the group
	} else {
		row, err := s.lookup("etc/passwd", user, spec)
		if err != nil {
			return nil, err
		}
		if len(row) < 4 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "/etc/passwd of the image has a broken line for %q", clip(user))
		}
		uid, ok1 := id(row[2])
		gid, ok2 := id(row[3])
		if !ok1 || !ok2 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "/etc/passwd of the image has a broken line for %q", clip(user))
		}
		o.uid, o.gid = uid, gid
	}
	if !hasGroup {
		return o, nil
	}
	if n, ok := id(group); ok {
		o.gid = n
		return o, nil
	}
	row, err := s.lookup("etc/group", group, spec)
	if err != nil {
		return nil, err
	}
	if len(row) < 3 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "/etc/group of the image has a broken line for %q", clip(group))
	}
	n, ok := id(row[2])
	if !ok {
		return nil, cairn.Errorf(cairn.CodeInvalid, "/etc/group of the image has a broken line for %q", clip(group))
	}
	o.gid = n
	return o, nil
}

func id(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= maxID
}

// lookup finds the line of a name in a file of users or groups.
func (s *stage) lookup(file, name, spec string) ([]string, error) {
	b, err := s.users(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range bytes.Lines(b) {
		row := strings.Split(strings.TrimSpace(string(line)), ":")
		if row[0] == name && name != "" {
			return row, nil
		}
		if row[0] != "" && len(names) < 1000 {
			names = append(names, row[0])
		}
	}
	if name == "root" {
		return []string{"root", "x", "0", "0"}, nil // also where the image has no such file
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%q: /%s of the image has no %q", clip(spec), file, clip(name))
	if near := cairn.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s? Numbers can be written too: 1000:1000", near)
	}
	return nil, e.WithHint("numbers can be written too: 1000:1000")
}

// users reads a file of users: what the build copied, else what the base has.
func (s *stage) users(file string) ([]byte, error) {
	at, err := s.tree.resolve(file, true)
	if err != nil {
		return nil, err
	}
	if n, ok := s.tree.nodes[at]; ok {
		return readNode(n, usersLimit, file)
	}
	if s.tree.low == nil {
		return nil, nil
	}
	if file == "etc/passwd" {
		return s.tree.low.Passwd, nil
	}
	return s.tree.low.Group, nil
}
