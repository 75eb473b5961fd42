package stages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"mime/multipart"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// maxSample bounds the body of a smoke request.
const maxSample = 8 << 20

// boundary parts the forms of smoke requests: fixed, so that the same file gives
// the same bytes.
const boundary = "cairn-smoke-7MA4YWxkTrZu0gW"

// sample is a file that a smoke request sends.
type sample struct {
	path  string
	field string
	node  *yaml.Node
}

// smoke is a smoke request while it is read.
type smoke struct {
	out    cairn.Smoke
	sample sample
	field  string
	nodes  map[string]*yaml.Node // file, body, json, field
}

func smokeKeys() []key[smoke] {
	return []key[smoke]{
		{name: "request", kind: "a method and a path", must: true, doc: "For example `POST /predict`; a path alone is a GET.", set: setRequest},
		{name: "headers", kind: "a map of text", doc: "Headers of the request.", set: setHeaders},
		{name: "file", kind: "a path", doc: "A file of the repository, as the release's commit has it, sent as a form (multipart/form-data).",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				s.nodes["file"] = n
				if v, ok := r.relative(n, "file"); ok {
					s.sample = sample{path: v, node: n}
				}
			}},
		{name: "field", kind: "a name", def: "`file`", doc: "The field of the form that the file (or body) is sent as.",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				s.nodes["field"] = n
				if v, ok := r.oneLine(n, "field", 200); ok {
					s.field = v
				}
			}},
		{name: "body", kind: "text", doc: "The body as it is. JSON is sent as `application/json`, else `text/plain`, unless `headers` has Content-Type.",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				s.nodes["body"] = n
				if n.Kind != yaml.ScalarNode {
					r.fail("wrong-kind", n, "for a map or list use json: …", "body takes text, but %s stands here", describe(n))
				} else if len(n.Value) > maxFile {
					r.fail("too-large", n, "", "body has %d bytes; at most %d are allowed", len(n.Value), maxFile)
				} else {
					s.out.Body = []byte(n.Value)
				}
			}},
		{name: "json", kind: "any value", doc: "The body as JSON, written as YAML.",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				s.nodes["json"] = n
				if v, ok := r.jsonOf(n, "json"); ok {
					s.out.Body, s.out.BodyType = v, "application/json"
				}
			}},
		{name: "expect", kind: "a map", def: "a status from 200 to 299", doc: "What must come back.",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				e := expect{smoke: &s.out}
				readMap(r, n, n, "expect", expectKeys(), &e)
				if e.tolerance != nil && s.out.JSON == "" {
					r.fail("value", e.tolerance, "give the answer's numbers under json", "tolerance is given without json")
				}
			}},
		{name: "timeout", kind: "a duration, 100ms to 10m", def: "10s", doc: "How long the answer may take.",
			set: func(r *reader, s *smoke, n *yaml.Node) {
				if v, ok := r.duration(n, "timeout", 100*time.Millisecond, 10*time.Minute); ok {
					s.out.Timeout = v
				}
			}},
	}
}

type expect struct {
	smoke     *cairn.Smoke
	tolerance *yaml.Node
}

func expectKeys() []key[expect] {
	return []key[expect]{
		{name: "status", kind: "a number from 100 to 599", def: "200 to 299", doc: "The status of the answer.",
			set: func(r *reader, e *expect, n *yaml.Node) {
				if v, ok := r.whole(n, "status", 100, 599); ok {
					e.smoke.Status = v
				}
			}},
		{name: "contains", kind: "text", doc: "Text that the answer holds.",
			set: func(r *reader, e *expect, n *yaml.Node) {
				if v, ok := r.text(n, "contains", 64<<10); ok {
					e.smoke.Contains = v
				}
			}},
		{name: "json", kind: "any value", doc: "What the answer holds as JSON: objects by the fields given here, all else equal.",
			set: func(r *reader, e *expect, n *yaml.Node) {
				if v, ok := r.jsonOf(n, "json"); ok {
					e.smoke.JSON = string(v)
				}
			}},
		{name: "tolerance", kind: "a number from 0", def: "0", doc: "How far numbers of `json` may be off.",
			set: func(r *reader, e *expect, n *yaml.Node) {
				e.tolerance = n
				if v, ok := r.number(n, "tolerance", 0, 1e12); ok {
					e.smoke.Tolerance = v
				}
			}},
	}
}

func setSmoke(r *reader, st *stage, n *yaml.Node) {
	s := smoke{nodes: map[string]*yaml.Node{}, out: cairn.Smoke{Timeout: ms(10 * time.Second)}}
	if !readMap(r, n, n, "smoke", smokeKeys(), &s) {
		return
	}
	var bodies []string
	for _, name := range []string{"file", "body", "json"} {
		if s.nodes[name] != nil {
			bodies = append(bodies, name)
		}
	}
	if len(bodies) > 1 {
		r.fail("value", s.nodes[bodies[1]], "send one of them", "smoke has %s", strings.Join(bodies, " and "))
	}
	if field := s.nodes["field"]; field != nil && s.nodes["file"] == nil && s.nodes["body"] == nil {
		r.fail("value", field, "name the file that is sent as this field: file: samples/one.png", "field is given without file")
	}
	if len(bodies) > 0 && (s.out.Method == "GET" || s.out.Method == "HEAD") {
		r.fail("value", s.nodes[bodies[0]], "most APIs take it with POST: request: POST "+s.out.Path, "a %s request has no body", s.out.Method)
	}
	switch {
	case s.sample.node != nil:
		s.sample.field = cmpOr(s.field, "file")
	case s.nodes["body"] != nil && s.field != "":
		s.out.Body, s.out.BodyType = form(s.field, "", s.out.Body)
	case s.nodes["body"] != nil:
		s.out.BodyType = "text/plain; charset=utf-8"
		if b := bytes.TrimSpace(s.out.Body); json.Valid(b) && (bytes.HasPrefix(b, []byte("{")) || bytes.HasPrefix(b, []byte("["))) {
			s.out.BodyType = "application/json"
		}
	}
	// A Content-Type that is given holds, but for a form: its boundary is ours.
	s.out.Header = slices.DeleteFunc(s.out.Header, func(h cairn.NamedText) bool {
		if h.Name != "Content-Type" {
			return false
		}
		if s.sample.node == nil && s.field == "" {
			s.out.BodyType = h.Value
		}
		return true
	})
	st.config.Smoke, st.sample = &s.out, s.sample
}

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

