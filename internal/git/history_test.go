package git_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	u := newUser(t).repo()
	first := u.git("rev-parse", "HEAD")
	commit := func(subject string, files map[string]string) string {
		u.write(files)
		u.git("add", "-A")
		u.git("commit", "-q", "-m", subject)
		return u.git("rev-parse", "HEAD")
	}
	second := commit("Add an API", map[string]string{"api/main.py": "a\nb\n", "api/Dockerfile": "FROM x\n"})
	third := commit("Train longer\n\nwith\nmany lines", map[string]string{"src/a.py": "print(2)\nprint(3)\n", "b.bin": "\x00\x01"})
	h := u.host()
	if _, err := h.Import(ctx, "a/b", u.dir, "HEAD"); err != nil {
		t.Fatal(err)
	}
	cs, more, err := h.Between(ctx, "a/b", first, third, 10)
	if err != nil || more || len(cs) != 2 || cs[0].SHA != third || cs[1].SHA != second || cs[1].Author != "Ana" || cs[0].Subject != "Train longer" {
		t.Errorf("%+v %v %v", cs, more, err)
	}
	if cs, more, err = h.Between(ctx, "a/b", first, third, 1); err != nil || !more || len(cs) != 1 {
		t.Errorf("%+v %v %v", cs, more, err)
	}
	if cs, _, err = h.Between(ctx, "a/b", third, first, 10); err != nil || len(cs) != 0 {
		t.Errorf("backwards: %+v %v", cs, err)
	}
	for want, paths := range map[string][]string{second: {"api"}, third: {"src", "nowhere"}, first: {"README.md"}} {
		if c, err := h.LastChange(ctx, "a/b", third, paths); err != nil || c.SHA != want {
			t.Errorf("%v: %s %v, want %s", paths, c.SHA, err, want)
		}
	}
	if c, err := h.LastChange(ctx, "a/b", third, nil); err != nil || c.SHA != third {
		t.Errorf("all: %s %v", c.SHA, err)
	}
	fs, n, err := h.FileChanges(ctx, "a/b", first, third, 10)
	if err != nil || n != 4 || fmt.Sprint(fs) != "[{api/Dockerfile 1 0 false} {api/main.py 2 0 false} {b.bin 0 0 true} {src/a.py 2 1 false}]" {
		t.Errorf("%v %d %v", fs, n, err)
	}
	if fs, n, err = h.FileChanges(ctx, "a/b", first, third, 1); err != nil || n != 4 || len(fs) != 1 {
		t.Errorf("%v %d %v", fs, n, err)
	}
	files, err := h.Files(ctx, "a/b", third, 100)
	if err != nil || strings.Join(files, " ") != ".gitignore README.md api/Dockerfile api/main.py b.bin src/a.py" {
		t.Errorf("%v %v", files, err)
	}
	for name, f := range map[string]func() error{
		"unknown":  func() error { _, _, err := h.Between(ctx, "a/b", strings.Repeat("0a", 20), third, 1); return err },
		"files":    func() error { _, _, err := h.FileChanges(ctx, "a/b", "nope", third, 1); return err },
		"last":     func() error { _, err := h.LastChange(ctx, "a/b", third, []string{"nowhere"}); return err },
		"tree":     func() error { _, err := h.Files(ctx, "a/b", "nope", 1); return err },
		"nowhere2": func() error { _, err := h.LastChange(ctx, "a/none", third, nil); return err },
	} {
		if err := f(); cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]func() error{
		"option": func() error { _, _, err := h.Between(ctx, "a/b", "--all", third, 1); return err },
		"path":   func() error { _, err := h.LastChange(ctx, "a/b", third, []string{"../x"}); return err },
	} {
		if err := f(); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
