// Package base captures the Python of this machine as a small base image: the
// interpreter, its standard library, every shared library that they load, a
// shell, and the few files that programs expect of a system. It stands in where
// no registry can be reached.
//
// The image has the shape of the official Python images: python3 in
// /usr/local/bin, packages in /usr/local. The same machine gives the same bytes.
package base

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// Options say what is captured.
type Options struct {
	// Python is the path of an interpreter; that of a virtual environment stands for
	// the one that it was made from.
	Python string
	// Environ is what the interpreter is asked with.
	Environ []string
	// Dir is where the layers are written.
	Dir string
	Log io.Writer
}

// Layer is one layer of the image and what it holds.
type Layer struct {
	Blob *layer.Blob
	Note string
}

// Result is a base image: its layers, the lowest first, and its configuration.
type Result struct {
	Layers []Layer
	Config []byte // OCI image configuration
	Python string // "3.11.7"
	Libc   string // "glibc 2.36"
	// Notes say what the image lacks that an official one has.
	Notes []string
}

// FromHost captures an interpreter of this machine. Nothing of its
// site-packages is taken.
func FromHost(ctx context.Context, o Options) (*Result, error) {
	if runtime.GOOS != "linux" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "a base image is captured on Linux only; this is %s", runtime.GOOS).
			WithHint("pull one: cairn image pull python:3.11-slim")
	}
	py, err := ask(ctx, o.Python, o.Environ)
	if err != nil {
		return nil, err
	}
	c, err := newCapture(py)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{c.interpreter, c.library, c.shell, c.system, c.certificates} {
		if err := step(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, cairn.Errorf(cairn.CodeCanceled, "interrupted: %w", err)
		}
	}
	system, python := c.split()
	res := &Result{Python: py.Version, Libc: py.Libc, Notes: c.notes}
	for _, part := range []struct {
		files []layer.File
		note  string
	}{
		{system, "C library, shell and certificates of this machine"},
		{python, "Python " + py.Version + " of this machine"},
	} {
		b, err := layer.Build(ctx, o.Dir, part.files)
		if err != nil {
			return nil, err
		}
		res.Layers = append(res.Layers, Layer{b, part.note})
		if o.Log != nil {
			fmt.Fprintf(o.Log, "%-52s %5d files %8.1f MB\n", part.note, len(part.files), float64(b.Size)/1e6)
		}
	}
	res.Config, err = config(py, c, res.Layers)
	return res, err
}

// config is the image's configuration, in the shape of the official images.
func config(py *interpreter, c *capture, layers []Layer) ([]byte, error) {
	type history struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
		Comment   string `json:"comment"`
	}
	const epoch = "1970-01-01T00:00:00Z"
	var diffs []string
	var hs []history
	for _, l := range layers {
		diffs = append(diffs, string(l.Blob.Digest))
		hs = append(hs, history{epoch, l.Note, "cairn image base create --from-host-python"})
	}
	search := "/usr/local/bin:/usr/local/sbin:/usr/bin:/bin"
	return json.Marshal(map[string]any{
		"created": epoch, "architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{
			"Env": []string{"PATH=" + search, "LANG=C.UTF-8", "PYTHON_VERSION=" + py.Version, "SSL_CERT_FILE=/" + caBundle},
			"Cmd": []string{"python3"},
			"Labels": map[string]string{
				"org.opencontainers.image.title":       "Python " + py.Version + " of a host",
				"org.opencontainers.image.description": "captured by cairn image base create --from-host-python; not an official image",
			},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": diffs},
		"history": hs,
	})
}

// capture collects the files of the image.
type capture struct {
	py    *interpreter
	files map[string]layer.File // by path in the image
	host  map[string]string     // path of the image that a host's file became
	elf   *resolver
	notes []string
}

func newCapture(py *interpreter) (*capture, error) {
	c := &capture{py: py, files: map[string]layer.File{}, host: map[string]string{}}
	var err error
	c.elf, err = newResolver(py)
	return c, err
}

// text adds a file that is written here.
func (c *capture) text(p, s string) {
	c.files[p] = layer.File{Path: p, Mode: 0o644, Type: tar.TypeReg, Size: int64(len(s)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(s)), nil
	}}
}

func (c *capture) dir(p string, mode int64) {
	c.files[p] = layer.File{Path: p, Mode: mode, Type: tar.TypeDir}
}

func (c *capture) link(p, to string) {
	c.files[p] = layer.File{Path: p, Mode: 0o777, Type: tar.TypeSymlink, Link: to}
}

// file adds a file of the host under a path of the image.
func (c *capture) file(p, host string) error {
	fi, err := os.Stat(host)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: %w", host, err)
	}
	if !fi.Mode().IsRegular() {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: it is no file", host)
	}
	mode := int64(0o644)
	if fi.Mode()&0o111 != 0 {
		mode = 0o755
	}
	c.files[p] = layer.File{Path: p, Mode: mode, Type: tar.TypeReg, Size: fi.Size(), Open: func() (io.ReadCloser, error) { return os.Open(host) }}
	return nil
}

// asIs adds a file of the host at its own path, with every link on the way.
func (c *capture) asIs(host string) error {
	todo := strings.Split(strings.Trim(filepath.Clean(host), "/"), "/")
	at := ""
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			at = strings.TrimSuffix(at[:max(strings.LastIndexByte(at, '/'), 0)], "/")
			continue
		}
		p := strings.TrimPrefix(at+"/"+part, "/")
		fi, err := os.Lstat("/" + p)
		if err != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: %w", host, err)
		}
		if fi.Mode()&os.ModeSymlink == 0 {
			at = p
			continue
		}
		to, err := os.Readlink("/" + p)
		if links++; err != nil || links > 40 {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: its links lead nowhere", host)
		}
		c.link(p, to)
		if filepath.IsAbs(to) {
			at = ""
		}
		todo = append(strings.Split(to, "/"), todo...)
	}
	return c.file(at, "/"+at)
}

// split puts Python and what belongs to it alone into a layer of its own.
func (c *capture) split() (system, python []layer.File) {
	for p, f := range c.files {
		if p == "usr/local" || strings.HasPrefix(p, "usr/local/") || strings.HasPrefix(p, c.py.imageLib()+"/") || strings.HasPrefix(p, "usr/bin/python") ||
			strings.HasPrefix(path.Base(p), "libpython") {
			python = append(python, f)
		} else {
			system = append(system, f)
		}
	}
	return system, python
}

// note records something that a user may miss.
func (c *capture) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

var elfMagic = []byte("\x7fELF")

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [4]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && bytes.Equal(b[:], elfMagic)
}
