package build

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// fakeServer keeps blobs and images in memory.
type fakeServer struct {
	mu     sync.Mutex
	blobs  map[cairn.Digest][]byte
	images map[string]*cairn.Image // by name and by image/DIGEST
	held   map[cairn.Digest][]cairn.Ref
	code   map[string]bool // git blobs that are the run's own code
	builds []cairn.ImageBuild
	asked  []cairn.HeldQuery
	full   error // what an upload answers
	locks  []string
}

func newServer() *fakeServer {
	return &fakeServer{blobs: map[cairn.Digest][]byte{}, images: map[string]*cairn.Image{}, held: map[cairn.Digest][]cairn.Ref{}, code: map[string]bool{}}
}

func (s *fakeServer) MissingBlobs(_ context.Context, ds []cairn.Digest) ([]cairn.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []cairn.Digest
	for _, d := range ds {
		if _, ok := s.blobs[d]; !ok && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *fakeServer) UploadBlobs(_ context.Context, blobs []Blob) error {
	if s.full != nil {
		return s.full
	}
	for _, b := range blobs {
		r, err := b.Open()
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return err
		}
		if cairn.SumBytes(raw) != b.Digest || int64(len(raw)) != b.Size {
			return cairn.Errorf(cairn.CodeInvalid, "a blob of %d bytes is %s and not %s", len(raw), cairn.SumBytes(raw), b.Digest)
		}
		s.put(raw)
	}
	return nil
}

func (s *fakeServer) put(raw []byte) cairn.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := cairn.SumBytes(raw)
	s.blobs[d] = raw
	return d
}

