package build

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"pgregory.net/rapid"
)

// abroad stands for the registries that are not Cairn's.
type abroad struct {
	w    *world
	err  error
	got  []string
	push map[string]error
}

func (o *abroad) Pull(_ context.Context, _ Server, r ref.Reference, platform string, _ map[string]string, _ io.Writer) (*cairn.Image, error) {
	o.got = append(o.got, r.String()+" "+platform)
	if o.err != nil {
		return nil, o.err
	}
	return o.w.images["docker.io/library/python:3.11-slim"], nil
}

func (o *abroad) Push(_ context.Context, _ Server, img *cairn.Image, r ref.Reference, _ map[string]string, token string, _ io.Writer) (cairn.PushResult, error) {
	o.got = append(o.got, "push "+r.String()+" "+token)
	if err, ok := o.push[r.Registry()]; ok {
		return cairn.PushResult{Pushed: err == nil, Bytes: 5}, err
	}
	return cairn.PushResult{Reason: "no credentials for " + r.Registry()}, nil
}

func TestPull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := &abroad{w: w}
	w.o.Puller = o
	w.b = New(w.o)
	dir := write(t, map[string]string{"Dockerfile": "FROM quay.io/x/py:1\n"})
	res, _, err := w.build(t, cairn.BuildRequest{Context: dir})
	if err != nil || len(o.got) != 1 || o.got[0] != "quay.io/x/py:1 linux/amd64" || res.Image.BaseName != "quay.io/x/py:1" {
		t.Errorf("%v %v", err, o.got)
	}
	// What Cairn has is not asked for elsewhere, unless the build says so; and a
	// registry that does not answer is no obstacle then.
	local := write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n"})
	if _, _, err := w.build(t, cairn.BuildRequest{Context: local}); err != nil || len(o.got) != 1 {
		t.Errorf("%v %v", err, o.got)
	}
	o.err = cairn.Errorf(cairn.CodeUnavailable, "no answer from docker.io")
	res, _, err = w.build(t, cairn.BuildRequest{Context: local, Pull: true})
	if err != nil || len(o.got) != 2 || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "no answer from docker.io") {
		t.Errorf("%v %v %v", err, o.got, res)
	}
	_, _, err = w.build(t, cairn.BuildRequest{Context: dir})
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "the base image quay.io/x/py:1 cannot be had: no answer from docker.io") {
		t.Error(err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := &abroad{w: w, push: map[string]error{"ok.test": nil, "bad.test": cairn.Errorf(cairn.CodeForbidden, "denied")}}
	w.o.Pusher = o
	w.b = New(w.o)
	dir := write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n"})
	r := cairn.BuildRequest{Context: dir, Names: []string{"ok.test/a:1", "ghcr.io/a/b", "127.0.0.1:7077/own"}, JobToken: "tok", Env: map[string]string{"CAIRN_REGISTRY": "127.0.0.1:7077"}}
	if res, _, err := w.build(t, r); err != nil || len(res.Pushed) != 0 {
		t.Errorf("%v %v", err, res.Pushed)
	}
	r.Push = true
	res, _, err := w.build(t, r)
	if err != nil || len(res.Pushed) != 2 || !res.Pushed[0].Pushed || res.Pushed[1].Pushed || res.Pushed[1].Reason != "no credentials for ghcr.io" || len(res.Warnings) != 1 {
		t.Errorf("%v %+v", err, res)
	}
	if got := w.builds[1].Names; !slices.Contains(got, "own:latest") {
		t.Error(got)
	}
	r.Names = []string{"bad.test/a:1", "ok.test/a:1"}
	res, _, err = w.build(t, r)
	if cairn.CodeOf(err) != cairn.CodeForbidden || res == nil || !res.Pushed[1].Pushed || res.Image == nil {
		t.Errorf("%v %+v", err, res)
	}
}

// TestLaterWins copies files over each other in random order: what was copied last
// to a path is what the image has.
func TestLaterWins(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, n := range []string{"a", "b", "c", "d/a", "d/b", "d/e/c"} {
		files[n] = "content of " + n
	}
	dir := write(t, files)
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		want := map[string]string{}
		lines := []string{"FROM python:3.11-slim"}
		for range rapid.IntRange(1, 8).Draw(rt, "lines") {
			dest := rapid.SampledFrom([]string{"x", "x/y", "lib", "var/run", "z"}).Draw(rt, "folder")
			real := map[string]string{"lib": "usr/lib", "var/run": "run"}[dest]
			if real == "" {
				real = dest
			}
			switch src := rapid.SampledFrom([]string{"a", "b", "c", "d", "d/e"}).Draw(rt, "source"); src {
			case "d", "d/e":
				lines = append(lines, "COPY "+src+" /"+dest)
				for n, content := range files {
					if in, ok := strings.CutPrefix(n, src+"/"); ok {
						want[real+"/"+in] = content
					}
				}
			default:
				name := rapid.SampledFrom([]string{"a", "b", "f"}).Draw(rt, "name")
				lines = append(lines, "COPY "+src+" /"+dest+"/"+name)
				want[real+"/"+name] = files[src]
			}
		}
		name := filepath.Join(dir, "Dockerfile")
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			rt.Fatal(err)
		}
		res, _, err := w.build(t, cairn.BuildRequest{Context: dir})
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]string{}
		for _, l := range res.Image.Layers[1:] {
			err := layer.Read(bytes.NewReader(w.blobs[l.Digest]), l.MediaType, func(h *tar.Header, r io.Reader) error {
				if h.Typeflag != tar.TypeReg {
					return nil
				}
				b, err := io.ReadAll(r)
				got[h.Name] = string(b)
				return err
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("%s\ngot  %v\nwant %v", strings.Join(lines, "\n"), got, want)
		}
	})
}
