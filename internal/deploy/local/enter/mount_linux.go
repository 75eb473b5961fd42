package enter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/proc"
	"golang.org/x/sys/unix"
)

// escape makes a path a value in the options of an overlay.
var escape = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`)

// folder makes the folder of this start. ended are those of starts that have ended.
// Two may be there at once that have not: the one that answers, and the one that
// shall replace it.
func (s *Spec) folder(name string) (own string, ended []string, err error) {
	if err := os.MkdirAll(s.Scratch, 0o700); err != nil {
		return "", nil, err
	}
	es, err := os.ReadDir(s.Scratch)
	if err != nil {
		return "", nil, err
	}
	own = filepath.Join(s.Scratch, name)
	for _, e := range es {
		var pid int
		var start int64
		if n, _ := fmt.Sscanf(e.Name(), "%d-%d", &pid, &start); n == 2 && (e.Name() == name || proc.Start(pid) == start) {
			continue
		}
		ended = append(ended, filepath.Join(s.Scratch, e.Name()))
	}
	if err := RemoveAll(own); err != nil {
		return "", nil, err
	}
	return own, ended, os.Mkdir(own, 0o755)
}

// mount makes the image with a layer of its own the root of this mount
// namespace.
func (s *Spec) mount(own string, rootless bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts cannot be made private: %w", err)
	}
	root := filepath.Join(own, "root")
	for _, d := range []string{"root", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(own, d), 0o755); err != nil {
			return err
		}
	}
	// The root of the overlay has the mode of its upper folder.
	if err := os.Chmod(filepath.Join(own, "upper"), 0o755); err != nil {
		return err
	}
	err := errors.New("not asked for")
	if s.Write != "copy" {
		err = s.overlay(own, rootless)
	}
	if err != nil {
		if s.Write == "overlay" {
			return fmt.Errorf("no overlay: %w", err)
		}
		for _, from := range slices.Backward(s.Roots) {
			if err := copyTree(from, root); err != nil {
				return fmt.Errorf("the image cannot be copied: %w", err)
			}
		}
		if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		// Not possible everywhere for a user, and devices do not work there anyway.
		_ = unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NODEV|unix.MS_NOSUID, "")
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, d := range []string{"proc", "sys", "dev"} {
		if err := folder(dir, d); err != nil {
			return fmt.Errorf("/%s of the image: %w", d, err)
		}
	}
	if s.Bytecode {
		if err := folder(dir, strings.TrimPrefix(BytecodeDir, "/")); err != nil {
			return fmt.Errorf("%s of the image: %w", BytecodeDir, err)
		}
		if err := s.mountBytecode(own, root); err != nil {
			return err
		}
	}
	return pseudo(root, rootless)
}

func (s *Spec) overlay(own string, rootless bool) error {
	var lower []string
	for _, dir := range s.Roots {
		lower = append(lower, escape.Replace(dir))
	}
	o := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + escape.Replace(filepath.Join(own, "upper")) +
		",workdir=" + escape.Replace(filepath.Join(own, "work"))
	if rootless {
		o += ",userxattr"
	}
	return unix.Mount("overlay", filepath.Join(own, "root"), "overlay", unix.MS_NODEV|unix.MS_NOSUID, o)
}

// folder makes sure that a mount can go onto a folder of the image.
func folder(root *os.Root, name string) error {
	fi, err := root.Lstat(name)
	if err == nil && fi.IsDir() {
		return nil
	}
	if err == nil {
		err = root.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Mkdir(name, 0o755)
}

// devices are the ones of the host that are there inside too.
var devices = [...]string{"null", "zero", "full", "random", "urandom", "tty"}

// masked are the files of /proc with which root could change the machine.
var masked = [...]string{"sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"}

// pseudo mounts /proc, /sys and /dev.
func pseudo(root string, rootless bool) error {
	proc := filepath.Join(root, "proc")
	if err := unix.Mount("/proc", proc, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("no /proc: %w", err)
	}
	if !rootless {
		for _, m := range masked {
			p := filepath.Join(proc, m)
			if _, err := os.Stat(p); err != nil {
				continue
			}
			if err := readOnly(p); err != nil {
				return fmt.Errorf("/proc/%s cannot be protected: %w", m, err)
			}
		}
	}
	sys := filepath.Join(root, "sys")
	if err := unix.Mount("/sys", sys, "", unix.MS_BIND|unix.MS_REC, ""); err == nil {
		err := unix.MountSetattr(unix.AT_FDCWD, sys, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		if err != nil {
			// An older kernel: rather none than one that can be written to.
			if err := unix.Unmount(sys, unix.MNT_DETACH); err != nil {
				return fmt.Errorf("/sys cannot be protected: %w", err)
			}
		}
	}
	dev := filepath.Join(root, "dev")
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return fmt.Errorf("no /dev: %w", err)
	}
	for _, d := range devices {
		from, to := "/dev/"+d, filepath.Join(dev, d)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if err := os.WriteFile(to, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("no /dev/%s: %w", d, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o1777); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", shm, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777"); err != nil {
		return fmt.Errorf("no /dev/shm: %w", err)
	}
	return nil
}

// readOnly puts a read-only mount over a path.
func readOnly(path string) error {
	if err := unix.Mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// furnish changes to the new root and puts into it what a machine has: names of
// hosts, a folder for temporary files, the working directory.
func (s *Spec) furnish(own string, user Account, rootless bool) error {
	etc := map[string][]byte{}
	for _, name := range []string{"resolv.conf", "hosts"} {
		if b, err := os.ReadFile("/etc/" + name); err == nil {
			etc[name] = b
		}
	}
	if err := pivot(filepath.Join(own, "root")); err != nil {
		return err
	}
	// From here on every path is one of the image: no link leads out of it.
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return err
	}
	for name, text := range etc {
		path := "/etc/" + name
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/tmp", 0o777); err != nil {
		return err
	}
	if err := os.Chmod("/tmp", os.ModeSticky|0o777); err != nil {
		return err
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if !rootless {
			if err := os.Lchown(dir, user.UID, user.GID); err != nil {
				return err
			}
		}
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("the working directory of the image cannot be used: %w", err)
	}
	return nil
}

// pivot makes a mount the root and lets go of the old one.
func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err == nil {
		// The old root lies over the new one now.
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("the old root cannot be left: %w", err)
		}
		return unix.Chdir("/")
	}
	// The initial root of a machine cannot be moved away from: it is covered.
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("the image cannot become the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}