func (s *fakeServer) GetBlob(_ context.Context, d cairn.Digest) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d]
	if !ok {
		return nil, 0, cairn.Errorf(cairn.CodeNotFound, "no blob %s", d)
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

func (s *fakeServer) HeldFiles(_ context.Context, qs []cairn.HeldQuery) (map[cairn.Digest][]cairn.Ref, error) {
	s.asked = append(s.asked, qs...)
	out := map[cairn.Digest][]cairn.Ref{}
	for _, q := range qs {
		if refs := s.held[q.Digest]; len(refs) > 0 && !s.code[q.Sum] {
			out[q.Digest] = refs
		}
	}
	return out, nil
}

func (s *fakeServer) RecordImage(_ context.Context, b cairn.ImageBuild) (*cairn.Image, error) {
	s.builds = append(s.builds, b)
	img, err := s.image(b.Manifest, b.Layers)
	if err != nil {
		return nil, err
	}
	img.Packed, img.Base, img.BaseName, img.Builder, img.Tags = b.Packed, b.Base, b.BaseName, b.Builder, b.Names
	s.images[string(img.Ref())] = img
	for _, n := range b.Names {
		s.images[n] = img
	}
	return img, nil
}

func (s *fakeServer) image(d cairn.Digest, layers []cairn.ImageLayer) (*cairn.Image, error) {
	m, err := oci.ParseManifest(s.blobs[d], "")
	if err != nil {
		return nil, err
	}
	img := &cairn.Image{Digest: d, MediaType: m.MediaType, Layers: layers}
	if m.Index() {
		for _, x := range m.Manifests {
			img.Manifests = append(img.Manifests, cairn.Digest(x.Digest))
		}
		return img, nil
	}
	img.Config = cairn.Digest(m.Config.Digest)
	var c dockerfile.Image
	if err := json.Unmarshal(s.blobs[img.Config], &c); err != nil {
		return nil, err
	}
	img.Platform, img.Labels = c.OS+"/"+c.Architecture, c.Config.Labels
	if c.Variant != "" {
		img.Platform += "/" + c.Variant
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("%d diff ids for %d layers", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	for i, l := range m.Layers {
		if _, ok := s.blobs[cairn.Digest(l.Digest)]; !ok {
			return nil, fmt.Errorf("the layer %d is not stored", i)
		}
	}
	return img, nil
}

func (s *fakeServer) Image(_ context.Context, name string) (*cairn.Image, error) {
	if img, ok := s.images[name]; ok {
		return img, nil
	}
	if r, err := ref.Parse(name); err == nil {
		if img, ok := s.images[r.String()]; ok {
			return img, nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "there is no image %s here", name)
}

func (s *fakeServer) RecordEnvironment(_ context.Context, name string, lock []byte, _ map[string]string) (cairn.Ref, error) {
	s.locks = append(s.locks, name+": "+string(lock))
	return cairn.Ref("environment/" + name + ":1"), nil
}

// addBase stores an image that files make, for a platform.
func (s *fakeServer) addBase(t testing.TB, name, platform string, files []layer.File, change func(*dockerfile.Image)) *cairn.Image {
	t.Helper()
	var b bytes.Buffer
	if err := layer.Write(&b, files); err != nil {
		t.Fatal(err)
	}
	ld := s.put(b.Bytes())
	var c dockerfile.Image
	c.OS, c.Architecture, c.Variant = platformParts(platform)
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []digest.Digest{digest.Digest(ld)}
	c.History = []ocispec.History{{CreatedBy: "base"}}
	c.Config.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	c.Config.Cmd = []string{"python3"}
	if change != nil {
		change(&c)
	}
	raw, _ := json.Marshal(c)
	cd := s.put(raw)
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest, Config: &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(cd), Size: int64(len(raw))},
		Layers: []oci.Descriptor{{MediaType: layer.DockerTypeTar, Digest: string(ld), Size: int64(b.Len())}}}
	rawM, _ := json.Marshal(m)
	img, err := s.image(s.put(rawM), []cairn.ImageLayer{{Digest: ld, DiffID: ld, Size: int64(b.Len()), MediaType: layer.DockerTypeTar}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ref.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	s.images[r.String()], s.images[string(img.Ref())] = img, img
	return img
}

func text1(p, content string) layer.File {
	return layer.File{Path: p, Mode: 0o644, Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

// pythonFiles are a base with what builds trip over: links in place of folders, a
// sticky folder, users.
func pythonFiles() []layer.File {
	return []layer.File{
		text1("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n"),
		text1("etc/group", "root:x:0:\nstaff:x:50:\n"),
		text1("usr/lib/x/lib.so", "library"),
		{Path: "lib", Type: tar.TypeSymlink, Link: "usr/lib", Mode: 0o777},
		{Path: "var/run", Type: tar.TypeSymlink, Link: "/run", Mode: 0o777},
		{Path: "run", Type: tar.TypeDir, Mode: 0o755},
		{Path: "tmp", Type: tar.TypeDir, Mode: 0o1777},
		{Path: "opt/private", Type: tar.TypeDir, Mode: 0o700, UID: 5, GID: 6},
		text1("usr/local/bin/python3.11", "#!python"),
	}
}

// fakeDeps lays one file per requirement into site-packages.
type fakeDeps struct {
	dir   string
	calls int
	err   error
	env   []string // of the configuration that was looked at last
}

func (d *fakeDeps) Target(_ context.Context, _ *layer.FS, c dockerfile.Image) (wheel.Request, error) {
	d.env = c.Config.Env
	return wheel.Request{Python: "3.11", Platform: "linux/amd64", Libc: "glibc 2.36", SitePackages: "usr/local/lib/python3.11/site-packages",
		ScriptsDir: "usr/local/bin", Interpreter: "/usr/local/bin/python3.11"}, nil
}

func (d *fakeDeps) Layer(ctx context.Context, r wheel.Request) (*wheel.Result, error) {
	d.calls++
	if d.err != nil {
		return nil, d.err
	}
	var names []string
	var add func(dir, text string) error
	add = func(dir, text string) error {
		for line := range strings.Lines(text) {
			kind, v := dockerfile.RequirementLine(line)
			switch kind {
			case "package":
				names = append(names, v)
			case "requirement":
				name := filepath.Join(dir, v)
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				if err := add(filepath.Dir(name), string(b)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := add(r.ContextDir, string(r.Requirements)); err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []layer.File
	for _, n := range slices.Compact(names) {
		files = append(files, text1(r.SitePackages+"/"+strings.NewReplacer("=", "_", "[", "_", "]", "_").Replace(n)+"/__init__.py", n))
	}
	b, err := layer.Build(ctx, d.dir, files)
	if err != nil {
		return nil, err
	}
	res := &wheel.Result{Layer: b, Lock: []byte(strings.Join(names, "\n")), Props: map[string]string{"python": r.Python}}
	for _, n := range names {
		res.Packages = append(res.Packages, wheel.Package{Name: n})
	}
	return res, nil
}

// write makes a folder of files; a name that ends in a slash is a folder, content
// that begins with "-> " a link.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(p, 0o755)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bench is a server with a base, and a builder.
type world struct {
	*fakeServer
	b    *Builder
	deps *fakeDeps
	o    Options
}

func newWorld(t testing.TB) *world {
	s := newServer()
	s.addBase(t, "python:3.11-slim", "linux/amd64", pythonFiles(), nil)
	d := &fakeDeps{dir: t.TempDir()}
	w := &world{fakeServer: s, deps: d, o: Options{Cache: t.TempDir(), Platform: "linux/amd64", Deps: d, Executors: []Executor{}}}
	w.b = New(w.o)
	return w
}

func (w *world) build(t testing.TB, r cairn.BuildRequest) (*cairn.BuildResult, string, error) {
	t.Helper()
	var log bytes.Buffer
	res, err := w.b.Build(context.Background(), w, r, &log)
	return res, log.String(), err
}

// list shows the merged files of an image that are not of its base, one a line.
func (w *world) list(t testing.TB, img *cairn.Image, role string) string {
	t.Helper()
	var out []string
	for _, l := range img.Layers {
		if l.Role == cairn.LayerBase && role != "all" || role != "" && role != "all" && l.Role != role {
			continue
		}
		err := layer.Read(bytes.NewReader(w.blobs[l.Digest]), l.MediaType, func(h *tar.Header, r io.Reader) error {
			b, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			line := fmt.Sprintf("%s %04o %d:%d", h.Name, h.Mode, h.Uid, h.Gid)
			switch h.Typeflag {
			case tar.TypeSymlink:
				line += " -> " + h.Linkname
			case tar.TypeReg:
				line += fmt.Sprintf(" %q", b)
			}
			out = append(out, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func (w *world) config(t testing.TB, img *cairn.Image) dockerfile.Image {
	t.Helper()
	var c dockerfile.Image
	if err := json.Unmarshal(w.blobs[img.Config], &c); err != nil {
		t.Fatal(err)
	}
	return c
}
