package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func texts(es []cairn.StageEvent) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "%s: %s\n", e.Kind, e.Text)
	}
	return b.String()
}

// TestFailedDeployments: each says why, shows the last lines of the program, leaves
// nothing running, and what was live stays.
func TestFailedDeployments(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	for i, c := range []struct {
		name, mode string
		change     func(*cairn.StageInstance)
		message    string
		log        string
	}{
		{"exits at once", "exit", nil, "the program did not come up: it ended with exit code 3", "Error: no module named model"},
		{"is killed", "signal", nil, "the program did not come up: it was ended by signal 9 (killed)", ""},
		{"never listens", "silent", func(x *cairn.StageInstance) { x.Start = 300 }, "the program was not healthy within 300ms: nothing listens on its port", "still loading"},
		{"is never healthy", "sick", func(x *cairn.StageInstance) { x.Start = 300 }, "the program was not healthy within 300ms: GET /health answers 503", "listens on"},
		{"its health path is not there", "ok", func(x *cairn.StageInstance) { x.Start, x.Health = 300, "/up" }, "GET /up answers 404", "listens on"},
		{"answers wrongly", "wrong", func(x *cairn.StageInstance) {
			x.Smoke = &cairn.Smoke{Method: "POST", Path: "/predict", Body: []byte("x"), JSON: `{"class": 7}`}
		}, "the smoke request POST /predict was not answered as expected: .class: expected 7, got 1; the whole answer is {", "listens on"},
		{"answers with another status", "ok", func(x *cairn.StageInstance) { x.Smoke = &cairn.Smoke{Path: "/nowhere"} },
			"the smoke request GET /nowhere was not answered as expected: expected status 200 to 299, got 404", ""},
		{"dies of the smoke request", "ok", func(x *cairn.StageInstance) { x.Smoke = &cairn.Smoke{Path: "/die"} }, "the smoke request GET /die had no answer", ""},
		{"answers too late", "ok", func(x *cairn.StageInstance) { x.Smoke = &cairn.Smoke{Path: "/sleep?d=20s", Timeout: 100} }, "had no answer within 100ms", ""},
		{"has no command", "ok", func(x *cairn.StageInstance) { x.Exec.Args = []string{"no-such-server"} }, `the command "no-such-server" was not found on PATH`, ""},
		{"cannot be executed", "ok", func(x *cairn.StageInstance) { x.Exec.Args = []string{"/etc/passwd"} }, "/etc/passwd cannot be started", ""},
	} {
		x := spec(t, cairn.DeploymentID(10+i), releaseB, c.mode)
		if c.change != nil {
			c.change(&x)
		}
		last, _ := r.fails(x)
		if !strings.Contains(last.Text, c.message) || last.Text != last.Error.Message || last.Error.Code != cairn.CodeFailed || last.Error.Hint == "" && c.name != "answers too late" && c.name != "dies of the smoke request" {
			t.Errorf("%s: %q, %+v", c.name, last.Text, last.Error)
		}
		if !strings.Contains(strings.Join(last.Log, "\n"), c.log) {
			t.Errorf("%s: log %q", c.name, last.Log)
		}
		if g := r.do("POST", "/predict", "x"); g.Header.Get(headerRelease) != releaseA {
			t.Errorf("%s: live is %q", c.name, g.Header.Get(headerRelease))
		}
		st := r.status()
		if st.Coming != nil || st.Warm != nil {
			t.Errorf("%s: %+v", c.name, st)
		}
		left := strays(r.l.markBase(), nil)
		if len(left) != 1 || left[0].PID != st.Live.PID {
			t.Errorf("%s: %d programs run", c.name, len(left))
		}
	}
}

func TestExposedProgram(t *testing.T) {
	t.Parallel()
	r := inside(t)
	last, _ := r.fails(spec(t, 1, releaseA, "all"))
	if !strings.Contains(last.Text, "which other machines may reach past the gateway") || !strings.Contains(last.Error.Hint, "PORT") {
		t.Errorf("%+v", last)
	}
	// In a container it is the container's own address.
	r.live(spec(t, 2, releaseA, "all", func(x *cairn.StageInstance) { x.Exec.Mode = "container" }))
}

func TestOtherPort(t *testing.T) {
	t.Parallel()
	r := inside(t)
	es := r.live(spec(t, 1, releaseA, "otherport"))
	if !strings.Contains(texts(es), "note: the program was told port") {
		t.Errorf("%s", texts(es))
	}
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("%d", g.StatusCode)
	}
	if st := r.status(); st.Live.Port != es[len(es)-1].Port {
		t.Errorf("%+v", st.Live)
	}
}

