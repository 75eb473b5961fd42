package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// auto reaches an owner as commands do: starting one from this test binary.
func auto(t testing.TB, home string) *client.Client {
	t.Helper()
	c, err := client.Connect(context.Background(), client.Options{
		Home: home, AutoStart: true, Exec: exe(t), Env: env(t), Patience: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// stopOwner ends whoever owns the home when the test is over.
func stopOwner(t testing.TB, home string) {
	t.Helper()
	t.Cleanup(func() {
		for range 3 {
			c, err := client.Connect(context.Background(), client.Options{Home: home, Patience: time.Nanosecond})
			if err != nil {
				return
			}
			st, err := c.Status(context.Background())
			c.Handover(context.Background())
			c.Close()
			for i := 0; err == nil && i < 200 && syscall.Kill(st.PID, 0) == nil; i++ {
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
}

func ownerPID(t testing.TB, c *client.Client) int {
	t.Helper()
	st, err := c.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st.PID
}

func TestManyAtOnceStartOneOwner(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	stopOwner(t, home)
	var wg sync.WaitGroup
	pids := make([]int, 6)
	for i := range pids {
		wg.Go(func() {
			c, err := client.Connect(context.Background(), client.Options{Home: home, AutoStart: true, Exec: exe(t), Env: env(t)})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			st, err := c.Status(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			pids[i] = st.PID
			if !st.SelfStarted || st.Idle != client.IdleExit {
				t.Errorf("%+v", st)
			}
		})
	}
	wg.Wait()
	for _, p := range pids {
		if p != pids[0] {
			t.Errorf("several owners: %v", pids)
			break
		}
	}
}

func TestServeTakesOverAndRunsGoOn(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	stopOwner(t, home)
	c := auto(t, home)
	first := ownerPID(t, c)
	dir := repository(t, map[string]string{".github/workflows/a.yml": chain(3, "sleep 0.3")})
	r := submit(t, c, dir, client.RunRequest{EnvFile: map[string]string{"RECORD": "/dev/null"}})

	cmd := exec.Command(exe(t), "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(env(t), "CAIRN_HOME="+home)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended: %v\n%s", err, said.String())
		}
	}()
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", done.Conclusion, describe(c, r.ID))
	}
	st, err := c.Status(context.Background())
	if err != nil || st.PID == first || st.SelfStarted || st.PID != cmd.Process.Pid {
		t.Errorf("serve did not take over: %+v %v", st, err)
	}
	// A second serve is told who is there.
	out, err := exec.Command("env", "CAIRN_HOME="+home, exe(t), "serve").CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("pid %d", cmd.Process.Pid)) {
		t.Errorf("a second serve: %v\n%s", err, out)
	}
}

func TestIdleOwnerLeaves(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	cmd := exec.Command(exe(t), "serve", "--detached", "--idle", "200ms")
	cmd.Env = append(env(t), "CAIRN_HOME="+home)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, _ := out.Read(line)
	if !strings.Contains(string(line[:n]), `"ready":true`) {
		t.Fatalf("not ready: %s", line[:n])
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "cairn.sock")); err == nil {
		t.Error("the socket is left")
	}
}

// chain is a workflow of n jobs in a row, each appending a line to a file.
func chain(n int, wait string) string {
	var b strings.Builder
	b.WriteString("on: workflow_dispatch\njobs:\n")
	for i := range n {
		fmt.Fprintf(&b, "  j%d:\n    runs-on: ubuntu-latest\n", i)
		if i > 0 {
			fmt.Fprintf(&b, "    needs: j%d\n", i-1)
		}
		fmt.Fprintf(&b, "    steps:\n      - run: %s\n      - run: echo once-%d >> \"$RECORD\"\n      - run: %s\n", wait, i, wait)
	}
	return strings.Replace(b.String(), "jobs:", "env:\n  RECORD: ${{ vars.RECORD }}\njobs:", 1)
}

// TestOwnerKilled kills the owner at twenty points of runs. Everything ends once.
func TestOwnerKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	t.Parallel()
	home := tempHome(t)
	stopOwner(t, home)
	ctx := context.Background()
	const jobs = 5
	dir := repository(t, map[string]string{".github/workflows/a.yml": chain(jobs, "sleep 0.05")})
	rnd := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for kills, round := 0, 0; kills < 20; round++ {
		record := filepath.Join(t.TempDir(), "record")
		c := auto(t, home)
		r := submit(t, c, dir, client.RunRequest{EnvFile: map[string]string{"RECORD": record}})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rnd.IntN(400)) * time.Millisecond):
				}
				pid := ownerPID(t, c)
				select {
				case <-stop:
					return
				default:
				}
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					kills++
				}
			}
		})
		done := finish(t, c, r.ID)
		close(stop)
		wg.Wait()
		if done.Conclusion != cairn.Success {
			t.Fatalf("round %d, %d kills: %s\n%s", round, kills, done.Conclusion, describe(c, r.ID))
		}
		b, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for i := range jobs {
			fmt.Fprintf(&want, "once-%d\n", i)
		}
		if string(b) != want.String() {
			t.Fatalf("round %d, %d kills: steps ran as\n%s", round, kills, b)
		}
		rows, err := c.Jobs(ctx, r.ID, 0)
		if err != nil || len(rows) != jobs {
			t.Fatalf("%d jobs: %v", len(rows), err)
		}
	}
	orphans(t, home)
}

// orphans looks for supervisors of the home that should have ended.
func orphans(t *testing.T, home string) {
	t.Helper()
	var left []string
	for range 100 {
		left = nil
		procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, p := range procs {
			b, _ := os.ReadFile(p)
			if args := strings.Split(string(b), "\x00"); len(args) > 2 && args[1] == "_job" && strings.HasPrefix(args[2], home) {
				left = append(left, strings.Join(args, " "))
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("supervisors are left: %v", left)
}
