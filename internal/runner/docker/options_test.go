package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func TestContainerOptions(t *testing.T) {
	t.Parallel()
	c := &creation{}
	err := applyOptions(c, `--cpus 1.5 --memory=512m --shm-size 1g -e A=b -eC=d --env "E=f g" --health-cmd "redis-cli ping" --health-interval 10s
		--health-timeout=5s --health-retries 5 --user 1001 --entrypoint /bin/x --hostname h --add-host db:10.0.0.1 --tmpfs /run:rw,size=1m --ulimit nofile=10:20
		--cap-add SYS_PTRACE --cap-drop=ALL --security-opt seccomp=unconfined -w /src --init --label a=b --privileged --gpus all -v /a:/b:ro -p 80:8080 --network-alias db2 --pids-limit 100`)
	if err != nil {
		t.Fatal(err)
	}
	h, f := c.host, c.config
	checks := map[string]bool{
		"cpus": h.NanoCPUs == 15e8, "memory": h.Memory == 512<<20, "shm": h.ShmSize == 1<<30,
		"env":    reflect.DeepEqual(f.Env, []string{"A=b", "C=d", "E=f g"}),
		"health": f.Healthcheck.Test[1] == "redis-cli ping" && f.Healthcheck.Interval == 10*time.Second && f.Healthcheck.Timeout == 5*time.Second && f.Healthcheck.Retries == 5,
		"user":   f.User == "1001", "entrypoint": f.Entrypoint[0] == "/bin/x", "hostname": f.Hostname == "h", "workdir": f.WorkingDir == "/src",
		"hosts": h.ExtraHosts[0] == "db:10.0.0.1", "tmpfs": h.Tmpfs["/run"] == "rw,size=1m", "ulimit": h.Ulimits[0].Hard == 20,
		"caps": h.CapAdd[0] == "SYS_PTRACE" && h.CapDrop[0] == "ALL", "security": h.SecurityOpt[0] == "seccomp=unconfined",
		"init": *h.Init, "label": f.Labels["a"] == "b", "privileged": h.Privileged, "gpus": h.DeviceRequests[0].Count == -1,
		"volume": h.Binds[0] == "/a:/b:ro", "port": len(h.PortBindings) == 1, "alias": c.endpoint.Aliases[0] == "db2", "pids": *h.PidsLimit == 100,
	}
	for what, ok := range checks {
		if !ok {
			t.Errorf("%s: %+v %+v", what, f, h)
		}
	}
	for text, want := range map[string]string{
		"--network host":     "--network host: it is refused",
		"--net=host":         "--net host: it is refused",
		"--memroy 1g":        "--memroy is not supported",
		"--cpus":             "--cpus needs a value",
		"--cpus many":        `"many" is no number of processors`,
		`--health-cmd "x`:    "open quote",
		"alpine":             `"alpine" is no option`,
		"--label cairn.job=": "Cairn's own",
		"--gpus none":        "names no GPUs",
		"-e A":               "a value is missing",
		"--init=maybe":       "neither true nor false",
		"--ulimit x":         "--ulimit x",
	} {
		err := applyOptions(&creation{}, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if err := applyOptions(&creation{}, "--memroy 1g"); !strings.Contains(cairn.AsError(err).Hint, "did you mean --memory?") {
		t.Errorf("hint: %+v", cairn.AsError(err))
	}
}

func TestContainerPorts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"6379":                    `{"6379/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}`,
		"80:8080":                 `{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"80"}]}`,
		"0.0.0.0:53:53/udp":       `{"53/udp":[{"HostIp":"0.0.0.0","HostPort":"53"}]}`,
		"[::1]:1:2":               `{"2/tcp":[{"HostIp":"::1","HostPort":"1"}]}`,
		"8000-8001:9000-9001/tcp": `{"9000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8000"}],"9001/tcp":[{"HostIp":"127.0.0.1","HostPort":"8001"}]}`,
		"8000-8010:9000":          `{"9000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8000-8010"}]}`,
		"8000-8002:9000-9001":     "", "x": "", "0": "", "99999": "", "1:2:3:4": "", "1-": "", "1-65535": "", "": "", ":": "",
	} {
		c := &creation{}
		err := addPort(c, text)
		b, _ := json.Marshal(c.host.PortBindings)
		if want == "" && err == nil || want != "" && (err != nil || string(b) != want) {
			t.Errorf("%q: %s %v, want %s", text, b, err, want)
		}
	}
}

