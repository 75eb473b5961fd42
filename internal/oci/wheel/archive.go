package wheel

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/cairn-ml/cairn"
)

// Bounds of one wheel. The largest that are published (with CUDA) have some
// 4 GiB and 20,000 files.
const (
	maxWheelFiles = 300_000
	maxWheelSize  = 32 << 30
	maxMeta       = 32 << 20
)

// archive is an opened wheel whose list of files was checked.
type archive struct {
	pkg   Package
	f     *os.File
	info  string // "fastapi-0.110.0.dist-info"
	data  string // "fastapi-0.110.0.data"
	files map[string]*zip.File
	order []string // paths, sorted
	// record is what RECORD says of each file.
	record map[string]recordLine
}

type recordLine struct {
	algorithm, sum string // sum in base64 without padding, as in RECORD
	size           int64
}

func (a *archive) bad(format string, args ...any) error {
	return cairn.Errorf(cairn.CodeInvalid, "the wheel %s is not sound: %w", a.pkg.File, fmt.Errorf(format, args...))
}

// openArchive opens a wheel and checks that its list of files and its RECORD
// agree; what is in the files is checked when they are read.
func openArchive(p Package, file string) (*archive, error) {
	a := &archive{pkg: p, files: map[string]*zip.File{}}
	f, err := os.Open(file)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the wheel %s cannot be read: %w", p.File, err)
	}
	a.f = f
	if err := a.read(); err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

func (a *archive) read() error {
	fi, err := a.f.Stat()
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the wheel %s cannot be read: %w", a.pkg.File, err)
	}
	z, err := zip.NewReader(a.f, fi.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return a.bad("%w", err)
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	if len(z.File) > maxWheelFiles {
		return cairn.Errorf(cairn.CodeTooLarge, "the wheel %s has %d files; at most %d are unpacked", a.pkg.File, len(z.File), maxWheelFiles)
	}
	var packed, size uint64
	for _, e := range z.File {
		if strings.HasSuffix(e.Name, "/") {
			continue
		}
		if err := a.checkEntry(e); err != nil {
			return err
		}
		packed += e.CompressedSize64
		size += e.UncompressedSize64
		if size > maxWheelSize || e.UncompressedSize64 > maxWheelSize {
			return cairn.Errorf(cairn.CodeTooLarge, "the wheel %s becomes more than %d bytes", a.pkg.File, int64(maxWheelSize))
		}
		if packed > uint64(fi.Size()) {
			return a.bad("its files overlap") // how small archives become endless
		}
		a.files[e.Name] = e
		a.order = append(a.order, e.Name)
		if top, _, _ := strings.Cut(e.Name, "/"); strings.HasSuffix(top, ".dist-info") {
			if a.info != "" && a.info != top {
				return a.bad("it has the folders %s and %s", a.info, top)
			}
			a.info = top
		}
	}
	if a.info == "" {
		return a.bad("it has no .dist-info folder")
	}
	name, _, ok := strings.Cut(strings.TrimSuffix(a.info, ".dist-info"), "-")
	if !ok || normalize(name) != a.pkg.Name {
		return a.bad("it holds %s instead of %s", a.info, a.pkg.Name)
	}
	a.data = strings.TrimSuffix(a.info, ".dist-info") + ".data"
	if err := a.checkWheelFile(); err != nil {
		return err
	}
	return a.readRecord()
}

func (a *archive) checkEntry(e *zip.File) error {
	p := e.Name
	switch {
	case p == "" || path.Clean(p) != p || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsAny(p, "\\\x00\n\r") || len(p) > 1000:
		return a.bad("%q is not a path inside it", clip(p))
	case a.files[p] != nil:
		return a.bad("%q is in it twice", clip(p))
	case e.Mode()&(os.ModeType) != 0:
		return a.bad("%q is no plain file", clip(p))
	case strings.HasPrefix(path.Base(p), ".wh."):
		return a.bad("%q would remove a file of the image", clip(p))
	case e.Method != zip.Store && e.Method != zip.Deflate:
		return a.bad("%q is compressed with the unknown method %d", clip(p), e.Method)
	case e.Flags&1 != 0:
		return a.bad("%q is encrypted", clip(p))
	}
	return nil
}

// meta reads a small file of the .dist-info folder.
func (a *archive) meta(name string) ([]byte, bool, error) {
	e := a.files[a.info+"/"+name]
	if e == nil {
		return nil, false, nil
	}
	b, err := a.content(e, maxMeta)
	return b, true, err
}

