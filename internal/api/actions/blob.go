package actions

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// patience is how long a transfer may stand still.
const patience = 5 * time.Minute

// Bounds of what the blob interface reads whole.
const (
	maxBlockID   = 128
	maxBlockList = 8 << 20
)

// blob is the part of Azure's interface that the clients use: Put Blob, Put Block,
// Put Block List, and reads of whole blobs and of ranges.
func (s *Service) blob(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("x-ms-request-id", rand.Text())
	h.Set("x-ms-version", "2025-11-05")
	h.Set("Cache-Control", "no-store")
	container, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, blobPrefix), "/")
	id, _, _ := strings.Cut(rest, "/")
	var err error
	switch {
	case container == "uploads" && r.Method == http.MethodPut:
		err = s.putBlob(w, r, id)
	case container == "artifacts" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		err = s.getArtifact(w, r, id)
	case container == "caches" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		err = s.getCache(w, r, id)
	default:
		err = cairn.Errorf(cairn.CodeNotFound, "there is no %s %.100s", r.Method, r.URL.Path)
	}
	if err != nil {
		s.blobError(w, r, s.note(r.Context(), err))
	}
}

// granted asks whether the signed address holds, and the lease of its job.
func (s *Service) granted(r *http.Request, thing string, write bool) error {
	g, err := s.o.People.Key().Verify(thing, r.URL.Query(), write, s.o.Now())
	if err != nil || g.Job == 0 {
		return err
	}
	_, err = s.o.People.Leased(r.Context(), g.Job, g.Epoch)
	return err
}

