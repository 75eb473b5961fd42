// Package enter is `cairn _enter`: it makes the unpacked root file system of an
// image the root of this process, with a layer of its own to write to, becomes
// the user of the image and starts the program. The shared root is never changed,
// whatever the program does, whether that is done as root or as a user who may
// make user namespaces.
package enter

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Spec is the file that `cairn _enter FILE -- PROGRAM ARG…` reads.
type Spec struct {
	// Roots are folders of the unpacked image that are laid over each other, the
	// topmost first. In Scratch each start makes a folder of its own, for what the
	// program writes, and removes those of starts that have ended.
	Roots   []string `json:"roots"`
	Scratch string   `json:"scratch"`
	// User is USER of the image: name or number, with a group after a colon.
	User string `json:"user,omitempty"`
	// Dir is WORKDIR; one that is not there is made.
	Dir string `json:"dir,omitempty"`
	// Write says how the program gets its own layer: "overlay", "copy" (of the whole
	// root) or "": the first of these that works.
	Write string `json:"write,omitempty"`
	// Bytecode gives the program the folder BytecodeDir for compiled modules, with
	// those of earlier starts: the Specs of a stage's images and their Scratch lie
	// beside each other.
	Bytecode bool `json:"bytecode,omitempty"`
}

// BytecodeDir is in the root what PYTHONPYCACHEPREFIX has to say.
const BytecodeDir = "/.cairn-bytecode"

// The exit codes of what fails before the program runs, as containers have them.
const (
	exitSetup    = 125
	exitNoExec   = 126
	exitNotFound = 127
)

const maxAccounts = 1 << 20 // bytes of /etc/passwd that are read

// readSpec reads a spec file.
func readSpec(path string) (Spec, error) {
	var s Spec
	b, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if len(s.Roots) == 0 || s.Scratch == "" {
		return s, fmt.Errorf("%s names no root or no folder to write to", path)
	}
	return s, nil
}

// Account is a user of an image.
type Account struct {
	UID, GID int
	Groups   []int
	Home     string
}

// Lookup finds the user of an image in its own lists of accounts; roots are as in
// a Spec.
func Lookup(roots []string, user string) (Account, error) {
	a := Account{Home: "/"}
	name, group, hasGroup := strings.Cut(user, ":")
	if name == "" {
		name = "0"
	}
	uid, numeric := number(name)
	a.UID = uid
	known := false
	err := accounts(roots, "etc/passwd", 7, func(f []string) {
		u, ok1 := number(f[2])
		g, ok2 := number(f[3])
		if known || !ok1 || !ok2 || f[0] != name && !(numeric && u == uid) {
			return
		}
		known = true
		a.UID, a.GID, name = u, g, f[0]
		if strings.HasPrefix(f[5], "/") {
			a.Home = f[5]
		}
	})
	if err != nil {
		return a, err
	}
	if !known && !numeric {
		return a, cairn.Errorf(cairn.CodeInvalid, "the image's user %q is not in its /etc/passwd", name).
			WithHint("USER may be a number: USER 1000")
	}
	gid, gidNumeric := number(group)
	found := !hasGroup || gidNumeric
	if hasGroup && gidNumeric {
		a.GID = gid
	}
	err = accounts(roots, "etc/group", 4, func(f []string) {
		g, ok := number(f[2])
		if !ok {
			return
		}
		if hasGroup {
			if !gidNumeric && f[0] == group {
				a.GID, found = g, true
			}
			return
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if known && m == name && len(a.Groups) < 64 {
				a.Groups = append(a.Groups, g)
			}
		}
	})
	if err == nil && !found {
		err = cairn.Errorf(cairn.CodeInvalid, "the image's group %q is not in its /etc/group", group)
	}
	return a, err
}

// accounts visits the lines of the topmost list; one that is not there is empty.
func accounts(roots []string, path string, fields int, visit func([]string)) error {
	f, err := topmost(roots, path)
	if f == nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(io.LimitReader(f, maxAccounts))
	for s.Scan() {
		if p := strings.Split(s.Text(), ":"); len(p) >= fields {
			visit(p)
		}
	}
	return s.Err()
}

// topmost opens a plain file; nil when there is none.
func topmost(roots []string, path string) (*os.File, error) {
	for _, dir := range roots {
		r, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		fi, err := r.Stat(path)
		if err != nil || !fi.Mode().IsRegular() {
			r.Close()
			continue
		}
		f, err := r.Open(path)
		r.Close()
		return f, err
	}
	return nil, nil
}

func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n >= math.MaxUint32 {
		return 0, false
	}
	return int(n), true
}

// RemoveAll removes a tree in which a program may have made folders read-only.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
