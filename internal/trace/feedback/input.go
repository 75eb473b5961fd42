package feedback

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// partsLimit bounds the parts of a form that are looked at.
const partsLimit = 100

// InputOf finds the input in a request: the first file of a form, else its first
// field; of another request the body; of one without a body its query. An error
// says why there is none.
func InputOf(p *cairn.Prediction) (*cairn.PredictionInput, error) {
	in, err := inputOf(p)
	if err == nil {
		in.Ext = Ext(in.Name, in.Type, in.Body)
	}
	return in, err
}

func inputOf(p *cairn.Prediction) (*cairn.PredictionInput, error) {
	if p.Deleted {
		return nil, cairn.Errorf(cairn.CodeNotFound, "its bodies were erased")
	}
	kind, params, err := mime.ParseMediaType(p.Request.Type)
	if err != nil {
		kind = ""
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		return fromForm(p, params["boundary"])
	}
	if len(p.Request.Body) == 0 {
		return fromQuery(p)
	}
	if p.Request.Cut {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "only the first %d of its %d bytes are kept", len(p.Request.Body), p.Request.Size)
	}
	return &cairn.PredictionInput{Type: kind, Body: p.Request.Body}, nil
}

// fromForm reads the parts of a form. One that was cut is no input, but a file
// before the cut is.
func fromForm(p *cairn.Prediction, boundary string) (*cairn.PredictionInput, error) {
	r := multipart.NewReader(bytes.NewReader(p.Request.Body), boundary)
	var first *cairn.PredictionInput
	for range partsLimit {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		if err != nil {
			break
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			kind = ""
		}
		in := &cairn.PredictionInput{Name: fileName(part.FileName()), Type: kind, Body: body}
		if part.FileName() != "" {
			return in, nil
		}
		if first == nil {
			first = in
		}
	}
	if p.Request.Cut {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "only the first %d of its %d bytes are kept, and no file is whole in them", len(p.Request.Body), p.Request.Size)
	}
	if first == nil {
		return nil, cairn.Errorf(cairn.CodeNotFound, "no part could be read in the form that was sent")
	}
	if first.Type == "" {
		first.Type = "text/plain"
	}
	return first, nil
}

func fromQuery(p *cairn.Prediction) (*cairn.PredictionInput, error) {
	_, query, ok := strings.Cut(p.Path, "?")
	if !ok || query == "" {
		return nil, cairn.Errorf(cairn.CodeNotFound, "nothing was sent with it")
	}
	if plain, err := url.QueryUnescape(query); err == nil {
		query = plain
	}
	return &cairn.PredictionInput{Name: "query.txt", Type: "text/plain", Body: []byte(query)}, nil
}

// fileName keeps the last part of a name that somebody else chose.
func fileName(s string) string {
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	if s == "." || s == "/" || s == ".." || len(s) > 255 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return s
}

var extPattern = regexp.MustCompile(`^\.[A-Za-z0-9]{1,8}$`)

// Ext is the ending of a file that holds an input: that of its name, else that of
// its type.
func Ext(name, kind string, body []byte) string {
	if e := path.Ext(name); extPattern.MatchString(e) {
		return strings.ToLower(e)
	}
	if e, ok := map[string]string{
		"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp", "image/tiff": ".tiff",
		"application/json": ".json", "text/plain": ".txt", "text/csv": ".csv", "audio/wav": ".wav", "audio/mpeg": ".mp3",
		"application/pdf": ".pdf", "application/x-www-form-urlencoded": ".txt", "application/octet-stream": sniff(body), "": sniff(body),
	}[kind]; ok {
		return e
	}
	if strings.HasSuffix(kind, "+json") {
		return ".json"
	}
	return sniff(body)
}

// sniff knows the pictures that people send without saying so.
func sniff(b []byte) string {
	for _, m := range []struct{ begin, ext string }{
		{"\x89PNG\r\n\x1a\n", ".png"}, {"\xff\xd8\xff", ".jpg"}, {"GIF8", ".gif"}, {"BM", ".bmp"}, {"{", ".json"}, {"[", ".json"},
	} {
		if strings.HasPrefix(string(b[:min(len(b), 16)]), m.begin) {
			return m.ext
		}
	}
	return ".bin"
}