func (s *Service) putBlob(w http.ResponseWriter, r *http.Request, id string) error {
	if err := s.granted(r, "uploads/"+id, true); err != nil {
		return err
	}
	up, err := s.uploads.find(id)
	if err != nil {
		return err
	}
	body := &patient{http.NewResponseController(w), r.Body}
	defer body.done()
	q := r.URL.Query()
	switch comp := q.Get("comp"); comp {
	case "block":
		block := q.Get("blockid")
		if block == "" || len(block) > maxBlockID {
			return cairn.Errorf(cairn.CodeInvalid, "the id of a block has 1 to %d characters", maxBlockID)
		}
		err = putWhole(up, block, r, body)
	case "blocklist":
		var ids []string
		if ids, err = readBlockList(io.LimitReader(body, maxBlockList)); err == nil {
			err = up.commit(ids)
		}
	case "":
		if t := r.Header.Get("x-ms-blob-type"); t != "BlockBlob" {
			return cairn.Errorf(cairn.CodeInvalid, "x-ms-blob-type is %.40q; only BlockBlob is taken", t)
		}
		const whole = "\x00whole" // no id that a query can hold
		if err = putWhole(up, whole, r, body); err == nil {
			err = up.commit([]string{whole})
		}
	default:
		err = cairn.Errorf(cairn.CodeUnsupported, "comp=%.40s is not built", comp)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", `"`+id+`"`)
	h.Set("Last-Modified", s.o.Now().UTC().Format(http.TimeFormat))
	h.Set("x-ms-request-server-encrypted", "false")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// putWhole writes a block and looks at its length and, where the client sends it,
// at its MD5 before the block counts.
func putWhole(up *upload, block string, r *http.Request, body io.Reader) error {
	want := r.Header.Get("Content-MD5")
	if want == "" {
		return up.put(block, &exact{r: body, left: r.ContentLength})
	}
	sum, err := base64.StdEncoding.DecodeString(want)
	if err != nil || len(sum) != md5.Size {
		return cairn.Errorf(cairn.CodeInvalid, "Content-MD5 is not an MD5")
	}
	h := md5.New() // the protocol's, against damage on the way
	return up.put(block, &checked{io.TeeReader(&exact{r: body, left: r.ContentLength}, h), func() error {
		if subtle.ConstantTimeCompare(h.Sum(nil), sum) != 1 {
			return cairn.Errorf(cairn.CodeInvalid, "Md5Mismatch: the block was damaged on the way")
		}
		return nil
	}})
}

// exact refuses a body that ends early; left < 0: its length is not known.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if e.left >= 0 {
		e.left -= int64(n)
		if errors.Is(err, io.EOF) && e.left > 0 {
			return n, io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// checked asks once more at the end.
type checked struct {
	r   io.Reader
	end func() error
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if errors.Is(err, io.EOF) {
		if bad := c.end(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

// readBlockList reads the ids of a list in order. Latest, Uncommitted and Committed
// mean the same here: a block is there once.
func readBlockList(r io.Reader) ([]string, error) {
	d := xml.NewDecoder(r)
	var out []string
	inside := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && inside {
			return nil, cairn.Errorf(cairn.CodeInvalid, "InvalidXmlDocument: the list of blocks is cut")
		}
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "InvalidXmlDocument: the list of blocks is not XML: %w", err)
		}
		switch e := t.(type) {
		case xml.StartElement:
			switch {
			case !inside && e.Name.Local == "BlockList":
				inside = true
			case inside && (e.Name.Local == "Latest" || e.Name.Local == "Uncommitted" || e.Name.Local == "Committed"):
				var id string
				if err := d.DecodeElement(&id, &e); err != nil {
					return nil, cairn.Errorf(cairn.CodeInvalid, "InvalidXmlDocument: %w", err)
				}
				if id == "" || len(id) > maxBlockID || len(out) >= maxBlocks {
					return nil, cairn.Errorf(cairn.CodeInvalid, "InvalidBlockList: at most %d ids of 1 to %d characters", maxBlocks, maxBlockID)
				}
				out = append(out, id)
			default:
				return nil, cairn.Errorf(cairn.CodeInvalid, "InvalidXmlDocument: <%.40s> stands in the list of blocks", e.Name.Local)
			}
		case xml.EndElement:
			return out, nil
		}
	}
}

func (s *Service) getCache(w http.ResponseWriter, r *http.Request, hex string) error {
	if err := s.granted(r, "caches/"+hex, false); err != nil {
		return err
	}
	d, err := cairn.ParseDigest("sha256:" + hex)
	if err != nil {
		return err
	}
	return s.serveBlob(w, r, d, "application/octet-stream", "cache.tzst")
}

// serveBlob answers with stored bytes or a range of them.
func (s *Service) serveBlob(w http.ResponseWriter, r *http.Request, d cairn.Digest, kind, name string) error {
	f, _, err := s.o.Blobs.Get(r.Context(), d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(name))
	h.Set("ETag", `"`+d.Hex()+`"`)
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("x-ms-creation-time", time.Unix(0, 0).UTC().Format(http.TimeFormat))
	if rng := r.Header.Get("x-ms-range"); rng != "" { // the SDK's own name for it
		r.Header.Set("Range", rng)
	}
	pw := &patientWriter{w, http.NewResponseController(w)}
	defer pw.done()
	http.ServeContent(pw, r, "", time.Unix(0, 0).Add(time.Second), f)
	return nil
}

func (s *Service) getArtifact(w http.ResponseWriter, r *http.Request, id string) error {
	if err := s.granted(r, "artifacts/"+id, false); err != nil {
		return err
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return cairn.Errorf(cairn.CodeNotFound, "there is no artifact %.40q", id)
	}
	a, err := s.o.Artifacts.ArtifactByID(r.Context(), n)
	if err != nil {
		return err
	}
	if a.Gone != "" {
		return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d is not kept any more", a.Name, a.Run)
	}
	if a.Archive != "" {
		kind := zipType
		if a.MediaType != "" {
			kind = a.MediaType
		}
		return s.serveBlob(w, r, a.Archive, kind, fileName(a))
	}
	z, err := s.planZip(r.Context(), a.Digest)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", zipType)
	h.Set("Content-Disposition", disposition(fileName(a)))
	h.Set("ETag", `"zip-`+a.Digest.Hex()+`"`)
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("Content-Length", strconv.FormatInt(z.size(), 10))
	if r.Method == http.MethodHead {
		return nil
	}
	pw := &patientWriter{w, http.NewResponseController(w)}
	defer pw.done()
	if err := s.writeZip(r.Context(), pw, z); err != nil {
		// The head is sent: only a cut tells the client.
		s.o.Log.WarnContext(r.Context(), "an artifact could not be sent as a zip", "artifact", a.ID, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// disposition names the file; clients decode the second form, others read the first.
func disposition(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" && !strings.Contains(d, "*") {
		return d
	}
	return "attachment; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// blobError answers as Azure does: the code in a header and in XML.
func (s *Service) blobError(w http.ResponseWriter, r *http.Request, err error) {
	e := cairn.AsError(err)
	code, status := "InternalError", http.StatusInternalServerError
	switch e.Code {
	case cairn.CodeInvalid:
		code, status = "InvalidInput", http.StatusBadRequest
	case cairn.CodeForbidden, cairn.CodeUnauthenticated:
		code, status = "AuthenticationFailed", http.StatusForbidden
	case cairn.CodeNotFound:
		code, status = "BlobNotFound", http.StatusNotFound
	case cairn.CodeConflict:
		code, status = "BlobAlreadyExists", http.StatusConflict
	case cairn.CodeTooLarge:
		code, status = "RequestBodyTooLarge", http.StatusRequestEntityTooLarge
	case cairn.CodeUnsupported:
		code, status = "InvalidQueryParameterValue", http.StatusBadRequest
	case cairn.CodeUnavailable, cairn.CodeCanceled:
		code, status = "ServerBusy", http.StatusServiceUnavailable
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, `<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>`, code)
	_ = xml.EscapeText(&text, []byte(e.Message)) // into memory
	text.WriteString("</Message></Error>")
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text.Bytes()) // the status is sent
	}
}

// patient gives a body time for each read instead of for the whole.
type patient struct {
	rc *http.ResponseController
	r  io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(patience)) // a connection without deadlines waits
	return p.r.Read(b)
}

func (p *patient) done() { _ = p.rc.SetReadDeadline(time.Time{}) }

// patientWriter does so for an answer.
type patientWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.rc.SetWriteDeadline(time.Now().Add(patience))
	return p.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy a file, with time for each piece of it.
func (p *patientWriter) ReadFrom(src io.Reader) (int64, error) {
	const piece = 8 << 20
	all, ok := src.(*io.LimitedReader)
	to, can := p.ResponseWriter.(io.ReaderFrom)
	if !ok || !can {
		return io.Copy(struct{ io.Writer }{p}, src)
	}
	var sent int64
	for all.N > 0 {
		_ = p.rc.SetWriteDeadline(time.Now().Add(patience))
		n, err := to.ReadFrom(&io.LimitedReader{R: all.R, N: min(all.N, piece)})
		sent, all.N = sent+n, all.N-n
		if err != nil {
			return sent, err
		}
		if n == 0 {
			break
		}
	}
	return sent, nil
}

func (p *patientWriter) done() { _ = p.rc.SetWriteDeadline(time.Time{}) }
