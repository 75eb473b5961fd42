package local

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
)

func TestMain(m *testing.M) {
	if code, is := mainAs(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// blobs keeps what images are made of in memory.
type blobs struct {
	mu sync.Mutex
	m  map[cairn.Digest][]byte
}

func (b *blobs) put(data []byte) cairn.Digest {
	d := cairn.SumBytes(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[d] = data
	return d
}

func (b *blobs) ReadBlob(_ context.Context, d cairn.Digest, _ int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.m[d]; ok {
		return data, nil
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "no blob %s", d)
}

type readSeekNop struct{ io.ReadSeeker }

func (readSeekNop) Close() error { return nil }

func (b *blobs) Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error) {
	data, err := b.ReadBlob(ctx, d, 0)
	return readSeekNop{bytes.NewReader(data)}, int64(len(data)), err
}

// Unpack is what the server plugs in, for plain layers.
func (b *blobs) Unpack(ctx context.Context, layers []cairn.ImageLayer, dir string) error {
	for _, l := range layers {
		data, err := b.ReadBlob(ctx, l.Digest, 0)
		if err != nil {
			return err
		}
		if cairn.SumBytes(data) != l.Digest {
			return cairn.Errorf(cairn.CodeFailed, "the layer %s is damaged", l.Digest)
		}
		r := tar.NewReader(bytes.NewReader(data))
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			p := filepath.Join(dir, h.Name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				return err
			}
			if h.Typeflag == tar.TypeSymlink {
				if err := os.Symlink(h.Linkname, p); err != nil {
					return err
				}
				continue
			}
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if err := os.WriteFile(p, text, os.FileMode(h.Mode)); err != nil {
				return err
			}
		}
	}
	return nil
}

// files of a layer: name to text; a name that ends with ! is a program, one with
// @ a link.
func layerOf(files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		h := &tar.Header{Name: strings.TrimRight(n, "!@"), Mode: 0o644, Size: int64(len(files[n])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(n, "!") {
			h.Mode = 0o755
		}
		if strings.HasSuffix(n, "@") {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, files[n], 0
		}
		_ = w.WriteHeader(h)
		if h.Size > 0 {
			_, _ = io.WriteString(w, files[n])
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// config is what a test says of an image.
type config map[string]any

func (b *blobs) image(c config, arch string, layers ...cairn.ImageLayer) cairn.Image {
	ids := []cairn.Digest{}
	for _, l := range layers {
		ids = append(ids, l.Digest) // not compressed
	}
	text, _ := json.Marshal(map[string]any{"architecture": arch, "os": "linux", "config": c, "rootfs": map[string]any{"type": "layers", "diff_ids": ids}})
	m := map[string]any{"config": map[string]any{"digest": b.put(text), "size": len(text)}}
	var ls []map[string]any
	for _, l := range layers {
		ls = append(ls, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": l.Digest, "size": l.Size})
	}
	m["layers"] = ls
	raw, _ := json.Marshal(m)
	return cairn.Image{Digest: b.put(raw), Layers: layers, Tags: []string{"api:main"}}
}

func (b *blobs) layer(role string, files map[string]string) cairn.ImageLayer {
	data := layerOf(files)
	return cairn.ImageLayer{Digest: b.put(data), Size: int64(len(data)), Role: role, MediaType: "application/vnd.oci.image.layer.v1.tar"}
}

// place is a home with a target.
type place struct {
	t     *testing.T
	home  string
	blobs *blobs
	o     Options
	*Target
	events []cairn.StageEvent
	stage  cairn.Stage
}

func newPlace(t *testing.T, change func(*Options)) *place {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "cairn-local") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, home: home, blobs: &blobs{m: map[cairn.Digest][]byte{}}}
	p.o = Options{
		Home: home, Stage: []string{exe, "_stage"}, Enter: []string{exe, "_enter"}, Serving: ServeRoot,
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CAIRN_TOKEN=secret"},
		Blobs:   p.blobs, Unpack: p.blobs, URL: func() string { return "http://127.0.0.1:7077" },
	}
	if change != nil {
		change(&p.o)
	}
	p.again()
	if p.o.Serving == ServeRoot && os.Geteuid() != 0 {
		if err := os.MkdirAll(p.folder(1).made(), 0o700); err != nil {
			t.Fatal(err)
		}
		if why := p.enters(context.Background(), p.folder(1)); why != "" {
			_ = enter.RemoveAll(home)
			t.Skip("user namespaces are off here: " + why)
		}
	}
	p.stage = cairn.Stage{ID: 1, Repository: "acme/api", Name: "staging", Port: freePort(t)}
	t.Cleanup(func() {
		if err := p.Stop(context.Background(), p.stage); err != nil {
			t.Error(err)
		}
		_ = enter.RemoveAll(home)
	})
	return p
}

// again is a new owner of the same home.
func (p *place) again() {
	p.t.Helper()
	var err error
	if p.Target, err = New(p.o); err != nil {
		p.t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// program is the text of this test binary, where it runs without a root.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Skip("this test binary is linked dynamically (CGO_ENABLED=1): it cannot run in an empty root")
		}
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p *place) request(id cairn.DeploymentID, img cairn.Image) deploy.TargetRequest {
	return deploy.TargetRequest{
		Stage: p.stage, Deployment: cairn.Deployment{ID: id}, Release: cairn.Release{ID: "abcdef123456"}, Image: img,
		Facts: deploy.ServiceFacts{APIVersion: "v1.2.3", ModelName: "digits", ModelVersion: "7", Commit: strings.Repeat("a", 40)},
	}
}

func (p *place) deploy(r deploy.TargetRequest) error {
	p.events = nil
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.Deploy(ctx, r, func(ev cairn.StageEvent) { p.events = append(p.events, ev) })
}

// answer is what the API says.
type answer struct {
	PID  int               `json:"pid"`
	UID  int               `json:"uid"`
	Env  map[string]string `json:"env"`
	Args []string          `json:"args"`
	Dir  string            `json:"dir"`
	Data string            `json:"data"`
}

func (p *place) ask() (a answer, err error) {
	st, err := p.Status(context.Background(), p.stage)
	if err != nil || st == nil || st.Live == nil {
		return a, fmt.Errorf("not live: %v, %w", st, err)
	}
	res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(st.Live.Port))
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	return a, json.NewDecoder(res.Body).Decode(&a)
}

func (p *place) mustAsk() answer {
	p.t.Helper()
	a, err := p.ask()
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// until asks again until it is so; a test that waits too long fails.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func (p *place) api(t *testing.T, c config) cairn.Image {
	return p.blobs.image(c, runtime.GOARCH,
		p.blobs.layer(cairn.LayerBase, map[string]string{"usr/bin/api!": program(t), "bin/api@": "/usr/bin/api", "etc/passwd": "root:x:0:0::/root:\napi:x:1000:1000::/home/api:\n"}),
		p.blobs.layer(cairn.LayerCode, map[string]string{"app/data.txt": "shared"}))
}
