package cairn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PredictionID names one answered request: the release, the stage, the segment
// of the stage's log and the offset in it, so that the record is found without
// any index: "4f2a91c03d17-1-3-81920".
type PredictionID string

// NewPredictionID joins the parts.
func NewPredictionID(release string, stage, segment, offset int64) PredictionID {
	return PredictionID(fmt.Sprintf("%s-%d-%d-%d", release, stage, segment, offset))
}

// Parts splits an id, which may come from anywhere.
func (p PredictionID) Parts() (release string, stage, segment, offset int64, err error) {
	bad := func() error {
		return Errorf(CodeInvalid, "%q is not a prediction", clip(string(p), 80)).
			WithHint("it looks like 4f2a91c03d17-1-3-81920; the header X-Cairn-Prediction of an answer has it")
	}
	f := strings.Split(string(p), "-")
	if len(f) != 4 || len(p) > 80 || len(f[0]) != 12 || !isLowerHex(f[0]) {
		return "", 0, 0, 0, bad()
	}
	var n [3]int64
	for i := range n {
		v, e := strconv.ParseInt(f[i+1], 10, 64)
		if e != nil || v < 0 || strconv.FormatInt(v, 10) != f[i+1] {
			return "", 0, 0, 0, bad()
		}
		n[i] = v
	}
	return f[0], n[0], n[1], n[2], nil
}

// Ref is the prediction's name in the lineage graph.
func (p PredictionID) Ref() Ref { return NewRef(KindPrediction, string(p)) }

// Prediction is one answered request, as the log of its stage keeps it.
type Prediction struct {
	ID         PredictionID `json:"id"`
	Deployment DeploymentID `json:"deployment"`
	Release    string       `json:"release"`
	Repository string       `json:"repository,omitempty"`
	Stage      string       `json:"stage,omitempty"`
	Image      Digest       `json:"image,omitempty"`
	Model      Digest       `json:"model,omitempty"`
	At         time.Time    `json:"at"`
	Took       Micros       `json:"took_us"` // until the answer was complete
	Remote     string       `json:"remote,omitempty"`
	Method     string       `json:"method"`
	Path       string       `json:"path"` // with the query
	Status     int          `json:"status"`
	Request    Exchanged    `json:"request"`
	Response   Exchanged    `json:"response"`
	// Async says that the answer did not wait for the disk.
	Async bool `json:"async,omitempty"`
	// Error says why an answer broke off after it had begun.
	Error string `json:"error,omitempty"`
	// Open says that the record of its end is missing: the gateway was killed while
	// the answer was on its way.
	Open bool `json:"open,omitempty"`
	// Deleted says that somebody had the bodies erased.
	Deleted bool `json:"deleted,omitempty"`
	// Report is what somebody said of it; filled by reads.
	Report *PredictionReport `json:"report,omitempty"`
}

// Micros is a duration in microseconds.
type Micros int64

// Exchanged is one direction of a request: kept headers, and the body as far as
// it is kept.
type Exchanged struct {
	Type string `json:"type,omitempty"` // Content-Type
	Size int64  `json:"size"`           // bytes that went by
	// Body is filled where a single prediction is asked for; Cut says that it is
	// only the beginning.
	Body []byte `json:"body,omitempty"`
	Cut  bool   `json:"cut,omitempty"`
}

// PredictionReport says that an answer was wrong (or right), and what was expected.
type PredictionReport struct {
	Prediction PredictionID `json:"prediction"`
	Repository string       `json:"repository"`
	Stage      string       `json:"stage"`
	Expected   string       `json:"expected"` // the class, or any text
	Comment    string       `json:"comment,omitempty"`
	// Input is the digest of the picture (or whatever was sent): kept for good, so
	// that it can become data. Name is its file name, Answer the text that came back.
	Input  Digest    `json:"input,omitempty"`
	Name   string    `json:"name,omitempty"`
	Answer string    `json:"answer,omitempty"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Data is the version that it was exported to.
	Data Ref `json:"data,omitempty"`
}

// PredictionFilter narrows a listing of predictions; zero fields do not. The
// newest come first.
type PredictionFilter struct {
	Repository string
	Stage      string
	Release    string // id or its beginning
	Since      time.Time
	Until      time.Time
	Status     int  // HTTP status
	Reported   bool // only those that somebody reported
	Path       string
	Limit      int // 0: 50; at most 1000
}

// PredictionExport is what became of exporting reports: a data version with a
// folder per expected class.
type PredictionExport struct {
	Data   Ref    `json:"data"`
	Digest Digest `json:"digest"`
	Files  int64  `json:"files"`
	Size   int64  `json:"size"`
	// Left are reports whose input is not kept, with the reason.
	Left []PredictionLeft `json:"left,omitempty"`
}

// PredictionLeft is a report that an export left out.
type PredictionLeft struct {
	Prediction PredictionID `json:"prediction"`
	Reason     string       `json:"reason"`
}

// PredictionErased says what became of a prediction whose bodies were erased.
type PredictionErased struct {
	Prediction PredictionID `json:"prediction"`
	// Data is a version that holds its input all the same: it was exported before.
	Data Ref `json:"data,omitempty"`
}

// PredictionInput is what was sent to be judged: the file of a form, or the whole
// body.
type PredictionInput struct {
	Name string `json:"name,omitempty"` // its file name, never with a folder
	Type string `json:"type,omitempty"` // media type, without parameters
	Ext  string `json:"ext"`            // ".png": what a file that holds it ends in
	Body []byte `json:"body"`
}

// PathMatches reports whether a path, without its query, fits a pattern in which
// "*" stands for any text, slashes too.
func PathMatches(pattern, path string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == path
	}
	rest, ok := strings.CutPrefix(path, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, last)
}
