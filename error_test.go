package cairn

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestErrorfKeepsCause(t *testing.T) {
	t.Parallel()
	err := error(Errorf(CodeUnavailable, "cannot open it: %w", fs.ErrPermission))
	if !errors.Is(err, fs.ErrPermission) || CodeOf(fmt.Errorf("outer: %w", err)) != CodeUnavailable {
		t.Fatalf("cause or code lost: %v", err)
	}
	if got := AsError(errors.New("plain")).Code; got != CodeInternal {
		t.Fatalf("plain error has code %q", got)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	e := Errorf(CodeInvalid, "unknown key %q", "run-on").At(Position{File: "a.yml", Line: 3, Column: 5})
	if got, want := e.Error(), `a.yml:3:5: unknown key "run-on"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Position{File: "a.yml"}).String(); got != "a.yml" {
		t.Errorf("file alone: %q", got)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := []string{"runs-on", "needs", "steps", "timeout-minutes", "if", "env"}
	for in, want := range map[string]string{
		"run-on": "runs-on", "Runs-On": "runs-on", "need": "needs", "setps": "steps",
		"timeout-minuts": "timeout-minutes", "evn": "env", "completely-other": "", "": "if",
	} {
		if got := Nearest(in, keys); in != "" && got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	d := SumBytes([]byte("abc"))
	if want := Digest("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); d != want {
		t.Fatalf("got %s", d)
	}
	if _, err := ParseDigest(string(d)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "sha256:", "sha256:BA78", "sha512:" + d.Hex(), d.Hex(), string(d) + "0", "sha256:../../../../../../../../../../../../../../../../../../../../../etc/x"} {
		if _, err := ParseDigest(bad); CodeOf(err) != CodeInvalid {
			t.Errorf("ParseDigest(%q) = %v", bad, err)
		}
	}
}

func TestRef(t *testing.T) {
	t.Parallel()
	r := AssetRef(AssetModel, "a:b", "3")
	if n, v := r.NameVersion(); n != "a:b" || v != "3" || r.Kind() != KindModel {
		t.Errorf("%s: %q %q %q", r, r.Kind(), n, v)
	}
	if got := ArtifactRef(4, 2, "model"); got != "artifact/4.2/model" {
		t.Error(got)
	}
}
