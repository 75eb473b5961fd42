package scripttest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdStages gives the home ports for its stages that no other script uses, lets
// services run on this machine's Python, and takes all stages down at the end of
// the script: stages. The ports are in STAGE1 to STAGE3.
func cmdStages(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: stages")
	}
	h := fnv.New32a()
	io.WriteString(h, ts.Getenv("WORK"))
	first := 20000 + int(h.Sum32()%2000)*4
	for !free(first, 3) {
		first += 4
	}
	home := ts.Getenv("CAIRN_HOME")
	ts.Check(os.MkdirAll(home, 0o700))
	ts.Check(os.WriteFile(filepath.Join(home, "config.yaml"), fmt.Appendf(nil, "serving: host\nstage_port: %d\n", first), 0o600))
	for i := range 3 {
		ts.Setenv(fmt.Sprintf("STAGE%d", i+1), fmt.Sprint(first+i))
	}
	ts.Defer(func() { takeDown(ts) })
}

func free(first, n int) bool {
	for i := range n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// takeDown stops every stage: they outlive the server.
func takeDown(ts *testscript.TestScript) {
	run := func(args ...string) ([]byte, error) {
		c := exec.Command(filepath.Join(os.Getenv(binVar), "cairn"), args...)
		for _, kv := range environ(ts) {
			if !strings.HasPrefix(kv, "CAIRN_TOKEN=") && !strings.HasPrefix(kv, "CAIRN_URL=") {
				c.Env = append(c.Env, kv)
			}
		}
		return c.CombinedOutput()
	}
	out, err := run("api", "/stages")
	var stages []struct {
		Stage struct{ Name, Repository string }
	}
	if err != nil || json.Unmarshal(out, &stages) != nil {
		ts.Logf("the stages cannot be listed: %v %s", err, out)
		return
	}
	for _, s := range stages {
		// One that comes up still cannot be stopped: it ends soon.
		for range 50 {
			if out, err = run("stop", s.Stage.Name, "--repo", s.Stage.Repository, "--json"); err == nil || bytes.Contains(out, []byte("nothing is live")) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// cmdImage pushes an image whose layer is a folder and whose command is python3
// main.py: image NAME:TAG DIR.
func cmdImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: image NAME:TAG DIR")
	}
	ts.Check(ts.Exec("cairn", "user", "list"))
	ts.Check(ts.Exec("cairn", "status", "--jq", ".url"))
	host := strings.TrimPrefix(strings.TrimSpace(ts.ReadFile("stdout")), "http://")
	version, err := exec.Command("python3", "-c", `import platform; print(platform.python_version())`).Output()
	ts.Check(err)
	layer, err := layerOf(ts.MkAbs(args[1]))
	ts.Check(err)
	img, err := mutate.AppendLayers(empty.Image, layer)
	ts.Check(err)
	c, err := img.ConfigFile()
	ts.Check(err)
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", "amd64"
	c.Config = v1.Config{
		Cmd: []string{"python3", "main.py"}, WorkingDir: "/app",
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=" + strings.TrimSpace(string(version))},
	}
	img, err = mutate.ConfigFile(img, c)
	ts.Check(err)
	ref, err := name.ParseReference(host+"/"+args[0], name.Insecure)
	ts.Check(err)
	ts.Check(remote.Write(ref, img))
}

// layerOf packs the files of a folder as /app.
func layerOf(dir string) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: "app/" + f.Name(), Mode: 0o644, Size: int64(len(text))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
