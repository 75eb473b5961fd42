package python

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Byte code is shared between jobs like wheels are. A fresh environment has
// none, and compiling what a large package imports takes longer than installing
// it (4 s of 13 s for the training step of examples/digits). After a job, the
// byte code that its imports made is kept under the digest of the package's
// RECORD; after an install it is linked in. Python itself checks each file
// against time and size of its source, so what does not fit is compiled anew.
// Jobs of one home trust each other here exactly as they do with uv's cache.

// pycDir is where the byte code of a package is kept.
func pycDir(uvCache, tag string, p *pkg) string {
	return filepath.Join(filepath.Dir(uvCache), "pyc", tag, p.record.Hex())
}

// sitePackages finds the folder of packages and the tag of its Python's byte
// code, "cpython-311".
func sitePackages(venv string) (site, tag string, ok bool) {
	sites, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages"))
	if err != nil || len(sites) != 1 {
		return "", "", false
	}
	v := strings.TrimPrefix(filepath.Base(filepath.Dir(sites[0])), "python")
	return sites[0], "cpython-" + strings.Replace(v, ".", "", 1), true
}

// LinkByteCode puts known byte code beside the packages of a venv. It is an
// economy: whatever fails is left for Python to compile.
func LinkByteCode(venv, uvCache string) (linked int) {
	site, tag, ok := sitePackages(venv)
	if !ok {
		return 0
	}
	pkgs, err := installed(venv)
	if err != nil {
		return 0
	}
	for _, p := range pkgs {
		if p.record == "" {
			continue
		}
		from := pycDir(uvCache, tag, p)
		_ = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pyc") {
				return nil
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return nil
			}
			to := filepath.Join(site, rel)
			if os.MkdirAll(filepath.Dir(to), 0o755) == nil && link(path, to) == nil {
				linked++
			}
			return nil
		})
	}
	return linked
}

// KeepByteCode takes over the byte code that a job's imports have made.
func KeepByteCode(venv, uvCache string) (kept int) {
	site, tag, ok := sitePackages(venv)
	if !ok {
		return 0
	}
	dirs, err := filepath.Glob(filepath.Join(site, "*.dist-info"))
	if err != nil {
		return 0
	}
	for _, d := range dirs {
		p, err := readPackage(d)
		if err != nil || p == nil || p.record == "" || p.direct != nil {
			continue
		}
		to := pycDir(uvCache, tag, p)
		for _, src := range sources(filepath.Join(d, "RECORD")) {
			rel := filepath.Join(filepath.Dir(src), "__pycache__", strings.TrimSuffix(filepath.Base(src), ".py")+"."+tag+".pyc")
			if keepOne(filepath.Join(site, rel), filepath.Join(to, rel)) {
				kept++
			}
		}
	}
	return kept
}

// sources lists the Python files of a RECORD that lie below site-packages.
func sources(record string) []string {
	f, err := os.Open(record)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []string
	sc := bufio.NewScanner(io.LimitReader(f, maxMetaFile))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		name, _, _ := strings.Cut(sc.Text(), ",")
		if strings.HasSuffix(name, ".py") && filepath.IsLocal(name) {
			out = append(out, name)
		}
	}
	return out
}

// keepOne links a file into the cache unless the same is there. A file of the
// cache whose source has changed since is replaced.
func keepOne(from, to string) bool {
	a, err := header(from)
	if err != nil {
		return false
	}
	if b, err := header(to); err == nil && bytes.Equal(a, b) {
		return false
	}
	if os.MkdirAll(filepath.Dir(to), 0o755) != nil {
		return false
	}
	tmp, err := os.CreateTemp(filepath.Dir(to), ".tmp-*")
	if err != nil {
		return false
	}
	defer os.Remove(tmp.Name())
	in, err := os.Open(from)
	if err != nil {
		tmp.Close()
		return false
	}
	defer in.Close()
	// A copy, not a link: the job that made the file may still have it open.
	_, err = io.Copy(tmp, in)
	if cerr := tmp.Close(); err != nil || cerr != nil {
		return false
	}
	return os.Chmod(tmp.Name(), 0o644) == nil && os.Rename(tmp.Name(), to) == nil
}

// header is the part of a byte code file that names the time and size of its source.
func header(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 16)
	_, err = io.ReadFull(f, b)
	return b, err
}

// link makes a hard link, or a copy where links do not reach.
func link(from, to string) error {
	if err := os.Link(from, to); err == nil || os.IsExist(err) {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeAtomic(to, b, 0o644)
}
