package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// overlay makes a job's own environment in dir: an empty one that sees the packages of
// base. What the job installs lands in it, and base stays as it is. It is written without
// starting a Python.
func overlay(dir string, b *base) error {
	parts := strings.SplitN(b.Ver, ".", 3)
	if len(parts) < 2 {
		return fmt.Errorf("%q is no version of Python", b.Ver)
	}
	minor := parts[0] + "." + parts[1]
	site := filepath.Join(dir, "lib", "python"+minor, "site-packages")
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{site, bin} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	real, home := b.Real, b.Home
	if real == "" {
		return fmt.Errorf("%s does not say where its interpreter is", b.Python)
	}
	cfg := fmt.Sprintf("home = %s\ninclude-system-site-packages = false\nversion = %s\nprompt = task\n", home, b.Ver)
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte(cfg), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"python", "python3", "python" + minor} {
		if err := os.Symlink(real, filepath.Join(bin, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// Lines that begin with import are run: addsitedir reads the .pth files of base, too.
	var pth strings.Builder
	for _, s := range b.Site {
		fmt.Fprintf(&pth, "import site; site.addsitedir(%s)\n", pyText(s))
	}
	if err := os.WriteFile(filepath.Join(site, "_cairn_base.pth"), []byte(pth.String()), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"pip", "pip3"} {
		script := "#!/bin/sh\nexec \"" + filepath.Join(bin, "python") + "\" -m pip \"$@\"\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// pyText writes a text as Python does.
func pyText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}
