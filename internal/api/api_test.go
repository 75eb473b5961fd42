package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestEveryCodeHasItsStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[cairn.Code]int{
		cairn.CodeInvalid: 400, cairn.CodeUnauthenticated: 401, cairn.CodeForbidden: 403, cairn.CodeNotFound: 404, cairn.CodeConflict: 409,
		cairn.CodeTooLarge: 413, cairn.CodeUnsupported: 501, cairn.CodeUnavailable: 503, cairn.CodeFailed: 422, cairn.CodePending: 409,
		cairn.CodeCanceled: 499, cairn.CodeInternal: 500, "": 500,
	} {
		w := httptest.NewRecorder()
		WriteError(w, &cairn.Error{Code: code, Message: "m", Err: errors.New("hidden cause")})
		if w.Code != want || strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s: %d %s, want %d", code, w.Code, w.Body, want)
		}
		if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (want == http.StatusUnauthorized) {
			t.Errorf("%s asks for a password: %v", code, asks)
		}
	}
}

// TestDescription makes sure that every operation is described, needs somebody,
// and answers nobody with 401.
func TestDescription(t *testing.T) {
	t.Parallel()
	a := New(Options{Version: "test"})
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", Prefix+"/openapi.json", nil))
	var doc struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%v\n%.300s", err, w.Body)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 35 {
		t.Errorf("%s with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for path, ops := range doc.Paths {
		for method, o := range ops {
			if o["summary"] == "" || o["operationId"] == "" {
				t.Errorf("%s %s is not described", method, path)
			}
			w := httptest.NewRecorder()
			p := strings.NewReplacer("{id}", "1", "{step}", "1", "{digest}", string(cairn.SumBytes(nil))).Replace(path)
			r := httptest.NewRequest(strings.ToUpper(method), Prefix+p+required(o), strings.NewReader(body(path)))
			r.Header.Set("Content-Type", "application/json")
			a.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s %s answers nobody with %d %.200s", method, path, w.Code, w.Body)
			}
		}
	}
}

// required gives each required parameter of a query a value.
func required(o map[string]any) string {
	q := "?"
	ps, _ := o["parameters"].([]any)
	for _, p := range ps {
		m := p.(map[string]any)
		if m["in"] == "query" && m["required"] == true {
			q += m["name"].(string) + "=data&"
		}
	}
	return q
}

func body(path string) string {
	if strings.HasSuffix(path, "/hold") {
		return `{"step":1,"action":"go"}`
	}
	return `{}`
}
