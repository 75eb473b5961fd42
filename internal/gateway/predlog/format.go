package predlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/cairn-ml/cairn"
)

// A segment is its header and then records, each aligned to 16 bytes and padded
// with zeros. All numbers are little-endian.
//
//	header: magic 8, version 4, CRC 4, stage 8, segment 8, created (µs) 8, salt 16, zeros 8
//	record: magic 4, kind 1, zeros 3, erased 4, head length 4, at (µs) 8,
//	        request length 4, answer length 4, bodies' CRC 4, CRC 4, status 4, zeros 4,
//	        then the head (JSON), the request's body, the answer's body
//
// The CRC (Castagnoli) of a record covers the salt of its segment, its offset, the
// fixed part without "erased", and the head. The salt is secret to those who send
// requests: bytes inside of a body never look like a record. "erased" changes in
// place and is one aligned word, which a disk writes whole or not at all.
const (
	segMagic   = "CAIRNPL\n"
	segVersion = 1
	segHeader  = 64
	recHeader  = 48
	align      = 16

	recMagic  = uint32(0x4452_4e43) // "CNRD"
	erasedYes = uint32(0x5341_5245) // "ERAS"

	// maxHead and MaxBody bound what a reader believes.
	maxHead = 64 << 10
	// MaxBody is the most that is kept of one body.
	MaxBody = 64 << 20
)

type kind uint8

// The kinds of records: an answer that was whole when it was written, and the
// two ends of one that streams.
const (
	kindWhole kind = 1 + iota
	kindBegin
	kindEnd
)

// segment is the header of a segment file.
type segment struct {
	stage, number int64
	created       time.Time
	salt          [16]byte
}

func (s *segment) encode() []byte {
	b := make([]byte, segHeader)
	copy(b, segMagic)
	binary.LittleEndian.PutUint32(b[8:], segVersion)
	binary.LittleEndian.PutUint64(b[16:], uint64(s.stage))
	binary.LittleEndian.PutUint64(b[24:], uint64(s.number))
	binary.LittleEndian.PutUint64(b[32:], uint64(s.created.UnixMicro()))
	copy(b[40:], s.salt[:])
	binary.LittleEndian.PutUint32(b[12:], segCRC(b))
	return b
}

func segCRC(b []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, t, b[:12]), t, b[16:segHeader])
}

func decodeSegment(b []byte) (*segment, error) {
	if len(b) < segHeader || string(b[:8]) != segMagic {
		return nil, fmt.Errorf("it does not begin like a segment")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != segVersion {
		return nil, fmt.Errorf("its format is version %d; this program reads %d", v, segVersion)
	}
	if binary.LittleEndian.Uint32(b[12:]) != segCRC(b) {
		return nil, fmt.Errorf("its header is damaged")
	}
	s := &segment{
		stage: int64(binary.LittleEndian.Uint64(b[16:])), number: int64(binary.LittleEndian.Uint64(b[24:])),
		created: time.UnixMicro(int64(binary.LittleEndian.Uint64(b[32:]))).UTC(),
	}
	copy(s.salt[:], b[40:])
	return s, nil
}

// fixed is the fixed part of a record.
type fixed struct {
	kind    kind
	erased  bool
	at      int64 // µs
	status  int
	head    int
	req     int
	resp    int
	bodyCRC uint32
}

// size is that of the whole record, with its padding.
func (f *fixed) size() int64 {
	return (int64(recHeader+f.head) + int64(f.req) + int64(f.resp) + align - 1) &^ (align - 1)
}

func recordSize(head, req, resp int) int64 {
	return (&fixed{head: head, req: req, resp: resp}).size()
}

// recordCRC covers where the record lies, its fixed part and its head.
func recordCRC(s *segment, offset int64, b, head []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	c := crc32.Update(0, t, s.salt[:])
	c = crc32.Update(c, t, at[:])
	c = crc32.Update(c, t, b[:8])
	c = crc32.Update(c, t, b[12:36])
	c = crc32.Update(c, t, b[40:recHeader])
	return crc32.Update(c, t, head)
}

func bodyCRC(req, resp []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, t, req), t, resp)
}

// build lays a record out; seal makes it one once its place is known.
func (f *fixed) build(head, req, resp []byte) []byte {
	b := make([]byte, recHeader, recordSize(len(head), len(req), len(resp)))
	binary.LittleEndian.PutUint32(b, recMagic)
	b[4] = byte(f.kind)
	if f.erased {
		binary.LittleEndian.PutUint32(b[8:], erasedYes)
	}
	binary.LittleEndian.PutUint32(b[12:], uint32(len(head)))
	binary.LittleEndian.PutUint64(b[16:], uint64(f.at))
	binary.LittleEndian.PutUint32(b[24:], uint32(len(req)))
	binary.LittleEndian.PutUint32(b[28:], uint32(len(resp)))
	binary.LittleEndian.PutUint32(b[32:], bodyCRC(req, resp))
	binary.LittleEndian.PutUint32(b[40:], uint32(f.status))
	b = append(b, head...)
	b = append(b, req...)
	b = append(b, resp...)
	return b[:cap(b)] // the padding: what make gave is zero
}

