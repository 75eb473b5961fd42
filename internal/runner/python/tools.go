package python

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/semaphore"
)

// Tools is what finding and preparing Pythons needs of the machine. The zero
// value of a field means what its comment says.
type Tools struct {
	// Home is $CAIRN_HOME: tools (uv, fetched Pythons) and caches are below it.
	Home string
	// UserHome is the home folder of the user whom Cairn works for. Jobs have a
	// private HOME; pyenv, conda and pip's configuration are in this one.
	UserHome string
	// Environ is the environment that the user started Cairn with.
	Environ []string
	// Exe is the cairn program, which the pip of a job's environment calls.
	Exe string
	// Log takes lines about what is done; nil drops them.
	Log io.Writer
	// System are folders outside the user's own that hold interpreters; nil means
	// the usual ones of this platform.
	System []string
}

// Getenv returns a variable of the user's environment.
func (t *Tools) Getenv(name string) string { return t.env(name) }

func (t *Tools) env(name string) string {
	for i := len(t.Environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(t.Environ[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}

// ownEnviron is the environment for tools that Cairn itself starts: the user's,
// with the user's HOME, and without what would redirect a Python.
func (t *Tools) ownEnviron(extra ...string) []string {
	out := make([]string, 0, len(t.Environ)+len(extra)+4)
	for _, kv := range t.Environ {
		k, _, _ := strings.Cut(kv, "=")
		switch k {
		case "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "HOME",
			"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV":
			continue
		}
		if strings.HasPrefix(k, "CAIRN_") {
			continue // no token of ours to other programs
		}
		out = append(out, kv)
	}
	out = append(out, "HOME="+t.UserHome, "PYTHONNOUSERSITE=1")
	return append(out, extra...)
}

func (t *Tools) logf(format string, args ...any) {
	if t.Log != nil {
		logLine(t.Log, format, args...)
	}
}

func (t *Tools) toolsDir() string  { return filepath.Join(t.Home, "tools") }
func (t *Tools) cacheDir() string  { return filepath.Join(t.Home, "cache") }
func (t *Tools) uvCache() string   { return filepath.Join(t.Home, "cache", "uv") }
func (t *Tools) pythonDir() string { return filepath.Join(t.Home, "tools", "python") }

// each runs do for 0..n-1, at most limit at once.
func each(ctx context.Context, n, limit int, do func(i int)) error {
	sem := semaphore.NewWeighted(int64(limit))
	for i := range n {
		if err := sem.Acquire(ctx, 1); err != nil {
			return err
		}
		go func() {
			defer sem.Release(1)
			do(i)
		}()
	}
	return sem.Acquire(ctx, int64(limit))
}

// writeAtomic replaces a file by rename, so that a reader never sees half of it.
func writeAtomic(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
