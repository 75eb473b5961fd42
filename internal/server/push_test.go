package server_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// A file that is no workflow, and a tag that is no commit, keep no push from
// starting what it should.
func TestPushBesideHostileFiles(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/sample.yml": sample, "number.txt": "42\n",
		".github/workflows/big.yml": strings.Repeat("# far too much\n", 700_000),
	})
	url := strings.Replace(s.URL(), "http://", "http://:@", 1) + "/git/team/digits.git"
	git(t, dir, "tag", "blob", strings.TrimSpace(git(t, dir, "rev-parse", "HEAD:number.txt")))
	if out := git(t, dir, "push", url, "HEAD:main", "blob"); !strings.Contains(out, "run 1 started") || strings.Contains(out, "failed") {
		t.Errorf("the push says: %s", out)
	}
	if done := finish(t, c, 1); done.Conclusion != cairn.Success {
		t.Errorf("%s\n%s", done.Conclusion, describe(c, 1))
	}
}

// A client that asks again while its first request is under way gets its run.
func TestSameKeyAtTheSameTime(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/sample.yml": sample, "number.txt": "42\n"})
	ids := make([]cairn.RunID, 6)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			created, err := c.SubmitRun(context.Background(), client.RunRequest{Dir: dir, Event: "push", Key: "one"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = created.Run.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("the same key made runs %v", ids)
		}
	}
	finish(t, c, ids[0])
}
