package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

const (
	unitName    = "cairn.service"
	systemUnits = "/etc/systemd/system"
	askTime     = 5 * time.Second
	changeTime  = time.Minute
)

// installer puts the unit of the owner in place and takes it away.
type installer struct {
	k      *kit.Kit
	listen string
	system bool
	now    bool
	print  bool
}

// unit describes the service of this home.
func (i *installer) unit() (Unit, error) {
	u := Unit{Listen: i.listen, System: i.system}
	exe, err := os.Executable()
	if err == nil {
		u.Exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return u, cairn.Errorf(cairn.CodeUnavailable, "the cairn program cannot be found: %w", err)
	}
	if u.Home = i.k.Env("CAIRN_HOME"); u.Home == "" {
		data := i.k.Env("XDG_DATA_HOME")
		if !filepath.IsAbs(data) {
			if i.k.Env("HOME") == "" {
				return u, cairn.Errorf(cairn.CodeInvalid, "neither CAIRN_HOME nor HOME is set").
					WithHint("set CAIRN_HOME to the folder in which Cairn may keep everything")
			}
			data = filepath.Join(i.k.Env("HOME"), ".local", "share")
		}
		u.Home = filepath.Join(data, "cairn")
	}
	u.Home = i.k.Path(u.Home)
	if path := i.k.Env("PATH"); path != "" {
		u.Env = append(u.Env, cairn.NamedText{Name: "PATH", Value: path})
	}
	if i.system {
		if me, err := user.Current(); err == nil && me.Uid != "0" {
			u.User = me.Username
		}
	}
	return u, nil
}

// file is where the unit belongs.
func (i *installer) file() (string, error) {
	if i.system {
		return filepath.Join(systemUnits, unitName), nil
	}
	config := i.k.Env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		home := i.k.Env("HOME")
		if home == "" {
			return "", cairn.Errorf(cairn.CodeInvalid, "HOME is not set: there is no place for a user's unit").WithHint("--system makes one for the machine")
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "systemd", "user", unitName), nil
}

func (i *installer) systemctl(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !i.system {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.Env = i.k.Environ
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// answers reports whether there is a systemd that would start the unit; why says
// why not.
func (i *installer) answers(ctx context.Context) (why string) {
	if runtime.GOOS != "linux" {
		return "systemd is only there on Linux"
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "this machine was not started by systemd"
	}
	out, err := i.systemctl(ctx, askTime, "show", "--property=Version")
	if err != nil {
		if out == "" {
			out = err.Error()
		}
		return "systemctl does not answer: " + out
	}
	return ""
}

func (i *installer) install(ctx context.Context) error {
	u, err := i.unit()
	if err != nil {
		return err
	}
	text, err := u.Text()
	if err != nil {
		return err
	}
	if i.print {
		fmt.Fprint(i.k.Term.Out, text)
		return nil
	}
	if why := i.answers(ctx); why != "" {
		fmt.Fprint(i.k.Term.Out, u.Loop())
		return cairn.Errorf(cairn.CodeUnsupported, "no unit was installed: %s", why).
			WithHint("put the lines above into a script that runs when the machine starts (/etc/rc.local, @reboot of crontab); cairn serve --install --print shows the unit")
	}
	file, err := i.file()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return denied(file, err)
	}
	if string(old) != text {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return denied(file, err)
		}
		if err := replace(file, text); err != nil {
			return denied(file, err)
		}
	}
	steps := [][]string{{"daemon-reload"}, {"enable", unitName}}
	if i.now {
		steps = append(steps, []string{"restart", unitName})
	}
	for _, s := range steps {
		if out, err := i.systemctl(ctx, changeTime, s...); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "systemctl %s: %s", strings.Join(s, " "), orError(out, err)).WithHint("the unit is %s", file)
		}
	}
	fmt.Fprintf(i.k.Term.Err, "installed %s\n", file)
	if !i.now {
		fmt.Fprintf(i.k.Term.Err, "it starts with the %s; now: systemctl %sstart cairn\n", map[bool]string{true: "machine", false: "session"}[i.system], userFlag(i.system))
	}
	if !i.system {
		fmt.Fprintln(i.k.Term.Err, "so that it runs while nobody is logged in: loginctl enable-linger")
	}
	return nil
}

func (i *installer) uninstall(ctx context.Context) error {
	file, err := i.file()
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(i.k.Term.Err, "no unit is installed: there is no %s\n", file)
		return nil
	}
	running := i.answers(ctx) == ""
	if running {
		// Jobs and stages go on: the unit says KillMode=process.
		if out, err := i.systemctl(ctx, changeTime, "disable", "--now", unitName); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "systemctl disable --now %s: %s", unitName, orError(out, err))
		}
	}
	if err := os.Remove(file); err != nil {
		return denied(file, err)
	}
	if running {
		if out, err := i.systemctl(ctx, changeTime, "daemon-reload"); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "systemctl daemon-reload: %s", orError(out, err))
		}
	}
	fmt.Fprintf(i.k.Term.Err, "removed %s\n", file)
	return nil
}

// keeps reports whether a unit that is there starts the owner of a home again.
func (i *installer) keeps(ctx context.Context, file, home string) bool {
	b, err := os.ReadFile(file)
	return err == nil && strings.Contains(string(b), "\nEnvironment="+word("CAIRN_HOME="+home, false)+"\n") && i.answers(ctx) == ""
}

func userFlag(system bool) string {
	if system {
		return ""
	}
	return "--user "
}

func orError(out string, err error) string {
	if out == "" {
		return err.Error()
	}
	return out
}

// replace writes a file that is either whole or as it was.
func replace(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".cairn-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func denied(file string, err error) error {
	e := cairn.Errorf(cairn.CodeUnavailable, "%s cannot be changed: %w", file, err)
	if errors.Is(err, fs.ErrPermission) {
		e.Code = cairn.CodeForbidden
		return e.WithHint("run it as root, or without --system for this user alone")
	}
	return e
}
