package stages

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
)

func TestSuggest(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Seen{
		"nothing": {},
		"digits": {
			Service: "digits", Branch: "main", Environments: []string{"production", "staging", "Production"},
			Dockerfile: "FROM python:3.11-slim\nEXPOSE 8000\nCMD [\"uvicorn\", \"main:app\", \"--host\", \"0.0.0.0\", \"--port\", \"80\"]\n",
			Python:     []string{"@app.get(\"/version\")\ndef v(): ...\n\n@app.get('/health')\ndef h(): ...\n\n@app.post(\"/predict\")\nasync def predict(image: UploadFile = File(...)):\n    pass\n"},
			Samples:    []string{"samples/7.png"},
		},
		"flask": {
			Service: "api", Branch: "trunk", Environments: []string{"live"},
			Dockerfile: "EXPOSE 5000/tcp\nCMD gunicorn --bind 0.0.0.0:9000 app:app",
			Python:     []string{"@app.route('/items/<id>', methods=['POST'])\ndef i(id): ...\n@app.route('/classify', methods=[\"POST\"])\ndef c():\n    f = request.files['picture']\n"},
		},
		"json": {Service: "x", Python: []string{"@app.post('/score')\ndef score(body: Body): ...\n"}},
	} {
		got := Suggest(s)
		if _, problems := Parse(Path, got); len(problems) > 0 {
			t.Errorf("%s:\n%s", name, render(problems))
		}
		golden(t, "testdata/suggest/"+name+".golden", string(got))
	}
}

// Whatever a repository holds, what is written can be read.
func TestSuggestIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "a b", "- x", "'", "main", "a: b", "#x", "@app.post(\"/p q\")", "@app.post('/p')\ndef f(file: UploadFile"}))
		s := Seen{
			Service: text.Draw(t, "service"), Branch: rapid.SampledFrom([]string{"", "main", "true", "a#b", "release/1"}).Draw(t, "branch"),
			Environments: rapid.SliceOfN(rapid.SampledFrom([]string{"prod", "dev eu", "no", "7", "Live"}), 0, 3).Draw(t, "environments"),
			Dockerfile:   text.Draw(t, "dockerfile"), Python: []string{text.Draw(t, "python")},
			Samples: rapid.SliceOfN(rapid.SampledFrom([]string{"a.png", "b c.png", "é.png", "-.png"}), 0, 2).Draw(t, "samples"),
		}
		out := Suggest(s)
		if _, problems := Parse(Path, out); cairn.HasErrors(problems) {
			t.Fatalf("%s\n%s", out, render(problems))
		}
	})
}
