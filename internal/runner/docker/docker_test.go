package docker

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func TestDockerJobContainer(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	j := newJob(t)
	s := spec(image, "",
		`echo "pwd $(pwd) home $HOME ws $GITHUB_WORKSPACE image $FROM_IMAGE lib [$LD_LIBRARY_PATH]"; id -u; echo "x=1" >> $GITHUB_OUTPUT; echo "LATER=yes" >> $GITHUB_ENV; echo hello > made; hostname > /tmp/own`,
		`echo "later $LATER; out ${{ steps.a.outputs.x }}; $(cat made); own $(cat /tmp/own); net ${{ job.container.network }}; event $(head -c 1 $GITHUB_EVENT_PATH)"`,
		`exit 3`)
	s.Steps[0].ID = "a"
	j.run(t.Context(), s)
	t.Log(j.all())
	if got := j.log(3); !strings.Contains(got, "pwd /__w/repo/repo home /github/home ws /__w/repo/repo image yes lib []\n0\n") {
		t.Errorf("first step: %s", got)
	}
	if got := j.log(4); !strings.Contains(got, "later yes; out 1; hello; own ") || !strings.Contains(got, "net github_network_") || !strings.Contains(got, "event {") {
		t.Errorf("second step: %s", got)
	}
	if j.end.Conclusion != cairn.Failure || j.rows[5].ExitCode == nil || *j.rows[5].ExitCode != 3 {
		t.Errorf("end: %+v", j.end)
	}
	if n := j.left(e); n != 0 {
		t.Errorf("%d things are left at the engine", n)
	}
}

func TestDockerCancel(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	j := newJob(t)
	s := spec(image, "", `trap 'echo interrupted; exit 9' INT; setsid sleep 300 & echo ready; sleep 300 & wait`, `echo cleaned; ps | grep -c "[s]leep 300" || true`)
	s.Steps[1].If = "always()"
	cancel := make(chan struct{})
	go func() {
		for !strings.Contains(j.log(3), "ready\n") {
			time.Sleep(20 * time.Millisecond)
		}
		close(cancel)
	}()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	j.run(ctx, s, func(r *runner.Job) { r.Cancel = cancel })
	if got := j.log(3); !strings.Contains(got, "interrupted") {
		t.Errorf("the step did not hear of the cancel: %s", got)
	}
	if got := j.log(4); !strings.Contains(got, "cleaned\n0\n") {
		t.Errorf("always() step: %s", j.all())
	}
	if j.end.Conclusion != cairn.Cancelled {
		t.Errorf("end: %+v", j.end)
	}
	if n := j.left(e); n != 0 {
		t.Errorf("%d things are left at the engine", n)
	}
}

// A node of this machine that needs only usual libraries is lent to containers.
func TestDockerLendsNode(t *testing.T) {
	t.Parallel()
	e := real(t)
	node, err := exec.LookPath("node")
	if err != nil || lendable(node) == "" {
		t.Skip("this machine has no node that can be lent")
	}
	files := map[string]string{}
	withLibraries(t, files, "node")
	delete(files, strings.TrimPrefix(node, "/"))
	image := importImage(t, e, "cairn-test/glibc:1", rootfs(t, files), "ENV PATH=/bin")
	j := newJob(t, func(o *Options) { o.Node = node })
	j.run(t.Context(), spec(image, "", `node -e 'console.log("node says " + (1 + 1))'; command -v cairn`))
	if got := j.log(3); !strings.Contains(got, "node says 2\n/__e/bin/cairn\n") {
		t.Error(j.all())
	}
}
