package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/moby/moby/client"
)

// withLibraries adds programs of this machine with the libraries that they need.
func withLibraries(t testing.TB, files map[string]string, programs ...string) {
	t.Helper()
	put := func(path string) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(real)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(path, "/")] = string(b)
	}
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%s is needed: apt-get install %s", name, name)
		}
		put(path)
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(word, "/") {
				put(word)
			}
		}
	}
}

// redis is an image like the official one, out of Debian's package.
func redis(t testing.TB, e *Engine) string {
	t.Helper()
	files := map[string]string{}
	withLibraries(t, files, "redis-server", "redis-cli")
	return importImage(t, e, "cairn-test/redis:7", rootfs(t, files),
		"ENV PATH=/bin:/usr/bin", `CMD ["redis-server","--protected-mode","no"]`, "EXPOSE 6379")
}

const redisHealth = `--health-cmd "redis-cli ping" --health-interval 200ms --health-timeout 5s --health-retries 20`

func services(t testing.TB, v map[string]any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "'", "''")
}

// A job in a container reaches its service by name, one on the host by a port.
func TestDockerServices(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := redis(t, e)
	svc := services(t, map[string]any{"cache": map[string]any{"image": image, "options": redisHealth, "ports": []any{6379}}})

	t.Run("container", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		j.run(t.Context(), spec(image, svc, `redis-cli -h cache set greeting hi; redis-cli -h cache get greeting; echo "net ${{ job.services.cache.network == job.container.network }} id ${{ job.services.cache.id != '' }}"`))
		if got := j.log(3); !strings.Contains(got, "OK\nhi\nnet true id true\n") {
			t.Errorf("step: %s", j.all())
		}
		if got := j.log(2); !strings.Contains(got, "cache service is healthy") {
			t.Errorf("no wait for health: %s", got)
		}
		if got := j.log(4); !strings.Contains(got, "Ready to accept connections") {
			t.Errorf("no log of the service: %s", got)
		}
		if n := j.left(e); n != 0 {
			t.Errorf("%d things are left", n)
		}
	})
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		s := spec("", svc, `printf 'PING\r\n' | busybox nc -w 2 127.0.0.1 ${{ job.services.cache.ports['6379'] }}; echo "in $(pwd)"`)
		j.run(t.Context(), s)
		if got := j.log(3); !strings.Contains(got, "+PONG") || !strings.Contains(got, "in "+j.host.dirs.Workspace) {
			t.Errorf("step: %s", j.all())
		}
		if n := j.left(e); n != 0 {
			t.Errorf("%d things are left", n)
		}
	})
	t.Run("entrypoint and command", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		svc := services(t, map[string]any{"cache": map[string]any{
			"image": image, "entrypoint": "redis-server", "command": "--port 7777 --protected-mode no",
			"options": `--health-cmd "redis-cli -p 7777 ping" --health-interval 200ms`,
		}})
		j.run(t.Context(), spec(image, svc, `redis-cli -h cache -p 7777 ping`))
		if got := j.log(3); !strings.Contains(got, "PONG") {
			t.Errorf("step: %s", j.all())
		}
	})
	t.Run("unhealthy", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		svc := services(t, map[string]any{"cache": map[string]any{"image": image, "options": `--health-cmd "echo no good; false" --health-interval 100ms --health-retries 2`}})
		j.run(t.Context(), spec("", svc, `echo never`))
		if got := j.log(2); !strings.Contains(got, "cache service is unhealthy.") || !strings.Contains(got, "no good") || !strings.Contains(got, "Ready to accept connections") {
			t.Errorf("initialize: %s", got)
		}
		if j.end.Conclusion != cairn.Failure || strings.Contains(j.all(), "never\nnever") {
			t.Errorf("end: %+v", j.end)
		}
		if n := j.left(e); n != 0 {
			t.Errorf("%d things are left", n)
		}
	})
	t.Run("ends at once", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		svc := services(t, map[string]any{"cache": map[string]any{"image": image, "command": "sh -c 'echo broken; exit 4'", "options": redisHealth}})
		j.run(t.Context(), spec("", svc, `echo never`))
		if got := j.log(2); !strings.Contains(got, "broken") || !strings.Contains(got, "exit code 4") {
			t.Errorf("initialize: %s", got)
		}
	})
	t.Run("volume", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		name := fmt.Sprintf("cairn-test-%d", time.Now().UnixNano())
		svc := services(t, map[string]any{"cache": map[string]any{"image": image, "volumes": []any{name + ":/data"}, "options": redisHealth}})
		j.run(t.Context(), spec("", svc, `echo ok`))
		if j.end.Conclusion != cairn.Success {
			t.Error(j.all())
		}
		if _, err := e.VolumeInspect(context.Background(), name, client.VolumeInspectOptions{}); err == nil {
			t.Error("the volume is left")
		}
	})
	t.Run("left out", func(t *testing.T) {
		t.Parallel()
		j := newJob(t)
		j.run(t.Context(), spec("", services(t, map[string]any{"cache": map[string]any{"image": ""}}), `echo ok`))
		if j.end.Conclusion != cairn.Success || len(j.rows) != 2 {
			t.Error(j.all())
		}
	})
}

// Code in a container reaches the owner through the supervisor, wherever it listens.
func TestDockerReachesOwner(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	for _, gateway := range []bool{true, false} {
		t.Run(fmt.Sprintf("gateway=%v", gateway), func(t *testing.T) {
			t.Parallel()
			var socket string
			j := newJob(t, func(o *Options) {
				socket = filepath.Join(o.Owner.Home, "jobs.sock")
				o.URL, o.Socket = "http://127.0.0.1:7077", socket
			})
			if !gateway {
				// The engine's network is not of this machine.
				j.session.listenOn = func(string) (net.Listener, error) { return nil, os.ErrPermission }
			}
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go answer(l)
			s := spec(image, "", `echo "url $CAIRN_URL, api ${{ github.api_url }}"; wget -q -O - "$CAIRN_URL/hello"`)
			s.BaseEnv = map[string]string{"CAIRN_URL": "http://127.0.0.1:7077"}
			s.Contexts["github"] = json.RawMessage(`{"job":"build","run_id":"1","api_url":"http://127.0.0.1:7077/api/v3"}`)
			j.run(t.Context(), s)
			if got := j.log(3); !strings.Contains(got, "owner says hi to GET /hello") || strings.Contains(got, "127.0.0.1:7077") {
				t.Errorf("step: %s", j.all())
			}
		})
	}
}

// answer is an owner that greets.
func answer(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		first, _, _ := strings.Cut(string(buf[:n]), " HTTP")
		body := "owner says hi to " + first + "\n"
		fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
		c.Close()
	}
}
