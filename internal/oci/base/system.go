package base

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

const caBundle = "etc/ssl/certs/ca-certificates.crt"

// shell adds the loader, a shell, env, and the libraries that wheels expect of a
// system, or that are loaded by name only.
func (c *capture) shell() error {
	if c.elf.interp != "" {
		if err := c.asIs(c.elf.interp); err != nil {
			return err
		}
	}
	for _, p := range []string{"/bin/sh", "/usr/bin/env"} {
		if _, err := os.Stat(p); err != nil || !isELF(p) {
			c.note("without %s", p)
			continue
		}
		if err := c.asIs(p); err != nil {
			return err
		}
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: %w", p, err)
		}
		if err := c.libraries(real, nil); err != nil {
			return err
		}
	}
	for _, name := range []string{"libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2",
		"libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6", "libz.so.1"} {
		p, err := c.elf.find(name, nil)
		if err != nil {
			if name == "libstdc++.so.6" || name == "libgomp.so.1" {
				c.note("without %s, which many wheels need: it is not on this machine", name)
			}
			continue
		}
		if err := c.addLibrary(p, name, nil); err != nil {
			return err
		}
	}
	return nil
}

// system adds the files that programs expect.
func (c *capture) system() error {
	c.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
	c.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
	c.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
	host := osRelease()
	id := host["ID"]
	if id == "" {
		id = "linux"
	}
	name := host["PRETTY_NAME"]
	if name == "" {
		name = "an unknown Linux"
	}
	like := strings.TrimSpace(id + " " + host["ID_LIKE"])
	c.text("usr/lib/os-release", "PRETTY_NAME="+quoted("Python "+c.py.Version+" of a host with "+name+", captured by Cairn")+"\nNAME="+quoted("Cairn host Python")+
		"\nID=cairn-host-python\nID_LIKE="+quoted(like)+"\nVERSION_ID="+quoted(c.py.Version)+"\n")
	c.link("etc/os-release", "../usr/lib/os-release")
	for p, mode := range map[string]int64{"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755, "home": 0o755} {
		c.dir(p, mode)
	}
	const locale = "/usr/lib/locale/C.utf8"
	if !isDir(locale) {
		return nil
	}
	return filepath.WalkDir(locale, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return c.asIs(p)
	})
}

func osRelease() map[string]string {
	out := map[string]string{}
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return out
	}
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		if k, v, ok := strings.Cut(sc.Text(), "="); ok {
			out[k] = strings.Trim(v, `"'`)
		}
	}
	return out
}

// quoted writes a value of os-release.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", " ").Replace(s) + `"`
}

// certificates adds the bundle of this machine, where the interpreter's OpenSSL
// looks for it too.
func (c *capture) certificates() error {
	for _, p := range []string{"/" + caBundle, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"} {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			continue
		}
		if err := c.file(caBundle, real); err != nil {
			return err
		}
		at := strings.TrimPrefix(filepath.Clean(c.py.CAFile), "/")
		if inside, ok := c.py.below(c.py.CAFile); ok && c.py.moved() {
			at = inside
		}
		if _, there := c.files[at]; at != "" && at != "." && at != caBundle && !there {
			c.link(at, "/"+caBundle)
		}
		return nil
	}
	c.note("without certificates: this machine has no bundle, so HTTPS to other hosts fails")
	return nil
}
