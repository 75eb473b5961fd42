package local

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

const pythonAPI = `import http.server, json, os, sys
import greeting
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"pid": os.getpid(), "env": dict(os.environ), "args": sys.argv, "dir": os.getcwd(), "data": greeting.text + open("data.txt").read()}).encode())
    def log_message(self, *a): pass
def main():
    args = sys.argv[1:]
    port = int(args[args.index("--port") + 1]) if "--port" in args else int(os.environ["PORT"])
    http.server.HTTPServer(("127.0.0.1", port), H).serve_forever()
if __name__ == "__main__":
    main()
`

// newHost is a place that serves with this machine's Python, whose version comes
// back too.
func newHost(t *testing.T) (*place, string) {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])").Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 2 {
		t.Skip("no python3 on PATH")
	}
	return newPlace(t, func(o *Options) {
		o.Serving = ServeHost
		o.Python = func(_ context.Context, version string) (string, error) {
			if version != lines[1] {
				return "", cairn.Errorf(cairn.CodeNotFound, "Python %s is not on this machine; there is %s", version, lines[1])
			}
			return lines[0], nil
		}
	}), lines[1]
}

func TestApplicationOnThePythonOfThisMachine(t *testing.T) {
	t.Parallel()
	p, version := newHost(t)
	site := "usr/local/lib/python" + version + "/site-packages/"
	base := p.blobs.layer(cairn.LayerBase, map[string]string{"usr/local/bin/python3!": "of another machine"})
	deps := p.blobs.layer(cairn.LayerDeps, map[string]string{
		site + "greeting.py": "text = 'hello, '", site + "uvicorn.py": pythonAPI,
		"usr/local/bin/uvicorn!": "#!/usr/local/bin/python3\nimport uvicorn\nuvicorn.main()\n",
	})
	code := p.blobs.layer(cairn.LayerCode, map[string]string{"app/data.txt": "world", "app/main.py": "app = 1"})
	env := []string{"PATH=/usr/local/bin:/usr/bin", "MINE=1", "LD_LIBRARY_PATH=/image"}
	for i, cmd := range [][]string{
		{"uvicorn", "main:app", "--host", "0.0.0.0", "--port", "80"},
		{"/usr/local/bin/uvicorn", "main:app"},
		{"/bin/sh", "-c", "uvicorn main:app --port 80"},
		{"python", "-m", "uvicorn", "main:app"},
		{"python3", "-c", "import uvicorn; uvicorn.main()"},
	} {
		img := p.blobs.image(config{"Cmd": cmd, "Env": env, "WorkingDir": "/app", "User": "api"}, runtime.GOARCH, base, deps, code)
		if err := p.deploy(p.request(cairn.DeploymentID(i+1), img)); err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		a := p.mustAsk()
		if a.Data != "hello, world" || !strings.HasSuffix(a.Dir, "/fs/app") || a.Env["MINE"] != "1" || a.Env["LD_LIBRARY_PATH"] != "" || a.Env["GIT_SHA"] == "" {
			t.Errorf("%v: %+v", cmd, a)
		}
		notes := ""
		for _, e := range p.events {
			if e.Kind == cairn.StageEvNote {
				notes += e.Text + "\n"
			}
		}
		if !strings.Contains(notes, "it runs on this machine's Python "+version) || !strings.Contains(notes, "not as api") {
			t.Errorf("notes: %s", notes)
		}
	}
}

func TestWhatTheHostCannotServe(t *testing.T) {
	t.Parallel()
	p, _ := newHost(t)
	code := p.blobs.layer(cairn.LayerCode, map[string]string{"app/main.py": ""})
	old := p.blobs.layer(cairn.LayerDeps, map[string]string{"usr/local/lib/python3.3/site-packages/x.py": ""})
	for want, img := range map[string]cairn.Image{
		"Python 3.3 is not on this machine":              p.blobs.image(config{"Cmd": []string{"uvicorn", "main:app"}}, runtime.GOARCH, old, code),
		"the image api:main holds no Python application": p.blobs.image(config{"Cmd": []string{"/server"}}, runtime.GOARCH, code),
		"Python 3.4 is not on this machine":              p.blobs.image(config{"Cmd": []string{"python"}, "Env": []string{"PYTHON_VERSION=3.4.1"}}, runtime.GOARCH, code),
		"has 0 layers: it cannot be run":                 p.blobs.image(config{"Cmd": []string{"python"}}, runtime.GOARCH),
	} {
		if err := p.deploy(p.request(1, img)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}
