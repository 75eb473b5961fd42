package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	baseName  = "python:bench"
	imageName = "bench-api:main"
	modelSize = 10 << 20
	codeFiles = 200
	liveTime  = 60 * time.Second
)

// pythonAPI answers with its version; it needs nothing but the standard library.
const pythonAPI = `import http.server, os
VERSION = %q
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()
    def do_GET(self):
        body = VERSION.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`

const deliveryFlow = `on:
  push:
  workflow_dispatch:
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: docker/build-push-action@v6
        with: {context: api, push: true, tags: 'bench-api:main'}
  deploy:
    needs: build
    runs-on: ubuntu-latest
    environment: staging
    steps:
      - run: cairn deploy bench-api:main --to staging
`

// delivery measures images, and the way from a push to an answer of the API.
func (b *bench) delivery() error {
	if _, err := exec.LookPath("python3"); err != nil {
		missing("push to live, images", err)
		return nil
	}
	model := make([]byte, modelSize)
	// Read never fails and fills all of it.
	_, _ = rand.Read(model)
	files := map[string]string{
		".github/workflows/delivery.yml": deliveryFlow, "api/model.bin": string(model), "api/main.py": fmt.Sprintf(pythonAPI, "0"),
		"api/Dockerfile":    "FROM " + baseName + "\nWORKDIR /app\nCOPY . .\nCMD [\"python3\", \"main.py\"]\n",
		".cairn/stages.yml": "service: bench-api\nstages:\n  staging: {health: /health}\n  production: {health: /health}\n",
	}
	for i := range codeFiles {
		files[fmt.Sprintf("api/pkg/m%03d.py", i)] = fmt.Sprintf("VALUE = %d\n", i)
	}
	if err := b.files("delivery", files); err != nil {
		return err
	}
	if _, err := b.run("delivery", "git", "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if _, err := b.run("delivery", b.cairn, "image", "base", "create", "--from-host-python", "--as", baseName); err != nil {
		missing("push to live, images", err)
		return nil
	}
	if err := b.live(); err != nil {
		return err
	}
	return b.images()
}

