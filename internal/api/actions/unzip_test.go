package actions_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/actions"
)

// crafted makes a zip whose headers say what a test wants.
func crafted(t testing.TB, entries ...zip.FileHeader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, h := range entries {
		w, err := z.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/") {
			if _, err := io.WriteString(w, "content"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mode(name string, m fs.FileMode) zip.FileHeader {
	h := zip.FileHeader{Name: name, Method: zip.Store}
	h.SetMode(m)
	return h
}

// patch overwrites bytes behind every occurrence of a signature.
func patch(b []byte, signature string, at int, with []byte) []byte {
	b = bytes.Clone(b)
	for i := 0; ; {
		j := bytes.Index(b[i:], []byte(signature))
		if j < 0 {
			return b
		}
		copy(b[i+j+at:], with)
		i += j + len(signature)
	}
}

const central = "PK\x01\x02"

// TestHostileZips: nothing that a zip says is believed; a refused one leaves no
// artifact, and the next try is taken.
func TestHostileZips(t *testing.T) {
	t.Parallel()
	good := crafted(t, mode("a", 0o644))
	u32 := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	u16 := func(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
	deep := strings.Repeat("d/", 129) + "f"
	for _, c := range []struct {
		what string
		zip  []byte
		want string
	}{
		{"no zip", []byte("hello"), "its end is missing"},
		{"empty", nil, "its end is missing"},
		{"cut", good[:len(good)-30], "its end is missing"},
		{"climbs out", crafted(t, mode("../evil", 0o644)), "does not stay in its folder"},
		{"climbs out below", crafted(t, mode("a/../../evil", 0o644)), "does not stay in its folder"},
		{"dots", crafted(t, mode("a/./b", 0o644)), "does not stay in its folder"},
		{"absolute", crafted(t, mode("/etc/passwd", 0o644)), "does not stay in its folder"},
		{"windows", crafted(t, mode(`..\evil`, 0o644)), "does not stay in its folder"},
		{"drive", crafted(t, mode("C:evil", 0o644)), "does not stay in its folder"},
		{"NUL", crafted(t, mode("a\x00b", 0o644)), "does not stay in its folder"},
		{"twice the slash", crafted(t, mode("a//b", 0o644)), "does not stay in its folder"},
		{"no name", crafted(t, mode("", 0o644)), "a name of 0 bytes"},
		{"not UTF-8", crafted(t, mode("a\xff", 0o644)), "not UTF-8"},
		{"long name", crafted(t, mode(strings.Repeat("n", 256), 0o644)), "has 256 bytes"},
		{"deep", crafted(t, mode(deep, 0o644)), "folders deep"},
		{"link", crafted(t, mode("l", fs.ModeSymlink|0o777)), "neither a file nor a folder"},
		{"device", crafted(t, mode("d", fs.ModeDevice|0o644)), "neither a file nor a folder"},
		{"folder by mode", crafted(t, mode("d", fs.ModeDir|0o755)), "neither a file nor a folder"},
		{"name twice", crafted(t, mode("a", 0o644), mode("a", 0o644)), "stands in it twice"},
		{"file and folder", crafted(t, mode("a", 0o644), mode("a/b", 0o644)), "is a file, and a folder that holds"},
		{"file and empty folder", crafted(t, mode("a", 0o644), mode("a/", fs.ModeDir|0o755)), "stands in it twice"},
		{"encrypted", patch(good, central, 8, u16(1|8)), "is encrypted"},
		{"method", patch(good, central, 10, u16(99)), "packed with method 99"},
		{"bomb by its word", patch(good, central, 24, u32(1<<31-1)), "is said to grow"},
		{"longer than said", patch(patch(crafted(t, zip.FileHeader{Name: "a", Method: zip.Deflate}), central, 24, u32(3)), "PK\x03\x04", 22, u32(3)), ""},
		{"outside", patch(good, central, 42, u32(1<<30)), "zip"},
		{"larger than it is", patch(good, central, 20, u32(1<<30)), ""},
		{"damaged", patch(good, "content", 0, []byte("cOntent")), "checksum"},
		{"count", patch(good, "PK\x05\x06", 10, u16(900)), ""},
		{"directory elsewhere", patch(good, "PK\x05\x06", 16, u32(1<<31)), ""},
		{"size of the directory", patch(good, "PK\x05\x06", 12, u32(1)), "not where its end says"},
		{"offset near the end", patch(good, "PK\x05\x06", 16, u32(uint32(len(good)-30))), "not where its end says"},
		{"something before it", append([]byte("hello"), good...), "not where its end says"},
		{"two ends", twoEnds(good), "it lists 1099511627776 files"},
		{"overlapping", overlapping(t), "overlap"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			status, out := w.upload("x", c.zip, nil)
			if status < 400 || status > 499 || !strings.Contains(fmt.Sprint(out["msg"]), c.want) {
				t.Fatalf("%d %v", status, out)
			}
			if all, err := w.assets.Artifacts(t.Context(), w.job.Run); err != nil || len(all) != 0 {
				t.Fatalf("%v %v", all, err)
			}
			if f, err := w.store.Freed(t.Context(), 10); err != nil || len(f) != 1 || f[0].Digest != cairn.SumBytes(c.zip) {
				t.Errorf("its bytes are not given free: %v %v", f, err)
			}
			if status, out := w.upload("x", good, nil); status != http.StatusOK {
				t.Errorf("the next try: %d %v", status, out)
			}
		})
	}
}

// twoEnds is a zip whose second end is read because of the size of the list alone.
func twoEnds(b []byte) []byte {
	i := bytes.Index(b, []byte("PK\x05\x06"))
	le := binary.LittleEndian
	end64 := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	le.PutUint64(end64[32:], 1<<40)
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	le.PutUint64(locator[8:], uint64(i))
	le.PutUint32(locator[16:], 1)
	end := bytes.Clone(b[i:])
	le.PutUint32(end[12:], 0xffff)
	return slices.Concat(b[:i], end64, locator, end)
}

// overlapping is a zip whose second file lies in the first.
func overlapping(t testing.TB) []byte {
	b := crafted(t, mode("a", 0o644), mode("b", 0o644))
	first := bytes.Index(b, []byte(central))
	second := first + 4 + bytes.Index(b[first+4:], []byte(central))
	out := bytes.Clone(b)
	copy(out[second+42:], []byte{0, 0, 0, 0}) // b is where a is
	return out
}

// TestZipBombs: the bytes of all files together have a limit, and so has each by what
// it grows to.
func TestZipBombs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *actions.Options) { o.MaxUpload = 1 << 20 })
	body := packed(t, "a", strings.Repeat("0", 600_000), "b", strings.Repeat("0", 600_000))
	if len(body) > 10_000 {
		t.Fatal(len(body))
	}
	if status, out := w.upload("x", body, nil); status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(out["msg"]), "more than 1048576 bytes") {
		t.Errorf("%d %v", status, out)
	}
}