func seal(b []byte, s *segment, offset int64) {
	head := b[recHeader : recHeader+binary.LittleEndian.Uint32(b[12:])]
	binary.LittleEndian.PutUint32(b[36:], recordCRC(s, offset, b, head))
}

// decodeFixed reads a fixed part; ok is false where there cannot be one. What it
// says is to be believed only once the CRC was looked at.
func decodeFixed(b []byte) (f fixed, ok bool) {
	if len(b) < recHeader || binary.LittleEndian.Uint32(b) != recMagic {
		return fixed{}, false
	}
	head, req, resp := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[24:]), binary.LittleEndian.Uint32(b[28:])
	if head > maxHead || req > MaxBody || resp > MaxBody {
		return fixed{}, false
	}
	f = fixed{
		kind: kind(b[4]), at: int64(binary.LittleEndian.Uint64(b[16:])), status: int(int32(binary.LittleEndian.Uint32(b[40:]))),
		head: int(head), req: int(req), resp: int(resp), bodyCRC: binary.LittleEndian.Uint32(b[32:]),
	}
	if f.kind < kindWhole || f.kind > kindEnd {
		return fixed{}, false
	}
	// Anything but zero was meant to say erased: rather hide than show.
	f.erased = binary.LittleEndian.Uint32(b[8:]) != 0
	return f, true
}

// head is the JSON of a record. An end has only what was not known at the begin.
type head struct {
	Deployment cairn.DeploymentID `json:"d,omitempty"`
	Release    string             `json:"r,omitempty"`
	Image      cairn.Digest       `json:"i,omitempty"`
	Model      cairn.Digest       `json:"m,omitempty"`
	Took       cairn.Micros       `json:"t,omitempty"`
	Remote     string             `json:"f,omitempty"`
	Method     string             `json:"v,omitempty"`
	Path       string             `json:"p,omitempty"`
	Request    *side              `json:"q,omitempty"`
	Response   *side              `json:"a,omitempty"`
	Async      bool               `json:"y,omitempty"`
	Error      string             `json:"e,omitempty"`
	// BeginSegment and BeginOffset say where an end's begin lies.
	BeginSegment int64 `json:"bs,omitempty"`
	BeginOffset  int64 `json:"bo,omitempty"`
}

type side struct {
	Type string `json:"t,omitempty"`
	Size int64  `json:"s"`
	Cut  bool   `json:"c,omitempty"`
}

// The lengths that texts of a head are cut to, so that it stays below maxHead
// even where JSON writes six bytes for one.
const (
	maxPath = 4 << 10
	maxText = 256
)

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func sideOf(x *cairn.Exchanged) *side {
	return &side{Type: clip(x.Type, maxText), Size: x.Size, Cut: x.Cut}
}

func headOf(p *cairn.Prediction) *head {
	return &head{
		Deployment: p.Deployment, Release: p.Release, Image: p.Image, Model: p.Model, Took: p.Took,
		Remote: clip(p.Remote, maxText), Method: clip(p.Method, maxText), Path: clip(p.Path, maxPath),
		Request: sideOf(&p.Request), Response: sideOf(&p.Response), Async: p.Async, Error: clip(p.Error, maxText),
	}
}

// encodeHead is JSON without the escapes for HTML, which triple the query of a path.
func encodeHead(h *head) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(h); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// prediction is what a whole or begin record says, without bodies.
func (h *head) prediction(s *segment, offset int64, f *fixed) cairn.Prediction {
	p := cairn.Prediction{
		ID:         cairn.NewPredictionID(h.Release, s.stage, s.number, offset),
		Deployment: h.Deployment, Release: h.Release, Image: h.Image, Model: h.Model,
		At: time.UnixMicro(f.at).UTC(), Took: h.Took, Remote: h.Remote, Method: h.Method, Path: h.Path, Status: f.status,
		Async: h.Async, Error: h.Error, Deleted: f.erased, Open: f.kind == kindBegin,
	}
	if h.Request != nil {
		p.Request = cairn.Exchanged{Type: h.Request.Type, Size: h.Request.Size, Cut: h.Request.Cut}
	}
	if h.Response != nil {
		p.Response = cairn.Exchanged{Type: h.Response.Type, Size: h.Response.Size, Cut: h.Response.Cut}
	}
	return p
}

// finish adds what the end of a streamed answer says.
func (h *head) finish(p *cairn.Prediction, f *fixed) {
	p.Open = false
	p.Took = h.Took
	p.Error = h.Error
	p.Deleted = p.Deleted || f.erased
	if h.Request != nil {
		p.Request.Size, p.Request.Cut = h.Request.Size, h.Request.Cut
	}
	if h.Response != nil {
		p.Response.Size, p.Response.Cut = h.Response.Size, h.Response.Cut
	}
}
