package server

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

func TestBaseFromHost(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs Linux with a Python")
	}
	home, err := os.MkdirTemp("", "cairn-b") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(context.Background(), Options{Home: home, Version: "test", Listen: "127.0.0.1:0", Env: environ, Exe: exe})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := client.Connect(t.Context(), client.Options{Home: home, Patience: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tools := python.Tools{Home: home, UserHome: os.Getenv("HOME"), Environ: environ}
	var log bytes.Buffer
	img, err := baseFromHost(t.Context(), c, tools, image.BaseRequest{As: "python:3-slim"}, &log)
	if err != nil {
		t.Fatal(err)
	}
	if len(img.Layers) != 2 || img.Layers[0].Role != cairn.LayerBase || !img.Config.Valid() || img.Platform != "linux/"+runtime.GOARCH {
		t.Errorf("%+v", img)
	}
	found, err := c.Image(t.Context(), "python:3-slim")
	if err != nil || found.Digest != img.Digest {
		t.Errorf("%+v %v", found, err)
	}
	again, err := baseFromHost(t.Context(), c, tools, image.BaseRequest{As: "mine/python:1", Python: "3"}, &log)
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest != img.Digest {
		t.Errorf("the second has the digest %s instead of %s", again.Digest, img.Digest)
	}
	if !strings.Contains(log.String(), "capturing the Python at ") || !strings.Contains(log.String(), "without pip") {
		t.Error(log.String())
	}
	for _, r := range []image.BaseRequest{{Python: "three"}, {Python: "/nowhere/python3"}, {As: "UPPER:x"}} {
		if _, err := baseFromHost(t.Context(), c, tools, r, nil); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}
