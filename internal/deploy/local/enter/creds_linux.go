package enter

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are what root of an image may do: enough for entry points that change
// owners and users, nothing that reaches the machine.
const kept = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_KILL |
	1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_NET_BIND_SERVICE

// become gives up all rights that the user of the image does not have, for good.
// The calls are made for this thread alone: it is the one that starts the program.
func become(user Account, rootless bool) error {
	for c := uintptr(0); c <= 63; c++ {
		if 1<<c&uint64(kept) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL {
			break // this kernel knows no more
		} else if err != nil {
			return fmt.Errorf("rights cannot be given up: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && err != unix.EINVAL {
		return fmt.Errorf("rights cannot be given up: %w", err)
	}
	if !rootless {
		if err := setIDs(user); err != nil {
			return err
		}
	}
	var mask uint64
	if user.UID == 0 {
		mask = kept
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(mask), Permitted: uint32(mask)},
		{Effective: uint32(mask >> 32), Permitted: uint32(mask >> 32)},
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("rights cannot be given up: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("rights cannot be given up: %w", err)
	}
	return nil
}

func setIDs(user Account) error {
	groups := make([]uint32, 0, len(user.Groups)+1)
	for _, g := range user.Groups {
		groups = append(groups, uint32(g))
	}
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); e != 0 {
		return fmt.Errorf("groups of the image's user: %w", e)
	}
	gid, uid := uintptr(user.GID), uintptr(user.UID)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); e != 0 {
		return fmt.Errorf("group %d of the image: %w", user.GID, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); e != 0 {
		return fmt.Errorf("user %d of the image: %w", user.UID, e)
	}
	return nil
}