func (a *archive) content(e *zip.File, limit int64) ([]byte, error) {
	if int64(e.UncompressedSize64) > limit {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s in the wheel %s has %d bytes; at most %d are read", e.Name, a.pkg.File, e.UncompressedSize64, limit)
	}
	r, err := e.Open()
	if err != nil {
		return nil, a.bad("%s: %w", e.Name, err)
	}
	defer r.Close()
	b := make([]byte, 0, e.UncompressedSize64+1)
	buf := bytes.NewBuffer(b)
	n, err := buf.ReadFrom(io.LimitReader(r, int64(e.UncompressedSize64)+1))
	if err != nil {
		return nil, a.bad("%s: %w", e.Name, err)
	}
	if n != int64(e.UncompressedSize64) {
		return nil, a.bad("%s has %d bytes instead of %d", e.Name, n, e.UncompressedSize64)
	}
	return buf.Bytes(), nil
}

func (a *archive) checkWheelFile() error {
	b, ok, err := a.meta("WHEEL")
	if err != nil {
		return err
	}
	if !ok {
		return a.bad("it has no WHEEL file")
	}
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		k, v, _ := strings.Cut(sc.Text(), ":")
		if strings.EqualFold(k, "Wheel-Version") {
			if major, _, _ := strings.Cut(strings.TrimSpace(v), "."); major != "1" {
				return cairn.Errorf(cairn.CodeUnsupported, "the wheel %s is of version %s of the format; 1.x is known", a.pkg.File, strings.TrimSpace(v))
			}
			return nil
		}
	}
	return a.bad("its WHEEL file names no version")
}

// unlisted are files that RECORD cannot or need not name.
func (a *archive) unlisted(p string) bool {
	switch p {
	case a.info + "/RECORD", a.info + "/RECORD.jws", a.info + "/RECORD.p7s":
		return true
	}
	return false
}

// readRecord reads RECORD and holds it against the archive: every file is
// listed with a hash, and nothing is listed that is not there.
func (a *archive) readRecord() error {
	b, ok, err := a.meta("RECORD")
	if err != nil {
		return err
	}
	if !ok {
		return a.bad("it has no RECORD")
	}
	a.record = make(map[string]recordLine, len(a.files))
	cr := csv.NewReader(bytes.NewReader(b))
	cr.FieldsPerRecord, cr.ReuseRecord = -1, true
	for {
		row, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.bad("RECORD: %w", err)
		}
		if len(row) != 3 {
			return a.bad("RECORD has a line with %d fields", len(row))
		}
		p := path.Clean(strings.ReplaceAll(row[0], `\`, "/"))
		if a.unlisted(p) {
			continue
		}
		e := a.files[p]
		if e == nil {
			if strings.HasSuffix(row[0], "/") || strings.HasSuffix(p, ".pyc") {
				continue // folders, and byte code that an installer makes
			}
			return a.bad("RECORD names %q, which is not in it", clip(p))
		}
		l := recordLine{size: -1}
		l.algorithm, l.sum, _ = strings.Cut(row[1], "=")
		l.sum = strings.TrimRight(l.sum, "=")
		if _, err := newHash(l.algorithm); err != nil {
			return a.bad("RECORD gives %q no hash that can be checked (%q)", clip(p), row[1])
		}
		if row[2] != "" {
			if l.size, err = strconv.ParseInt(row[2], 10, 64); err != nil || uint64(l.size) != e.UncompressedSize64 {
				return a.bad("RECORD says that %q has %s bytes; it has %d", clip(p), row[2], e.UncompressedSize64)
			}
		}
		if old, twice := a.record[p]; twice && old != l {
			return a.bad("RECORD names %q twice, differently", clip(p))
		}
		a.record[p] = l
	}
	for p := range a.files {
		if _, ok := a.record[p]; !ok && !a.unlisted(p) {
			return a.bad("RECORD does not name %q", clip(p))
		}
	}
	return nil
}

// newHash makes the hash that RECORD names; weaker ones are not taken.
func newHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("unknown hash %q", algorithm)
}

func encodeSum(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

// check says whether content is what RECORD promised.
func (a *archive) check(p string, sum []byte) error {
	if got := encodeSum(sum); got != a.record[p].sum {
		return a.bad("%q is not what RECORD says: %s instead of %s", clip(p), got, a.record[p].sum)
	}
	return nil
}

// open streams a file and checks it at its end.
func (a *archive) open(p string) (io.ReadCloser, error) {
	e := a.files[p]
	r, err := e.Open()
	if err != nil {
		return nil, a.bad("%s: %w", p, err)
	}
	h, err := newHash(a.record[p].algorithm)
	if err != nil {
		r.Close()
		return nil, a.bad("%s: %w", p, err)
	}
	return &checked{ReadCloser: r, a: a, p: p, h: h}, nil
}

type checked struct {
	io.ReadCloser
	a *archive
	p string
	h hash.Hash
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.h.Write(b[:n])
	if errors.Is(err, io.EOF) {
		if cerr := c.a.check(c.p, c.h.Sum(nil)); cerr != nil {
			return n, cerr
		}
		return n, io.EOF
	}
	if err != nil {
		return n, c.a.bad("%s: %w", c.p, err)
	}
	return n, nil
}

func clip(s string) string {
	if len(s) <= 200 {
		return s
	}
	return s[:200] + "…"
}