func TestHealthByPort(t *testing.T) {
	t.Parallel()
	r := inside(t)
	es := r.live(spec(t, 1, releaseA, "nohealth"))
	if h := es[len(es)-1].Health; h != healthOfPort {
		t.Errorf("%q", h)
	}
	if st := r.status(); st.Live.Health != healthOfPort || !st.Live.Healthy {
		t.Errorf("%+v", st.Live)
	}
}

func TestSmokePasses(t *testing.T) {
	t.Parallel()
	r := inside(t)
	es := r.live(spec(t, 1, releaseA, "slow=50ms", func(x *cairn.StageInstance) {
		x.Smoke = &cairn.Smoke{Method: "POST", Path: "/predict", Body: []byte("abc"), BodyType: "image/png", Status: 200,
			Contains: "class", JSON: `{"class": 7, "bytes": 3, "p": 0.9}`, Tolerance: 0.05, Header: []cairn.NamedText{{Name: "Host", Value: "api"}}}
	}))
	var kinds []string
	for _, e := range es {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []string{"started", "healthy", "smoked", "live"}) {
		t.Errorf("%v", kinds)
	}
}

// TestRollback goes back to what is kept warm: no program is started for it.
func TestRollback(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	pid := r.status().Live.PID
	r.live(spec(t, 2, releaseB, "ok"))
	if st := r.status(); st.Warm == nil || st.Warm.PID != pid || st.Warm.Deployment != 1 || !st.Warm.Healthy {
		t.Fatalf("%+v", st.Warm)
	}
	es := r.live(spec(t, 3, releaseA, "ok", func(x *cairn.StageInstance) { x.Log.MaxBody = 99 }))
	if len(es) != 2 || !strings.Contains(es[0].Text, "kept warm") {
		t.Errorf("%s", texts(es))
	}
	st := r.status()
	if st.Live.PID != pid || st.Live.Deployment != 3 || st.Warm == nil || st.Warm.Deployment != 2 {
		t.Errorf("%+v %+v", st.Live, st.Warm)
	}
	g := r.do("POST", "/predict", "x")
	if p := r.logged(g); p.Deployment != 3 || p.Release != releaseA {
		t.Errorf("%+v", p)
	}
	// Its log is found under both numbers.
	a, err := os.Stat(r.l.log(1))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.Stat(r.l.log(3)); err != nil || !os.SameFile(a, b) {
		t.Errorf("%v", err)
	}
	// Once live, it is started again when it dies.
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "it is back", func() bool { s := r.status().Live; return s.Healthy && s.PID != pid && s.Restarts == 1 })
	// The one that is warm is not: then a rollback starts it anew.
	warm := r.status().Warm.PID
	_ = syscall.Kill(warm, syscall.SIGKILL)
	eventually(t, "it is known to be dead", func() bool { return !r.status().Warm.Healthy })
	es = r.live(spec(t, 4, releaseB, "ok"))
	if !strings.Contains(texts(es), "started: ") {
		t.Errorf("%s", texts(es))
	}
}

// TestWarmEnds: the warm one ends after its time, and the one before it at once.
func TestWarmEnds(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	r.live(spec(t, 2, releaseB, "ok"))
	r.live(spec(t, 3, "cccccccccccc", "ok", func(x *cairn.StageInstance) { x.Warm = 1200 }))
	eventually(t, "the first one ends", func() bool { return len(strays(r.l.markBase(), nil)) <= 2 })
	eventually(t, "the warm one ends", func() bool { return r.status().Warm == nil && len(strays(r.l.markBase(), nil)) == 1 })
}

// TestWarmIsTakenInTime: while a deployment goes back to the warm one, its time does
// not run out.
func TestWarmIsTakenInTime(t *testing.T) {
	t.Parallel()
	r := inside(t)
	slow := func(x *cairn.StageInstance) { x.Health = "/sleep?d=1s" } // to say how it is
	r.live(spec(t, 1, releaseA, "ok", slow))
	pid := r.status().Live.PID
	r.live(spec(t, 2, releaseB, "ok", func(x *cairn.StageInstance) { x.Warm = 100 }))
	es := r.live(spec(t, 3, releaseA, "ok", slow))
	if st := r.status(); st.Live.PID != pid || !st.Live.Healthy {
		t.Errorf("%+v: %s", st.Live, texts(es))
	}
}

func TestDeployTwice(t *testing.T) {
	t.Parallel()
	r := inside(t)
	x := spec(t, 1, releaseA, "slow=300ms")
	var wg sync.WaitGroup
	for range 2 { // the same one: both see all of it
		wg.Go(func() {
			if es, err := r.deploy(x); err != nil || es[len(es)-1].Kind != cairn.StageEvLive {
				t.Errorf("%v %v", es, err)
			}
		})
	}
	eventually(t, "it is coming", func() bool { return r.status().Coming != nil })
	_, err := r.deploy(spec(t, 2, releaseB, "ok"))
	if cairn.CodeOf(err) != cairn.CodeConflict || err.Error() != "deployment 1 is under way on this stage" {
		t.Errorf("%v", err)
	}
	wg.Wait()
	pid := r.status().Live.PID
	if es := r.live(x); len(es) != 1 || r.status().Live.PID != pid {
		t.Errorf("%s", texts(es))
	}
	r.live(spec(t, 2, releaseB, "ok"))
	if _, err := r.deploy(x); cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "was live before") {
		t.Errorf("%v", err)
	}
}

