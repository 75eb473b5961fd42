package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// facts are what a build needs to know of the image below it: folders and links,
// so that a layer over it changes neither, and who its users are. They are kept by
// the digest of the image, since reading them takes a pass over all its layers.
type facts struct {
	Version int               `json:"version"`
	Dirs    map[string]dir    `json:"dirs"`
	Links   map[string]string `json:"links"`
	Passwd  []byte            `json:"passwd,omitempty"`
	Group   []byte            `json:"group,omitempty"`
	// Target is the Python of the image, as Dependencies found it.
	Target json.RawMessage `json:"target,omitempty"`
}

type dir struct {
	Mode int64 `json:"m"`
	UID  int   `json:"u,omitempty"`
	GID  int   `json:"g,omitempty"`
}

// factsVersion changes when facts are gathered otherwise.
const factsVersion = 1

// factsLimit bounds a file of facts, and one of users.
const (
	factsLimit = 256 << 20
	usersLimit = 4 << 20
)

// gather reads the facts from an index of the image.
func gather(ctx context.Context, fs *layer.FS) (*facts, error) {
	f := &facts{Version: factsVersion, Dirs: map[string]dir{}, Links: map[string]string{}}
	err := fs.Walk("", func(i layer.Info) error {
		switch i.Type {
		case tar.TypeDir:
			if i.Path != "" {
				f.Dirs[i.Path] = dir{Mode: i.Mode, UID: i.UID, GID: i.GID}
			}
		case tar.TypeSymlink:
			f.Links[i.Path] = i.Link
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for p, to := range map[string]*[]byte{"etc/passwd": &f.Passwd, "etc/group": &f.Group} {
		b, err := fs.ReadFile(ctx, p, usersLimit)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
		*to = b
	}
	return f, nil
}

// keepUsers are the files that are read with the index, so that a compressed layer
// needs no second pass.
func keepUsers(p string, size int64) bool {
	return (p == "etc/passwd" || p == "etc/group" || p == "etc/os-release" || p == "usr/lib/os-release") && size <= usersLimit
}

func (j *job) factsPath(d cairn.Digest) string {
	if j.o.Cache == "" || !d.Valid() {
		return ""
	}
	return filepath.Join(j.o.Cache, "bases", d.Hex()+".json.gz")
}

// loadFacts reads kept facts; nil where there are none that can be used.
func (j *job) loadFacts(d cairn.Digest) *facts {
	name := j.factsPath(d)
	if name == "" {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil
	}
	out := &facts{}
	if err := json.NewDecoder(io.LimitReader(z, factsLimit)).Decode(out); err != nil || out.Version != factsVersion {
		return nil
	}
	return out
}

// saveFacts keeps facts; that it does not work only costs time.
func (j *job) saveFacts(d cairn.Digest, f *facts) {
	name := j.factsPath(d)
	if name == "" {
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err := json.NewEncoder(z).Encode(f); err != nil {
		return
	}
	if err := z.Close(); err != nil {
		return
	}
	if err := writeFile(name, b.Bytes()); err != nil {
		j.o.Log.Debug("facts of a base are not kept", "error", err)
	}
}

// writeFile puts a whole file in place, or none.
func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
