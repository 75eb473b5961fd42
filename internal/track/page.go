package track

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/cairn-ml/cairn"
)

// page is what a page token holds: where the next page starts, and which
// question it continues.
type page struct {
	Offset int    `json:"offset"`
	Of     string `json:"of"`
	// After is the last point of a page of a metric's history.
	After *cairn.Metric `json:"after,omitempty"`
}

func questionOf(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q", parts)))
	return hex.EncodeToString(sum[:6])
}

func (p page) token() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // points of a history are finite numbers
	}
	return base64.StdEncoding.EncodeToString(b)
}

func parseToken(token, question string) (page, error) {
	if token == "" {
		return page{Of: question}, nil
	}
	var p page
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(token) > 1000 {
		return p, invalid("Invalid page token, could not base64-decode")
	}
	if err := json.Unmarshal(b, &p); err != nil || p.Offset < 0 {
		return p, invalid("Invalid page token: it is not one that this server gave")
	}
	if p.Of != question {
		return p, invalid("Invalid page token: it belongs to another question; start without one where filter or order change")
	}
	return p, nil
}

// take cuts one page of n out of all rows and says how the next one is asked for.
func take[T any](all []T, p page, n int) ([]T, string) {
	if p.Offset >= len(all) {
		return nil, ""
	}
	rest := all[p.Offset:]
	if len(rest) <= n {
		return rest, ""
	}
	p.Offset += n
	return rest[:n], p.token()
}

// pageSize checks a wanted page size; 0 asks for the usual one.
func pageSize(want, usual, most int) (int, error) {
	switch {
	case want == 0:
		return usual, nil
	case want < 0:
		return 0, InvalidValue("max_results", want, "it must be a positive integer.")
	case want > most:
		return 0, InvalidValue("max_results", want, fmt.Sprintf("it must be at most %d.", most))
	}
	return want, nil
}
