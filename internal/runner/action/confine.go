package action

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// Actions of Cairn run on this host, also where the steps of the job run in a
// container. What runs there may put links into the folders that both see. So files
// of such a job are read and written below roots that no link leads out of: nothing
// else of this host is reached.

// shared are the folders that the container of a job sees, and what actions have for
// themselves.
func shared(c *runner.StepContext) []string {
	return []string{filepath.Dir(filepath.Dir(c.Dirs.Workspace)), c.Dirs.Home, c.Dirs.Temp, ownTemp(c)}
}

// openShared opens the shared folder that a path lies in, and says what the path is
// called there.
func openShared(c *runner.StepContext, p string) (root *os.Root, rel string, err error) {
	for _, dir := range shared(c) {
		if rel, err := filepath.Rel(dir, p); dir != "" && err == nil && filepath.IsLocal(rel) {
			root, err := os.OpenRoot(dir)
			return root, rel, err
		}
	}
	return nil, "", cairn.Errorf(cairn.CodeInvalid, "%s is not in the folders that the job's container shares with this machine", p).
		WithHint("name a path of the workspace; copy what lies elsewhere in the container there first")
}

// writable is where a folder of a job can be written: the folder itself or, where the
// job has a container, an address of it that stays the same whatever happens to its
// name.
func writable(c *runner.StepContext, dir string) (at string, done func(), err error) {
	if !c.InContainer {
		return dir, func() {}, nil
	}
	root, rel, err := openShared(c, dir)
	if err != nil {
		return "", nil, err
	}
	defer root.Close()
	if err = root.MkdirAll(rel, 0o777); err == nil {
		var f *os.File
		if f, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY, 0); err == nil {
			return fmt.Sprintf("/proc/self/fd/%d", f.Fd()), func() { f.Close() }, nil
		}
	}
	return "", nil, cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
}

// scratch is where temporary folders of an action are made: where the job has a
// container, in one that it does not see.
func scratch(c *runner.StepContext) string {
	if !c.InContainer {
		return c.Dirs.Temp
	}
	return ownTemp(c) // "": that of this host
}

// ownTemp is TMPDIR of the job on this host, "" where there is none.
func ownTemp(c *runner.StepContext) string {
	if c.Dirs.Files == "" {
		return ""
	}
	tmp := filepath.Join(filepath.Dir(c.Dirs.Files), "tmp")
	if fi, err := os.Lstat(tmp); err != nil || !fi.IsDir() {
		return ""
	}
	return tmp
}

// makeFolder makes a folder of the job; [writable] does so in a container.
func makeFolder(c *runner.StepContext, dir string, mode os.FileMode) error {
	if c.InContainer {
		return nil
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot make %s: %w", dir, err)
	}
	return nil
}

// copyShared copies a file out of a shared folder.
func copyShared(c *runner.StepContext, from, to string) error {
	root, rel, err := openShared(c, from)
	if err != nil {
		return err
	}
	defer root.Close()
	in, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		defer in.Close()
		if fi, serr := in.Stat(); serr != nil || !fi.Mode().IsRegular() {
			return cairn.Errorf(cairn.CodeInvalid, "%s is not a regular file", from)
		}
		err = copyOpen(in, to)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", from, err)
	}
	return nil
}

// checkShared refuses paths to be looked for outside of the shared folders.
func checkShared(c *runner.StepContext, input string) error {
	if !c.InContainer {
		return nil
	}
	for _, line := range lines(input) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePattern(line, c.Dirs.Workspace, c.Dirs.Home)
		if err != nil {
			return err
		}
		if p.negate {
			continue
		}
		root, _, err := openShared(c, p.search)
		if err != nil {
			return err
		}
		root.Close()
	}
	return nil
}

// maxJobFile bounds a file that an action reads whole.
const maxJobFile = 16 << 20

// readJobFile is os.ReadFile for a file of the job.
func readJobFile(c *runner.StepContext, path string) ([]byte, error) {
	if !c.InContainer {
		return os.ReadFile(path)
	}
	root, rel, err := openShared(c, path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxJobFile))
}

// inWorkspace is a path that a step gives: in the workspace and, where what runs in a
// container may have put links there, not through one.
func inWorkspace(c *runner.StepContext, path string) (string, error) {
	if c.InContainer {
		return insideReally(c.Dirs.Workspace, path)
	}
	return inside(c.Dirs.Workspace, path)
}