// live measures from the push to the first answer of the new release, beside the
// start of the program itself.
func (b *bench) live() error {
	if err := b.commit("delivery", "first"); err != nil {
		return err
	}
	if _, err := b.run("delivery", b.cairn, "run", "--workflow", "delivery", "--progress", "quiet"); err != nil {
		return err
	}
	if _, err := b.run("delivery", b.cairn, "deploy", imageName, "--to", "production"); err != nil {
		return err
	}
	url, err := b.stage("staging", "url")
	if err != nil {
		return err
	}
	server, err := b.run("delivery", b.cairn, "status", "--jq", ".url")
	if err != nil {
		return err
	}
	repo, err := b.run("delivery", b.cairn, "status", "--jq", ".stages[0].stage.repository")
	if err != nil {
		return err
	}
	token, err := b.run("delivery", b.cairn, "token", "create", "bench")
	if err != nil {
		return err
	}
	config, err := os.OpenFile(filepath.Join(b.dir, "delivery/.git/config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(config, "[remote \"cairn\"]\n\turl = %s/git/%s.git\n", strings.Replace(server, "://", "://bench:"+token+"@", 1), repo)
	if err := errors.Join(err, config.Close()); err != nil {
		return err
	}
	version := 0
	ways := []struct {
		name string
		do   func() error
	}{
		{"git push to live, new code", func() error {
			_, err := b.run("delivery", "git", "push", "-q", "cairn", "main")
			return err
		}},
		{"cairn run to live, new code", func() error {
			_, err := b.run("delivery", b.cairn, "run", "--workflow", "delivery", "--progress", "quiet")
			return err
		}},
	}
	bare, err := median(b.repeat, b.bareStart)
	if err != nil {
		return err
	}
	for _, way := range ways {
		var took []time.Duration
		for range b.repeat {
			version++
			want := fmt.Sprint(version)
			if err := b.files("delivery", map[string]string{"api/main.py": fmt.Sprintf(pythonAPI, want)}); err != nil {
				return err
			}
			if err := b.commit("delivery", "version "+want); err != nil {
				return err
			}
			start := time.Now()
			if err := way.do(); err != nil {
				return err
			}
			if err := answers(b.ctx, url, want); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		d := middle(took)
		row(way.name, ms(d), ms(bare)+" bare", ms(d-bare)+" added to the program's own start")
	}
	return b.back(url, fmt.Sprint(version-1))
}

// back measures the rollback, and the trace of an answer.
func (b *bench) back(url, want string) error {
	start := time.Now()
	if _, err := b.run("delivery", b.cairn, "rollback", "staging"); err != nil {
		return err
	}
	if err := answers(b.ctx, url, want); err != nil {
		return err
	}
	row("rollback to an answer", ms(time.Since(start)), "", "the release before is kept warm")
	resp, err := http.Post(url+"/predict", "text/plain", strings.NewReader("x"))
	if err != nil {
		return err
	}
	resp.Body.Close()
	id := resp.Header.Get("X-Cairn-Prediction")
	trace, err := median(b.repeat, func() error {
		_, err := b.run("delivery", b.cairn, "trace", "prediction/"+id)
		return err
	})
	if err != nil {
		return err
	}
	row("cairn trace prediction/…", ms(trace), "", "to the commit")
	return nil
}

// stage says something of a stage as cairn status has it.
func (b *bench) stage(name, field string) (string, error) {
	v, err := b.run(".", b.cairn, "status", "--jq", `.stages[] | select(.stage.name == "`+name+`") | if "`+field+`" == "url" then .stage.url else .status.live.port end`)
	if err == nil && v == "" {
		err = fmt.Errorf("nothing is live on %s", name)
	}
	return v, err
}

// answers waits until an API says a version.
func answers(ctx context.Context, url, want string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	last := ""
	for end := time.Now().Add(liveTime); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		resp, err := client.Get(url + "/health")
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		if err == nil && string(b) == want {
			return nil
		}
		last = string(b)
	}
	return errors.Join(ctx.Err(), fmt.Errorf("%s does not answer %q but %q", url, want, last))
}

// bareStart starts the API as a plain program and waits for its answer.
func (b *bench) bareStart() error {
	port, err := freePorts(1)
	if err != nil {
		return err
	}
	main, err := os.ReadFile(filepath.Join(b.dir, "delivery/api/main.py"))
	if err != nil {
		return err
	}
	_, version, _ := strings.Cut(string(main), "VERSION = \"")
	version, _, _ = strings.Cut(version, `"`)
	c := b.command("delivery/api", "python3", "main.py")
	c.Env = append(c.Env, fmt.Sprintf("PORT=%d", port))
	if err := c.Start(); err != nil {
		return err
	}
	err = answers(b.ctx, fmt.Sprintf("http://127.0.0.1:%d", port), version)
	_ = c.Process.Kill() // it may have ended: then it did not answer
	_ = c.Wait()
	return err
}

// images measures an image of which only the model, and only the code, is new.
func (b *bench) images() error {
	server, err := b.run("delivery", b.cairn, "status", "--jq", ".url")
	if err != nil {
		return err
	}
	at := strings.TrimPrefix(server, "http://")
	build := func() error {
		_, err := b.run("delivery", b.cairn, "image", "build", "-q", "-t", imageName, "api")
		return err
	}
	docker, why := b.docker(at)
	if err := build(); err != nil {
		return err
	}
	n := 0
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{fmt.Sprintf("image, new model of %d MB", modelSize>>20), func() error {
			model := make([]byte, modelSize)
			_, _ = rand.Read(model)
			return os.WriteFile(filepath.Join(b.dir, "delivery/api/model.bin"), model, 0o644)
		}},
		{fmt.Sprintf("image, 1 of %d code files new", codeFiles), func() error {
			n++
			return os.WriteFile(filepath.Join(b.dir, "delivery/api/pkg/m007.py"), fmt.Appendf(nil, "VALUE = %d\n", 1000+n), 0o644)
		}},
	} {
		do := func(f func() error) (time.Duration, error) {
			var took []time.Duration
			for range b.repeat {
				if err := c.change(); err != nil {
					return 0, err
				}
				start := time.Now()
				if err := f(); err != nil {
					return 0, err
				}
				took = append(took, time.Since(start))
			}
			return middle(took), nil
		}
		ours, err := do(build)
		if err != nil {
			return err
		}
		if docker == nil {
			row(c.name, ms(ours), "-", "(docker: "+why+")")
			continue
		}
		peer, err := do(docker)
		if err != nil {
			return err
		}
		row(c.name, ms(ours), ms(peer)+" docker", "built and stored in the registry")
	}
	return nil
}

// docker is docker build and docker push of the same folder to the same registry;
// nil where no daemon answers.
func (b *bench) docker(registry string) (push func() error, why string) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, "not installed"
	}
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	c.Env = b.env
	if err := c.Run(); err != nil {
		return nil, "no daemon answers"
	}
	for _, args := range [][]string{{"pull", "-q", registry + "/docker.io/library/" + baseName}, {"tag", registry + "/docker.io/library/" + baseName, baseName}} {
		if _, err := b.run("delivery", "docker", args...); err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return nil, line
		}
	}
	return func() error {
		if _, err := b.run("delivery", "docker", "build", "-q", "-t", registry+"/bench:1", "api"); err != nil {
			return err
		}
		_, err := b.run("delivery", "docker", "push", "-q", registry+"/bench:1")
		return err
	}, ""
}