func TestBadInstances(t *testing.T) {
	t.Parallel()
	r := inside(t)
	for message, change := range map[string]func(*cairn.StageInstance){
		"deployment is 0":          func(x *cairn.StageInstance) { x.Deployment = 0 },
		"not 12 hex digits":        func(x *cairn.StageInstance) { x.Release = "v1-2" },
		"its command is empty":     func(x *cairn.StageInstance) { x.Exec.Args = nil },
		`mode is "vm"`:             func(x *cairn.StageInstance) { x.Exec.Mode = "vm" },
		"a NUL byte":               func(x *cairn.StageInstance) { x.Exec.Args = []string{"a\x00b"} },
		"not NAME=VALUE":           func(x *cairn.StageInstance) { x.Exec.Env = []string{"A"} },
		`log.mode is "sometimes"`:  func(x *cairn.StageInstance) { x.Log.Mode = "sometimes" },
		"its folder /no/such/path": func(x *cairn.StageInstance) { x.Exec.Dir = "/no/such/path" },
		"drain is -1s":             func(x *cairn.StageInstance) { x.Drain = -1000 },
	} {
		if _, err := r.deploy(spec(t, 1, releaseA, "ok", change)); cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", message, err)
		}
	}
	resp, err := r.client.Post("http://stage/v1/deploy", "application/json", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestCrashLoop: a program that dies again and again is started with growing
// pauses, and the status says so.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	r := inside(t)
	file := filepath.Join(t.TempDir(), "run.sh")
	exe, _ := os.Executable()
	write := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	good := "#!/bin/sh\nexec " + exe + "\n"
	write(good)
	r.live(spec(t, 1, releaseA, "ok", func(x *cairn.StageInstance) { x.Exec.Args = []string{file} }))
	write("#!/bin/sh\necho broken >&2; exit 5\n")
	_ = syscall.Kill(r.status().Live.PID, syscall.SIGKILL)
	eventually(t, "the status shows it", func() bool {
		st := r.status().Live
		return !st.Healthy && st.Restarts >= 3 && strings.Contains(st.Reason, "exit code 5; failed ") && strings.Contains(st.Reason, "times in a row")
	})
	write(good)
	if g := r.do("GET", "/predict", ""); g.StatusCode != 200 {
		t.Logf("while it pauses: %d %s", g.StatusCode, g.body)
	}
	eventually(t, "it is back", func() bool { return r.status().Live.Healthy })
}

