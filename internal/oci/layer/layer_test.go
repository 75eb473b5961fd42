package layer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

func text(p, content string) layer.File {
	return layer.File{Path: p, Mode: 0o644, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func folder(p string) layer.File { return layer.File{Path: p, Mode: 0o755, Type: tar.TypeDir} }

func symlink(p, to string) layer.File {
	return layer.File{Path: p, Mode: 0o777, Type: tar.TypeSymlink, Link: to}
}

func source(b []byte) layer.Source {
	return layer.Source{Digest: cairn.SumBytes(b), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

func layerOf(t testing.TB, files ...layer.File) layer.Source {
	t.Helper()
	var b bytes.Buffer
	if err := layer.Write(&b, files); err != nil {
		t.Fatal(err)
	}
	return source(b.Bytes())
}

// raw is a layer as somebody else may have written it.
func raw(t testing.TB, hs ...tar.Header) layer.Source {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range hs {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	w.Close()
	return source(b.Bytes())
}

func reg(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content}
}
func lnk(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}
func dir(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
func hard(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
}

// tree lists a folder as lines: type, path, content or target.
func tree(t testing.TB, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		switch {
		case d.IsDir():
			out = append(out, "d "+rel)
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			out = append(out, "l "+rel+" "+to)
		default:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			out = append(out, "f "+rel+" "+string(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func indexed(t testing.TB, f *layer.FS) []string {
	t.Helper()
	var out []string
	if err := f.Walk("", func(i layer.Info) error {
		switch {
		case i.Path == "":
		case i.IsDir():
			out = append(out, "d "+i.Path)
		case i.Type == tar.TypeSymlink:
			out = append(out, "l "+i.Path+" "+i.Link)
		default:
			b, err := f.ReadFile(t.Context(), i.Path, 0)
			if err != nil {
				return err
			}
			out = append(out, "f "+i.Path+" "+string(b))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func apply(t testing.TB, layers ...layer.Source) ([]string, error) {
	t.Helper()
	d := t.TempDir()
	err := layer.Apply(context.Background(), d, layers, layer.ApplyOptions{Unprivileged: true})
	return tree(t, d), err
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestApplyAndIndexAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		layers []layer.Source
		want   []string
	}{
		{"whiteout", []layer.Source{
			layerOf(t, text("a/x", "1"), text("a/y", "2"), text("b", "3")),
			layerOf(t, layer.Whiteout("a/x"), layer.Whiteout("b"), layer.Whiteout("nothing/there")),
		}, []string{"d a", "d nothing", "f a/y 2"}},
		{"whiteout of a folder", []layer.Source{
			layerOf(t, text("a/b/x", "1"), text("c", "2")), layerOf(t, layer.Whiteout("a")),
		}, []string{"f c 2"}},
		{"opaque spares its own layer, before it and after it", []layer.Source{
			layerOf(t, text("a/old", "1"), text("a/sub/old", "1")),
			raw(t, dir("a/"), reg("a/aaa", "2"), reg("a/sub/new", "3"), reg("a/.wh..wh..opq", ""), reg("a/zzz", "4")),
		}, []string{"d a", "d a/sub", "f a/aaa 2", "f a/sub/new 3", "f a/zzz 4"}},
		{"a whiteout spares what its own layer made", []layer.Source{
			layerOf(t, text("a", "1")), raw(t, reg("a", "2"), reg(".wh.a", "")),
		}, []string{"f a 2"}},
		{"notes of aufs", []layer.Source{raw(t, reg(".wh..wh.plnk/x", ""), reg(".wh..wh.aufs", ""), reg("a", "1"))},
			[]string{"d .wh..wh.plnk", "f .wh..wh.plnk/x ", "f a 1"}},
		{"file over folder, folder over file", []layer.Source{
			layerOf(t, text("a/x", "1"), text("b", "2")), layerOf(t, text("a", "3"), text("b/y", "4")),
		}, []string{"d b", "f a 3", "f b/y 4"}},
		{"folder over a link replaces it", []layer.Source{
			layerOf(t, symlink("lib", "usr/lib"), text("usr/lib/x", "1")), layerOf(t, folder("lib"), text("lib/y", "2")),
		}, []string{"d lib", "d usr", "d usr/lib", "f lib/y 2", "f usr/lib/x 1"}},
		{"a file below a link lands where it points, absolute too", []layer.Source{
			layerOf(t, symlink("var/run", "/run"), symlink("lib", "usr/lib"), folder("usr/lib")),
			raw(t, reg("var/run/pid", "1"), reg("lib/x", "2")),
		}, []string{"d run", "d usr", "d usr/lib", "d var", "f run/pid 1", "f usr/lib/x 2", "l lib usr/lib", "l var/run /run"}},
		{"links that climb stay inside", []layer.Source{
			raw(t, lnk("up", "../../../../.."), lnk("abs", "/etc"), reg("up/tmp/x", "1"), reg("abs/passwd", "2"), reg("up/up/up/y", "3")),
		}, []string{"d etc", "d tmp", "f etc/passwd 2", "f tmp/x 1", "f y 3", "l abs /etc", "l up ../../../../.."}},
		{"a file over a link does not write through it", []layer.Source{
			raw(t, reg("secret", "1"), lnk("a", "secret")), raw(t, reg("a", "2")),
		}, []string{"f a 2", "f secret 1"}},
		{"hard links", []layer.Source{
			raw(t, reg("a", "1"), hard("b", "a"), hard("c", "/a")), raw(t, hard("d", "b"), reg("a", "2")),
		}, []string{"f a 2", "f b 1", "f c 1", "f d 1"}},
		{"absolute and dotted names", []layer.Source{raw(t, dir("./"), reg("/a", "1"), reg("./b//c", "2"))},
			[]string{"d b", "f a 1", "f b/c 2"}},
		{"whiteout below a link", []layer.Source{
			raw(t, lnk("l", "/d"), reg("d/x", "1"), reg("d/y", "2")), raw(t, reg("l/.wh.x", "")),
		}, []string{"d d", "f d/y 2", "l l /d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := apply(t, c.layers...)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "applied", got, c.want)
			f, err := layer.Index(t.Context(), c.layers)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "indexed", indexed(t, f), c.want)
		})
	}
}

func TestHostileLayers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		l    layer.Source
		says string
	}{
		{"climbs", raw(t, reg("../x", "1")), "climbs out"},
		{"climbs inside", raw(t, reg("a/../../x", "1")), "climbs out"},
		{"hard link out", raw(t, hard("x", "../../etc/passwd")), "climbs out"},
		{"hard link to nothing", raw(t, hard("x", "/etc/passwd")), "which is no file"},
		{"hard link through a link", raw(t, lnk("l", "/etc"), hard("x", "l/passwd")), "which is no file"},
		{"hard link to a folder", raw(t, dir("d/"), hard("x", "d")), "which is no file"},
		{"circle", raw(t, lnk("a", "b"), lnk("b", "a"), reg("a/x", "1")), "circle"},
		{"whiteout of everything", raw(t, reg("a", "1"), reg(".wh...", "")), "removes nothing"},
		{"whiteout of the folder above", raw(t, reg("a/x", "1"), reg("a/.wh...", "")), "removes nothing"},
		{"cut", source(cut(t)), "cut short"},
		{"no tar", source(bytes.Repeat([]byte("x"), 2000)), "not sound"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			outside := t.TempDir()
			d := filepath.Join(outside, "a", "root")
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
			err := layer.Apply(t.Context(), d, []layer.Source{c.l}, layer.ApplyOptions{Unprivileged: true})
			if err == nil || !strings.Contains(err.Error(), c.says) || cairn.CodeOf(err) != cairn.CodeInvalid {
				t.Errorf("applied: %v", err)
			}
			if _, err := layer.Index(t.Context(), []layer.Source{c.l}); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("indexed: %v", err)
			}
			equal(t, "outside", tree(t, outside)[:2], []string{"d a", "d a/root"})
		})
	}
}

func cut(t *testing.T) []byte {
	r, _ := raw(t, reg("a", strings.Repeat("x", 5000))).Open(t.Context())
	b, _ := io.ReadAll(r)
	return b[:3000]
}

func TestDamagedLayerIsRefused(t *testing.T) {
	t.Parallel()
	s := layerOf(t, text("a", "1"))
	s.Digest = cairn.SumBytes([]byte("other"))
	if _, err := apply(t, s); err == nil || !strings.Contains(err.Error(), "has other bytes") {
		t.Error(err)
	}
	if _, err := layer.Index(t.Context(), []layer.Source{s}); err == nil {
		t.Error("indexed")
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	zeros := func(w io.WriteCloser, b *bytes.Buffer, n int64) []byte {
		tw := tar.NewWriter(w)
		if err := tw.WriteHeader(&tar.Header{Name: "z", Typeflag: tar.TypeReg, Size: n, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(tw, zero{}, n); err != nil {
			t.Fatal(err)
		}
		tw.Close()
		w.Close()
		return b.Bytes()
	}
	var b bytes.Buffer
	zw, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	bomb := zeros(zw, &b, 300<<20)
	drain := func(_ *tar.Header, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	for _, c := range []struct {
		name string
		b    []byte
		l    layer.Limits
	}{
		{"ratio", bomb, layer.Limits{}},
		{"size", bomb, layer.Limits{Size: 1 << 20}},
		{"entries", bytesOf(t, layerOf(t, text("a", ""), text("b", ""), text("c", ""))), layer.Limits{Entries: 2}},
		{"names", bytesOf(t, layerOf(t, text(strings.Repeat("n", 60), ""), text(strings.Repeat("m", 60), ""))), layer.Limits{Names: 100}},
	} {
		if err := layer.ReadLimited(bytes.NewReader(c.b), layer.MediaTypeZstd, c.l, drain); cairn.CodeOf(err) != cairn.CodeTooLarge {
			t.Errorf("%s: %v", c.name, err)
		}
		// Skipping an entry reads it too.
		if err := layer.ReadLimited(bytes.NewReader(c.b), "", c.l, func(*tar.Header, io.Reader) error { return nil }); cairn.CodeOf(err) != cairn.CodeTooLarge {
			t.Errorf("%s, skipped: %v", c.name, err)
		}
	}
	if err := layer.Read(bytes.NewReader(nil), "application/vnd.oci.image.layer.v1.tar+encrypted", nil); cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Error(err)
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func bytesOf(t testing.TB, s layer.Source) []byte {
	t.Helper()
	r, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCompressedForms(t *testing.T) {
	t.Parallel()
	plain := bytesOf(t, layerOf(t, text("a/b", "hello")))
	var g, z bytes.Buffer
	gw := gzip.NewWriter(&g)
	gw.Write(plain)
	gw.Close()
	zw, _ := zstd.NewWriter(&z)
	zw.Write(plain)
	zw.Close()
	for _, b := range [][]byte{plain, g.Bytes(), z.Bytes()} {
		got, err := apply(t, source(b))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "tree", got, []string{"d a", "f a/b hello"})
		if _, err := apply(t, source(b[:len(b)-10])); err == nil && len(b) != len(plain) {
			t.Error("a cut layer passes")
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	for _, files := range [][]layer.File{
		{text("/a", "")}, {text("a/../b", "")}, {text("..", "")}, {text("", "")}, {text("a/", "")}, {text("a\x00", "")},
		{text("a", "1"), text("a", "2")}, {text("a", "1"), text("a/b", "2")},
		{{Path: "a", Type: tar.TypeLink, Link: "b"}}, {{Path: "a", Type: tar.TypeSymlink}}, {{Path: "a", Type: tar.TypeChar}},
		{{Path: "a", Size: 1}}, {{Path: "a", Mode: 1 << 20}}, {{Path: "a", UID: -1}},
		{{Path: "a", Size: 3, Open: text("", "12").Open}}, {{Path: "a", Size: 1, Open: text("", "12").Open}},
		{{Path: "a", Size: 2, Open: text("", "12").Open, Digest: cairn.SumBytes([]byte("13"))}},
	} {
		if err := layer.Write(io.Discard, files); err == nil {
			t.Errorf("%+v was written", files)
		}
	}
}

// genFiles draws files that can lie in one layer.
func genFiles(t *rapid.T) []layer.File {
	part := rapid.SampledFrom([]string{"a", "b", "c.d", "ü", strings.Repeat("long", 30)})
	var files []layer.File
	taken := map[string]bool{}
	parents := map[string]bool{}
	n := rapid.IntRange(0, 12).Draw(t, "n")
	for i := range n {
		p := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "path"), "/")
		bad := taken[p] || parents[p]
		for d := p; strings.Contains(d, "/"); {
			d = d[:strings.LastIndexByte(d, '/')]
			bad = bad || taken[d]
		}
		if bad {
			continue
		}
		for d := p; strings.Contains(d, "/"); {
			d = d[:strings.LastIndexByte(d, '/')]
			parents[d] = true
		}
		taken[p] = true
		mode := int64(rapid.SampledFrom([]int{0o644, 0o755, 0o600, 0o4755}).Draw(t, "mode"))
		var f layer.File
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			f = symlink(p, rapid.SampledFrom([]string{"a", "../b", "/c.d", "nowhere"}).Draw(t, "to"))
		default:
			f = text(p, fmt.Sprintf("%d", i))
			f.Mode = mode
		}
		files = append(files, f)
	}
	if len(files) > 0 && files[0].Type == 0 && !taken["hard"] {
		files = append(files, layer.File{Path: "hard", Mode: 0o644, Type: tar.TypeLink, Link: files[0].Path})
	}
	return files
}

func TestWriteApplyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		files := genFiles(rt)
		var one, two bytes.Buffer
		if err := layer.Write(&one, files); err != nil {
			rt.Fatal(err)
		}
		if err := layer.Write(&two, rapid.Permutation(files).Draw(rt, "order")); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			rt.Fatal("the order of the list is seen in the bytes")
		}
		d := t.TempDir()
		if err := layer.Apply(context.Background(), d, []layer.Source{source(one.Bytes())}, layer.ApplyOptions{Unprivileged: true}); err != nil {
			rt.Fatal(err)
		}
		for _, f := range files {
			p := filepath.Join(d, f.Path)
			fi, err := os.Lstat(p)
			if err != nil {
				rt.Fatal(err)
			}
			switch f.Type {
			case tar.TypeSymlink:
				if to, _ := os.Readlink(p); to != f.Link {
					rt.Fatalf("%s points to %s", p, to)
				}
			case tar.TypeLink:
				other, err := os.Lstat(filepath.Join(d, f.Link))
				if err != nil || !os.SameFile(fi, other) {
					rt.Fatalf("%s is no hard link", p)
				}
			default:
				r, _ := f.Open()
				want, _ := io.ReadAll(r)
				got, err := os.ReadFile(p)
				if err != nil || !bytes.Equal(got, want) {
					rt.Fatalf("%s has %q: %v", p, got, err)
				}
				if setuid := fi.Mode()&fs.ModeSetuid != 0; int64(fi.Mode().Perm()) != f.Mode&0o777 || setuid != (f.Mode&0o4000 != 0) {
					rt.Fatalf("%s has mode %v", p, fi.Mode())
				}
				if fi.ModTime().Unix() != 0 {
					rt.Fatalf("%s has time %v", p, fi.ModTime())
				}
			}
		}
	})
}

// TestIndexIsWhatApplyMakes draws layers with links and whiteouts over each other.
func TestIndexIsWhatApplyMakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "a/b", "a/c", "b/a", "a/b/c", "c", "c/a/b", "./a", "/b/c"})
		target := rapid.SampledFrom([]string{"a", "/b", "..", "../a", "b/c", "/", "c/../b", "."})
		var layers []layer.Source
		for range rapid.IntRange(1, 4).Draw(rt, "layers") {
			var hs []tar.Header
			for i := range rapid.IntRange(0, 8).Draw(rt, "entries") {
				n := name.Draw(rt, "name")
				switch rapid.IntRange(0, 6).Draw(rt, "kind") {
				case 0, 1:
					hs = append(hs, reg(n, fmt.Sprint(i)))
				case 2:
					hs = append(hs, lnk(n, target.Draw(rt, "target")))
				case 3:
					hs = append(hs, dir(n+"/"))
				case 4:
					d, b := filepath.Split(n)
					hs = append(hs, reg(d+".wh."+b, ""))
				case 5:
					hs = append(hs, reg(n+"/.wh..wh..opq", ""))
				case 6:
					hs = append(hs, hard(n, name.Draw(rt, "old")))
				}
			}
			layers = append(layers, raw(t, hs...))
		}
		f, ierr := layer.Index(context.Background(), layers)
		got, aerr := apply(t, layers...)
		if (ierr == nil) != (aerr == nil) {
			rt.Fatalf("index: %v; apply: %v", ierr, aerr)
		}
		if ierr == nil {
			want := indexed(t, f)
			if !slices.Equal(got, want) {
				rt.Fatalf("applied %q\nindexed %q", got, want)
			}
		}
	})
}

func TestIndexLooksThroughLinks(t *testing.T) {
	t.Parallel()
	dirOf := t.TempDir()
	b, err := layer.Build(t.Context(), dirOf, []layer.File{
		text("usr/lib/x86_64-linux-gnu/libc.so.6", "libc"), symlink("lib", "usr/lib"), symlink("etc/os", "../usr/lib/os-release"),
		text("usr/lib/os-release", "ID=debian"), symlink("usr/bin/python3", "/opt/py/bin/python3.11"), text("opt/py/bin/python3.11", "ELF"),
		symlink("loop", "loop"), text("a/d/f", "right"), symlink("s/l", "../a/d"), text("f", "wrong"), symlink("t", "s/l/../d/f"), symlink("up", "s/.."),
	})
	if err != nil {
		t.Fatal(err)
	}
	src := layer.Source{Digest: b.Digest, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(b.Path) }}
	f, err := layer.IndexWith(t.Context(), []layer.Source{src}, layer.IndexOptions{Keep: func(p string, _ int64) bool { return strings.HasPrefix(p, "usr/lib/") }})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"/lib/x86_64-linux-gnu/libc.so.6": "libc", "etc/os": "ID=debian", "usr/bin/python3": "ELF", "t": "right", "up/f": "wrong",
	} {
		if got, err := f.ReadFile(t.Context(), p, 0); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", p, got, err)
		}
	}
	if _, err := f.Stat("loop"); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
	if _, err := f.Stat("lib/none"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	if i, err := f.Lstat("usr/bin/python3"); err != nil || i.Link != "/opt/py/bin/python3.11" {
		t.Error(i, err)
	}
	if _, err := f.ReadFile(t.Context(), "f", 2); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Error(err)
	}
	got, err := f.Glob("/lib/*/libc.so.*")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "glob", got, []string{"lib/x86_64-linux-gnu/libc.so.6"})
	ls, err := f.ReadDir("lib")
	if err != nil || len(ls) != 2 || ls[0].Path != "usr/lib/os-release" {
		t.Error(ls, err)
	}
}