func TestContainerVolumes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/data": "volume /data", "name:/data": "bind name:/data", "/a:/b:ro": "bind /a:/b:ro", "./x:/y": "bind /ws/x:/y",
		"data": "", "../x:/y": "", "/a:b": "", "/a:/b:nope": "", "a b:/c": "", "/a:/b:/c:/d": "", "$(x):/y": "",
	} {
		c, err := describe(runner.ContainerSpec{Image: "x", Volumes: []string{text}}, "/ws")
		got := ""
		if err == nil {
			for v := range c.config.Volumes {
				got = "volume " + v
			}
			for _, b := range c.host.Binds {
				got = "bind " + b
			}
		}
		if got != want {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`a  b`: {"a", "b"}, `"a b" 'c d'`: {"a b", "c d"}, `a\ b`: {"a b"}, `"a\"b"`: {`a"b`}, `'a\b'`: {`a\b`}, `""`: {""}, "": nil,
		`--x="y z"`: {"--x=y z"}, "a\\\nb": {"ab"}, `"a\n"`: {`a\n`},
	} {
		got, err := splitWords(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
}

func FuzzOptions(f *testing.F) {
	for _, s := range []string{"--cpus 1", `-e "A=b" -p 1-5:6-10`, `--health-cmd 'x' --gpus device=1`, "-v ./a:/b", "\\", `"`, "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if err := applyOptions(&creation{}, s); err != nil && cairn.AsError(err).Message == "" {
			t.Errorf("%q: an error without a message", s)
		}
	})
}

func TestPathsOfContainers(t *testing.T) {
	t.Parallel()
	d := runner.Dirs{Workspace: "/j/work/repo/repo", Home: "/j/home", Temp: "/j/temp", Files: "/j/files", ToolCache: "/t/tools"}
	ms := jobMappings(d)
	for host, in := range map[string]string{
		"/j/work/repo/repo": "/__w/repo/repo", "/j/work/repo/repo/a": "/__w/repo/repo/a", "/j/temp/x": "/__w/_temp/x", "/j/home": "/github/home",
		"/j/files/3/env": "/github/file_commands/3/env", "/j/files/event.json": "/github/workflow/event.json", "/t/tools/x": "/__t/x",
		"/j/works": "/j/works", "/etc/passwd": "/etc/passwd", "": "",
	} {
		if got := ms.in(host); got != in {
			t.Errorf("%s is %s inside, want %s", host, got, in)
		}
	}
	for in, host := range map[string]string{
		"/__w/repo/repo/a": "/j/work/repo/repo/a", "/__w/../etc/passwd": "", "/j/work/x": "/j/work/x", "/tmp": "", "/github/home/../../etc": "",
	} {
		got, ok := ms.out(in)
		if got != host || ok != (host != "") {
			t.Errorf("%s is %q (%v) outside, want %q", in, got, ok, host)
		}
	}
	if got := actionMappings(d).in("/j/work/repo/repo/a"); got != "/github/workspace/a" {
		t.Errorf("in an action: %s", got)
	}
}

func TestAddressesOfContainers(t *testing.T) {
	t.Parallel()
	r := rewriter{from: "127.0.0.1:7077", to: "172.18.0.1:4000"}
	for text, want := range map[string]string{
		"http://127.0.0.1:7077/api/v3":        "http://172.18.0.1:4000/api/v3",
		"127.0.0.1:7077":                      "172.18.0.1:4000",
		"http://127.0.0.1:70770":              "http://127.0.0.1:70770",
		"1127.0.0.1:7077":                     "1127.0.0.1:7077",
		"a=127.0.0.1:7077 b=127.0.0.1:7077/x": "a=172.18.0.1:4000 b=172.18.0.1:4000/x",
		"http://cairn.localhost:7077":         "http://cairn.localhost:7077",
	} {
		if got := r.text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestEngineCandidates(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := func(kv ...string) func(string) string {
		m := map[string]string{"HOME": home}
		for i := 0; i+1 < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return func(n string) string { return m[n] }
	}
	if got := candidates(env("DOCKER_HOST", "unix:///x.sock")); len(got) != 1 || got[0].address != "unix:///x.sock" {
		t.Errorf("DOCKER_HOST: %v", got)
	}
	got := candidates(env("XDG_RUNTIME_DIR", "/run/user/1"))
	var all []string
	for _, c := range got {
		all = append(all, c.address)
	}
	want := "unix:///var/run/docker.sock unix:///run/user/1/docker.sock unix:///run/user/1/podman/podman.sock unix:///run/podman/podman.sock"
	if strings.Join(all, " ") != want {
		t.Errorf("%v", all)
	}
	// A context of the docker command.
	if err := os.MkdirAll(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(`{"currentContext":"gone"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := candidates(env()); got[0].address != "unix:///var/run/docker.sock" {
		t.Errorf("a context that is not there: %v", got)
	}
	sum := sha256.Sum256([]byte("gone"))
	meta := filepath.Join(home, ".docker", "contexts", "meta", hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(meta, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(meta, "meta.json"), []byte(`{"Endpoints":{"docker":{"Host":"unix:///ctx.sock"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := candidates(env()); len(got) != 1 || got[0].address != "unix:///ctx.sock" {
		t.Errorf("a context: %v", got)
	}
	for _, address := range []string{"ssh://me@far", "tcp://10.0.0.1:2375", "npipe:////./pipe/x", "unix://relative"} {
		if err := here(candidate{address, "DOCKER_HOST"}); err == nil {
			t.Errorf("%s was taken", address)
		}
	}
	_, err := Connect(t.Context(), env("DOCKER_HOST", "unix://"+home+"/none.sock"))
	if err == nil || !strings.Contains(err.Error(), home+"/none.sock (not there)") || cairn.CodeOf(err) != cairn.CodeUnavailable {
		t.Errorf("no engine: %v", err)
	}
}