// FuzzUnpack: any bytes are refused, or make a tree whose names stay inside and that
// can be sent as a zip again.
func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, "a.txt", "hello", "d/e*", "x", "empty/", ""))
	f.Add(overlapping(f))
	f.Add(crafted(f, mode("../x", 0o644)))
	f.Add([]byte("PK\x05\x06"))
	w := newWorld(f, func(o *actions.Options) { o.MaxUpload = 1 << 20 })
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := w.blobs.PutBytes(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		root, err := w.api.Unpack(t.Context(), d)
		if err != nil {
			if c := cairn.CodeOf(err); c != cairn.CodeInvalid && c != cairn.CodeTooLarge {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		if err := w.api.Pack(t.Context(), &out, root); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range z.File {
			if !fs.ValidPath(strings.TrimSuffix(x.Name, "/")) {
				t.Errorf("%q", x.Name)
			}
		}
	})
}

// BenchmarkUnpack is a zip of 2,000 small files, deflated.
func BenchmarkUnpack(b *testing.B) {
	w := newWorld(b)
	var files []string
	for i := range 2000 {
		files = append(files, fmt.Sprintf("%d/%d.txt", i%50, i), strings.Repeat(fmt.Sprint(i, " line\n"), 40))
	}
	d, err := w.blobs.PutBytes(b.Context(), packed(b, files...))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := w.api.Unpack(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
}
