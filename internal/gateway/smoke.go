package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	smokeTime = 10 * time.Second
	smokeMost = 8 << 20 // bytes of an answer that are looked at
)

// smoke sends the smoke request and says what is wrong with the answer.
func smoke(ctx context.Context, port int, s *cairn.Smoke) error {
	limit := s.Timeout.Duration()
	if limit <= 0 {
		limit = smokeTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	method := s.Method
	if method == "" {
		method = http.MethodGet
	}
	what := fmt.Sprintf("the smoke request %s %s", method, clip(s.Path, 200))
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+strconv.Itoa(port)+s.Path, bytes.NewReader(s.Body))
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "%s cannot be sent: %w", what, err)
	}
	if len(s.Body) == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("User-Agent", "cairn-smoke")
	if s.BodyType != "" {
		req.Header.Set("Content-Type", s.BodyType)
	}
	for _, h := range s.Header {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Set(h.Name, h.Value)
	}
	resp, err := newProber().transport().RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s had no answer within %s", what, limit)
		}
		return cairn.Errorf(cairn.CodeFailed, "%s had no answer: %s", what, reason(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, smokeMost))
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s: the answer broke off: %s", what, reason(err))
	}
	if why := judge(s, resp.StatusCode, b); why != "" {
		return cairn.Errorf(cairn.CodeFailed, "%s was not answered as expected: %s", what, why).
			WithHint("smoke in .cairn/stages.yml says what is expected")
	}
	return nil
}

func (p *prober) transport() http.RoundTripper { return p.client.Transport }

// judge compares an answer with what is expected; "" where it is right.
func judge(s *cairn.Smoke, status int, body []byte) string {
	got := clip(strings.ToValidUTF8(string(body), "\uFFFD"), 500)
	switch {
	case s.Status == 0 && (status < 200 || status > 299):
		return fmt.Sprintf("expected status 200 to 299, got %d: %s", status, got)
	case s.Status != 0 && status != s.Status:
		return fmt.Sprintf("expected status %d, got %d: %s", s.Status, status, got)
	case s.Contains != "" && !bytes.Contains(body, []byte(s.Contains)):
		return fmt.Sprintf("expected an answer that contains %q, got %s", clip(s.Contains, 300), got)
	}
	if s.JSON == "" {
		return ""
	}
	want, err := parseJSON([]byte(s.JSON))
	if err != nil {
		return fmt.Sprintf("the expected answer is no JSON: %v", err)
	}
	have, err := parseJSON(body)
	if err != nil {
		return fmt.Sprintf("expected JSON %s, got %s", clip(s.JSON, 300), got)
	}
	if where, why := differs(want, have, s.Tolerance, ""); why != "" {
		if where == "" {
			where = "the answer"
		}
		return fmt.Sprintf("%s: %s; the whole answer is %s", where, why, got)
	}
	return ""
}

func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

// differs says where have differs from want: objects by the fields that want has,
// arrays and scalars as a whole, numbers within a tolerance.
func differs(want, have any, tolerance float64, at string) (where, why string) {
	text := func(v any) string {
		b, _ := json.Marshal(v) // it came from JSON
		return clip(string(b), 300)
	}
	unequal := func() (string, string) { return at, fmt.Sprintf("expected %s, got %s", text(want), text(have)) }
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return unequal()
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			v := w[k]
			x, ok := h[k]
			if !ok {
				return at + "." + k, fmt.Sprintf("expected %s, and it is not there", text(v))
			}
			if where, why := differs(v, x, tolerance, at+"."+k); why != "" {
				return where, why
			}
		}
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return unequal()
		}
		for i := range w {
			if where, why := differs(w[i], h[i], tolerance, at+"["+strconv.Itoa(i)+"]"); why != "" {
				return where, why
			}
		}
	case json.Number:
		h, ok := have.(json.Number)
		if !ok {
			return unequal()
		}
		a, err1 := w.Float64()
		b, err2 := h.Float64()
		if w != h && (err1 != nil || err2 != nil || !(math.Abs(a-b) <= tolerance)) {
			return unequal()
		}
	default:
		if want != have {
			return unequal()
		}
	}
	return "", ""
}