func TestStop(t *testing.T) {
	t.Parallel()
	l, f := stageDir(t)
	r := l.of(t, f)
	r.run(t)
	r.live(spec(t, 1, releaseA, "deaf,fork")) // ignores SIGTERM, and has a child elsewhere
	if n := len(strays(l.markBase(), nil)); n != 2 {
		t.Errorf("%d processes", n)
	}
	slow := make(chan got, 1)
	go func() {
		g, err := r.try("GET", "/sleep?d=300ms", "")
		if err != nil {
			t.Error(err)
		}
		slow <- g
	}()
	eventually(t, "a request is under way", func() bool { return r.status().Requests == 1 })
	resp, err := r.client.Post("http://stage/v1/stop", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if g := <-slow; g.StatusCode != 200 || g.body != releaseA {
		t.Errorf("the request under way: %v", g)
	}
	eventually(t, "nothing is left", func() bool { return len(strays(l.markBase(), nil)) == 0 })
	eventually(t, "the state says so", func() bool { st, err := l.readState(); return err == nil && st.Live == nil })
	if _, err := http.Get(r.url); err == nil {
		t.Error("it still listens")
	}
}

// TestStopCommand: what signals do not reach is ended by its own command, also when
// the program died, and when the process of the stage did while it came up.
func TestStopCommand(t *testing.T) {
	t.Parallel()
	l, f := stageDir(t)
	r := l.of(t, f)
	file := filepath.Join(t.TempDir(), "stopped")
	count := func() int { b, _ := os.ReadFile(file); return bytes.Count(b, []byte("stop\n")) }
	with := func(x *cairn.StageInstance) {
		x.Exec.Mode, x.Exec.Stop = "container", []string{"/bin/sh", "-c", "echo stop >> " + file}
	}
	x := spec(t, 1, releaseA, "ok", with)
	if err := writeJSON(l.state(), state{Schema: stateSchema, Coming: &x}); err != nil {
		t.Fatal(err)
	}
	stop := r.run(t)
	if count() != 1 {
		t.Errorf("what came up before: %d", count())
	}
	r.live(x)
	if st, err := l.readState(); err != nil || st.Coming != nil || st.Live == nil {
		t.Errorf("%+v %v", st, err)
	}
	_ = syscall.Kill(r.status().Live.PID, syscall.SIGKILL)
	eventually(t, "it is back", func() bool { s := r.status().Live; return s.Restarts == 1 && s.Healthy })
	if count() != 2 {
		t.Errorf("after it died: %d", count())
	}
	r.fails(spec(t, 2, releaseB, "exit", with))
	if st, err := l.readState(); err != nil || st.Coming != nil || count() != 3 {
		t.Errorf("%+v %v, %d", st, err, count())
	}
	stop()
	if count() != 4 {
		t.Errorf("at the end: %d", count())
	}
}

// TestOrderlyEnd is SIGTERM: the next process of the stage starts the program again.
func TestOrderlyEnd(t *testing.T) {
	t.Parallel()
	l, f := stageDir(t)
	r := l.of(t, f)
	stop := r.run(t)
	if _, err := os.Stat(f.Socket); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(f.Socket); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket: %v", fi.Mode())
	}
	r.live(spec(t, 1, releaseA, "ok"))
	if err := Run(t.Context(), Options{Dir: string(l)}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("a second process: %v", err)
	}
	g := r.do("POST", "/predict", "x")
	stop()
	r.run(t)
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 || g.Header.Get(headerRelease) != releaseA {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	r.logged(g)
}

func TestBadFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		code cairn.Code
	}{
		"no file":  {"", cairn.CodeNotFound},
		"garbage":  {"{", cairn.CodeFailed},
		"newer":    {`{"schema":2}`, cairn.CodeUnsupported},
		"exposed":  {`{"schema":1,"id":1,"listen":"0.0.0.0:0","socket":"/tmp/x"}`, cairn.CodeInvalid},
		"too long": {`{"schema":1,"id":1,"listen":"127.0.0.1:0","socket":"/` + strings.Repeat("x", 120) + `"}`, cairn.CodeInvalid},
	} {
		dir := t.TempDir()
		if c.text != "" {
			if err := os.WriteFile(layout(dir).stage(), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Run(t.Context(), Options{Dir: dir, Now: time.Now}); cairn.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRotateLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1.log")
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 6 {
		if _, err := f.Write(bytes.Repeat([]byte{byte('0' + i)}, logLimit)); err != nil {
			t.Fatal(err)
		}
		if err := rotateLog(path); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(f, "last")
	es, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(es) != 1+logKeep {
		t.Errorf("%v %v", es, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "last\n" {
		t.Errorf("%.20q", b)
	}
	if got := tail(path, logLimit); !slices.Equal(got, []string{"last"}) {
		t.Errorf("%q", got)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got string
		tolerance float64
		why       string
	}{
		{`{"a":1}`, `{"a":1,"b":2}`, 0, ""},
		{`{"a":1}`, `{"b":2}`, 0, ".a: expected 1, and it is not there"},
		{`{"a":{"b":[1,2]}}`, `{"a":{"b":[1,2.001]}}`, 0.01, ""},
		{`{"a":{"b":[1,2]}}`, `{"a":{"b":[1,3]}}`, 0.01, ".a.b[1]: expected 2, got 3"},
		{`[1,2]`, `[1,2,3]`, 0, "the answer: expected [1,2], got [1,2,3]"},
		{`"x"`, `"y"`, 0, `expected "x", got "y"`},
		{`null`, `0`, 0, "expected null, got 0"},
		{`1`, `"1"`, 9, `expected 1, got "1"`},
		{`12345678901234567890`, `12345678901234567890`, 0, ""},
		{`{"a":1}`, `nope`, 0, `expected JSON {"a":1}, got nope`},
		{`1`, `1e999`, 0.5, "expected 1, got 1e999"},
	} {
		why := judge(&cairn.Smoke{JSON: c.want, Tolerance: c.tolerance}, 200, []byte(c.got))
		if c.why == "" && why != "" || !strings.Contains(why, c.why) {
			t.Errorf("%s %s: %q", c.want, c.got, why)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before int
		up     time.Duration
		want   int
	}{{0, 0, 1}, {0, time.Hour, 1}, {1, 0, 2}, {1, 300 * time.Millisecond, 1}, {3, time.Second, 4}, {9, steady, 1}} {
		if got := failures(c.before, c.up); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for i := range 12 {
		got = append(got, backoff(i))
	}
	if got[0] != 0 || got[1] != 100*time.Millisecond || got[2] != 200*time.Millisecond || got[11] != backoffMost || !slices.IsSorted(got) {
		t.Errorf("%v", got)
	}
}