func setRequest(r *reader, s *smoke, n *yaml.Node) {
	v, ok := r.oneLine(n, "request", 2000)
	if !ok {
		return
	}
	method, p, two := strings.Cut(v, " ")
	if !two {
		method, p = "GET", v
		if slices.Contains(methods, strings.ToUpper(v)) {
			r.fail("value", n, "write the path too: "+v+" /predict", "request is %s, without a path", quote(v))
			return
		}
	}
	if !slices.Contains(methods, method) {
		hint := "allowed are " + strings.Join(methods, ", ")
		if near := cairn.Nearest(method, methods); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.fail("value", n, hint, "request: %s is no method", quote(method))
		return
	}
	copied := *n
	copied.Value = strings.TrimSpace(p)
	if p, ok := r.absolute(&copied, "request"); ok {
		s.out.Method, s.out.Path = method, p
	}
}

var headerName = lazily("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

func setHeaders(r *reader, s *smoke, n *yaml.Node) {
	s.out.Header = nil
	r.each(n, "headers", 50, func(k, v *yaml.Node) {
		if !headerName().MatchString(k.Value) {
			r.fail("value", k, "", "%s cannot be the name of a header", quote(k.Value))
			return
		}
		name := textproto.CanonicalMIMEHeaderKey(k.Value)
		if slices.Contains([]string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer"}, name) {
			r.fail("value", k, "it is set by who sends the request", "the header %s cannot be given", name)
			return
		}
		if slices.ContainsFunc(s.out.Header, func(h cairn.NamedText) bool { return h.Name == name }) {
			r.fail("duplicate-key", k, "headers are compared without case", "the header %s comes twice", name)
			return
		}
		if text, ok := r.oneLine(v, "headers."+k.Value, 8<<10); ok {
			s.out.Header = append(s.out.Header, cairn.NamedText{Name: name, Value: text})
		}
	})
	sortNamed(s.out.Header)
}

// Files lists the files of the repository that the smoke requests of stages need
// (of all stages when none is named), each once.
func (f *File) Files(stages ...string) []string {
	var out []string
	for _, s := range f.stages {
		if s.sample.path != "" && wanted(s, stages) && !slices.Contains(out, s.sample.path) {
			out = append(out, s.sample.path)
		}
	}
	return out
}

func wanted(s *stage, names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.config.Name) })
}

// Fill builds the bodies of smoke requests that send a file (of all stages when
// none is named). A file that is not there is a problem at the place that names
// it; any other failure of read is an error.
func (f *File) Fill(read func(path string) ([]byte, error), stages ...string) ([]cairn.Problem, error) {
	var problems []cairn.Problem
	for _, s := range f.stages {
		if s.sample.path == "" || s.config.Smoke == nil || !wanted(s, stages) {
			continue
		}
		problem := func(hint, format string, args ...any) {
			problems = append(problems, cairn.Problem{
				Position: cairn.Position{File: f.Path, Line: s.sample.node.Line, Column: s.sample.node.Column},
				Severity: cairn.SeverityError, Code: "stages.sample", Message: fmt.Sprintf(format, args...), Hint: hint,
			})
		}
		b, err := read(s.sample.path)
		switch {
		case cairn.CodeOf(err) == cairn.CodeNotFound:
			problem("commit it, or correct the path: it is seen from the top of the repository", "the smoke request of stage %s sends %s, which is not there", s.config.Name, s.sample.path)
		case cairn.CodeOf(err) == cairn.CodeTooLarge:
			problem("", "the smoke request of stage %s: %s", s.config.Name, cairn.AsError(err).Message)
		case err != nil:
			return nil, err
		case len(b) > maxSample:
			problem("a smoke request sends one small example", "%s has %d bytes; at most %d are sent by the smoke request of stage %s", s.sample.path, len(b), maxSample, s.config.Name)
		default:
			// The one that Stage gave away before stays as it was.
			smoke := *s.config.Smoke
			smoke.Body, smoke.BodyType = form(s.sample.field, path.Base(s.sample.path), b)
			s.config.Smoke = &smoke
		}
	}
	return problems, nil
}

// form is a form with one field.
func form(field, file string, content []byte) (body []byte, mediaType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		panic(err) // a constant
	}
	h := textproto.MIMEHeader{}
	disposition := map[string]string{"name": field}
	if file != "" {
		disposition["filename"] = file
		h.Set("Content-Type", fileType(file))
	}
	h.Set("Content-Disposition", mime.FormatMediaType("form-data", disposition))
	// Writing to memory cannot fail.
	part, _ := w.CreatePart(h)
	_, _ = part.Write(content)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// fileType goes by a table of its own: the machine's would give other bytes on
// another machine.
func fileType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".bmp":
		return "image/bmp"
	case ".tif", ".tiff":
		return "image/tiff"
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv"
	case ".txt":
		return "text/plain"
	case ".wav":
		return "audio/wav"
	case ".mp3":
		return "audio/mpeg"
	case ".mp4":
		return "video/mp4"
	case ".pdf":
		return "application/pdf"
	}
	return "application/octet-stream"
}