// TestBytesOfALayer pins the format: a layer that was built by an older Cairn has
// the digest that this one gives it.
func TestBytesOfALayer(t *testing.T) {
	t.Parallel()
	h := sha256.New()
	if err := layer.Write(h, []layer.File{
		text("app/main.py", "print()\n"), {Path: "app/run", Mode: 0o4755, UID: 10, GID: 20}, symlink("l", "app"), layer.Opaque("old"),
		{Path: "z", Type: tar.TypeLink, Link: "app/main.py", Mode: 0o644}, text(strings.Repeat("ä/", 60)+"x", "deep"),
		{Path: "big-owner", Mode: 0o600, UID: math.MaxInt32, GID: 1 << 21},
	}); err != nil {
		t.Fatal(err)
	}
	const want = "sha256:5508b9952d2a485c3591c5453e72638c488f115781c1ed96ee53e961e8c18375"
	if got := cairn.DigestOf(h.Sum(nil)); string(got) != want {
		t.Errorf("the bytes of layers changed: %s", got)
	}
}

func TestApplySkips(t *testing.T) {
	t.Parallel()
	d := t.TempDir()
	var told []string
	err := layer.Apply(t.Context(), d, []layer.Source{raw(t, reg("usr/x", "1"), reg("app/y", "2"), hard("app/z", "usr/x"),
		tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3})}, layer.ApplyOptions{
		Unprivileged: true, Skip: func(p string) bool { return p == "usr" }, Skipped: func(p, why string) { told = append(told, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tree", tree(t, d), []string{"d app", "d dev", "f app/y 2"})
	equal(t, "told", told, []string{"app/z", "dev/null"})
}

func TestApplyAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	d := t.TempDir()
	s := layerOf(t, layer.File{Path: "bin/su", Mode: 0o4755, UID: 0, GID: 7}, layer.File{Path: "home/a", Mode: 0o700, Type: tar.TypeDir, UID: 1234, GID: 1234},
		layer.File{Path: "ro", Mode: 0o555, Type: tar.TypeDir}, text("ro/x", "1"))
	if err := layer.Apply(t.Context(), d, []layer.Source{s, raw(t, reg("ro/y", "2"))}, layer.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{"bin/su": "-rwsr-xr-x 0:7", "home/a": "drwx------ 1234:1234", "ro": "dr-xr-xr-x 0:0"} {
		fi, err := os.Lstat(filepath.Join(d, p))
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(fi); got != want {
			t.Errorf("%s is %s, want %s", p, got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	f, err := layer.Index(t.Context(), []layer.Source{layerOf(t, symlink("lib", "usr/lib"), folder("usr/lib"),
		layer.File{Path: "tmp", Mode: 0o1777, Type: tar.TypeDir}, symlink("var/run", "/run"), symlink("app", "/srv/new"))})
	if err != nil {
		t.Fatal(err)
	}
	files, err := f.Place([]layer.File{text("lib/a", ""), text("tmp/b", ""), text("var/run/c/d", ""), text("app/e", ""), symlink("lib", "elsewhere"),
		{Path: "tmp/f", Type: tar.TypeLink, Link: "lib/a"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range files {
		got = append(got, fmt.Sprintf("%s %o %s", x.Path, x.Mode, x.Link))
	}
	equal(t, "placed", got, []string{"usr/lib/a 644 ", "tmp/b 644 ", "run/c/d 644 ", "srv/new/e 644 ", "lib 777 elsewhere", "tmp/f 0 usr/lib/a",
		"tmp 1777 ", "usr 755 ", "usr/lib 755 "})
}
