package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxBody bounds JSON requests: a dataset's profile alone may be 16 MiB.
const maxBody = 32 << 20

// call is one request with its parameters, from the query of a GET or the JSON
// body of anything else. The first parameter that is wrong is kept in err.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	query  url.Values
	fields map[string]json.RawMessage
	rest   []string // variable parts of the path
	err    error
}

func newCall(w http.ResponseWriter, r *http.Request, rest []string) (*call, error) {
	c := &call{w: w, r: r, rest: rest}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		var err error
		if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the query of the request cannot be read: %w", err)
		}
		if len(c.query) > 0 || r.ContentLength == 0 {
			return c, nil
		}
		// Some clients send a body with GET.
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "the body of the request is larger than %d bytes", big.Limit)
		}
		return nil, cairn.Errorf(cairn.CodeCanceled, "the body of the request ended early: %w", err)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return c, nil
	}
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "Bad Request. Content-Type must be application/json.")
	}
	if body[0] == '"' { // some clients encode twice
		var inner string
		if err := json.Unmarshal(body, &inner); err != nil {
			return nil, badJSON(err)
		}
		body = []byte(inner)
	}
	if err := json.Unmarshal(body, &c.fields); err != nil {
		return nil, badJSON(err)
	}
	return c, nil
}

func badJSON(err error) error {
	return cairn.Errorf(cairn.CodeInvalid, "the body of the request is not a JSON object: %w", err)
}

const seeDocs = " See the API docs for more information about request parameters."

func (c *call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *call) missing(name string) {
	c.fail(cairn.Errorf(cairn.CodeInvalid, "Missing value for required parameter '%s'.%s", name, seeDocs))
}

func (c *call) wrongType(name string, raw json.RawMessage) {
	shown := string(raw)
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	c.fail(cairn.Errorf(cairn.CodeInvalid, "Invalid value %s for parameter '%s' supplied:  Hint: Value was of type '%s'.%s", shown, name, pythonType(raw), seeDocs))
}

// pythonType names the type of a JSON value as MLflow's messages do.
func pythonType(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "NoneType"
	}
	switch raw[0] {
	case '"':
		return "str"
	case '{':
		return "dict"
	case '[':
		return "list"
	case 't', 'f':
		return "bool"
	case 'n':
		return "NoneType"
	}
	if bytes.ContainsAny(raw, ".eE") {
		return "float"
	}
	return "int"
}

// raw is a parameter as JSON; of a query always a string.
func (c *call) raw(name string) (json.RawMessage, bool) {
	if c.query != nil {
		vs, ok := c.query[name]
		if !ok {
			return nil, false
		}
		b, err := json.Marshal(vs[0])
		return b, err == nil
	}
	raw, ok := c.fields[name]
	if !ok || string(raw) == "null" {
		return nil, false
	}
	return raw, true
}

func (c *call) has(name string) bool { _, ok := c.raw(name); return ok }

// str reads a text; "" where it is not there.
func (c *call) str(name string) string {
	if c.query != nil {
		return c.query.Get(name)
	}
	raw, ok := c.raw(name)
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		c.wrongType(name, raw)
	}
	return s
}

// need reads a text that must be there.
func (c *call) need(name string) string {
	s := c.str(name)
	if s == "" {
		c.missing(name)
	}
	return s
}

// runID reads a run's id under its two names.
func (c *call) runID() string {
	if s := c.str("run_id"); s != "" {
		return s
	}
	if s := c.str("run_uuid"); s != "" {
		return s
	}
	c.missing("run_id")
	return ""
}

func (c *call) text(name string) *string {
	if !c.has(name) {
		return nil
	}
	s := c.str(name)
	return &s
}

// integer reads a number, which may be written as a string.
func (c *call) integer(name string) (int64, bool) {
	raw, ok := c.raw(name)
	if !ok {
		return 0, false
	}
	var n flexInt
	if json.Unmarshal(raw, &n) != nil {
		c.wrongType(name, raw)
	}
	return int64(n), true
}

// count reads a bound such as max_results.
func (c *call) count(name string) int {
	n, _ := c.integer(name)
	if n > math.MaxInt32 {
		n = math.MaxInt32
	}
	return int(max(n, -1))
}

func (c *call) boolean(name string) bool {
	raw, ok := c.raw(name)
	if !ok {
		return false
	}
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		return true
	case "false":
		return false
	}
	c.fail(cairn.Errorf(cairn.CodeInvalid, "Invalid boolean value: %s, must be 'true' or 'false'.", strings.Trim(string(raw), `"`)))
	return false
}

// strs reads a list of texts: repeated keys of a query, an array of a body.
func (c *call) strs(name string) []string {
	if c.query != nil {
		return c.query[name]
	}
	var out []string
	c.list(name, &out)
	return out
}

// list reads an array into a pointer to a slice.
func (c *call) list(name string, into any) {
	raw, ok := c.raw(name)
	if !ok {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		c.wrongType(name, raw)
	}
}

// flexInt takes 3, 3.0, "3" and null.
type flexInt int64

func (n *flexInt) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		return nil
	}
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = flexInt(v)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return errors.New("not an integer")
	}
	*n = flexInt(f)
	return nil
}

// flexFloat takes numbers, numbers as text, "NaN", "Infinity" and "-Infinity".
type flexFloat struct {
	v   float64
	set bool
}

func (n *flexFloat) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return err
	}
	n.v, n.set = f, true
	return nil
}

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (c *call) pairs(name string) []cairn.Param {
	var in []keyValue
	c.list(name, &in)
	out := make([]cairn.Param, len(in))
	for i, p := range in {
		out[i] = cairn.Param(p)
	}
	return out
}

type metricIn struct {
	Key           string    `json:"key"`
	Value         flexFloat `json:"value"`
	Timestamp     *flexInt  `json:"timestamp"`
	Step          flexInt   `json:"step"`
	ModelID       string    `json:"model_id"`
	DatasetName   string    `json:"dataset_name"`
	DatasetDigest string    `json:"dataset_digest"`
}

func (c *call) metrics(name string) []cairn.Metric {
	var in []metricIn
	c.list(name, &in)
	out := make([]cairn.Metric, len(in))
	for i, m := range in {
		at := name + "[" + strconv.Itoa(i) + "]"
		if !m.Value.set {
			c.missing(at + ".value")
		}
		if m.Timestamp == nil {
			c.missing(at + ".timestamp")
			m.Timestamp = new(flexInt)
		}
		out[i] = cairn.Metric{Key: m.Key, Value: m.Value.v, Timestamp: int64(*m.Timestamp), Step: int64(m.Step),
			Model: m.ModelID, Dataset: m.DatasetName, DatasetDigest: m.DatasetDigest}
	}
	return out
}
