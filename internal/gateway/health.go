package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	pollFirst = 5 * time.Millisecond
	pollMost  = 250 * time.Millisecond
	probeTime = 5 * time.Second // for one answer
	// elsewhere is how long a program may listen on another port only before that
	// one is taken for the right one.
	elsewhere    = time.Second
	defaultStart = 2 * time.Minute
	healthOfPort = "port"
)

// usualPaths are tried in this order where a stage names no health path. A 5xx of
// the first ones says that the program is not ready; of the others, nothing.
var usualPaths = []struct {
	path  string
	ready bool
}{
	{"/health", true}, {"/healthz", true}, {"/health/live", true}, {"/ready", true}, {"/readyz", true},
	{"/ping", false}, {"/status", false}, {"/docs", false}, {"/", false},
}

// prober asks programs how they are. Each request has a connection of its own, so
// that it says nothing about those that came before.
type prober struct{ client *http.Client }

func newProber() *prober {
	return &prober{&http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       probeTime,
	}}
}

// get gives the status of a path.
func (p *prober) get(ctx context.Context, port int, path string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "cairn-health")
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // only politeness
	return resp.StatusCode, nil
}

// once asks one time. health is what answered: the path, or healthOfPort; why says
// what is missing where it is "". A path that the stage names must answer with 2xx
// or 3xx; one that was found before, with anything below 500.
func (p *prober) once(ctx context.Context, port int, named, found string) (health, why string) {
	switch {
	case named != "":
		return p.path(ctx, port, named, 400)
	case found == healthOfPort:
		c, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return "", reason(err)
		}
		c.Close()
		return healthOfPort, ""
	case found != "":
		return p.path(ctx, port, found, 500)
	}
	fallback := healthOfPort
	for _, u := range usualPaths {
		code, err := p.get(ctx, port, u.path)
		switch {
		case err != nil:
			return "", reason(err)
		case code >= 200 && code < 400:
			return u.path, ""
		case code >= 500 && u.ready:
			return "", fmt.Sprintf("GET %s answers %d", u.path, code)
		case code < 500 && code != http.StatusNotFound && fallback == healthOfPort:
			fallback = u.path
		}
	}
	return fallback, ""
}

func (p *prober) path(ctx context.Context, port int, path string, below int) (health, why string) {
	code, err := p.get(ctx, port, path)
	switch {
	case err != nil:
		return "", reason(err)
	case code >= 200 && code < below:
		return path, ""
	}
	return "", fmt.Sprintf("GET %s answers %d", path, code)
}

func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on its port"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it takes connections and does not answer"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it takes connections and closes them without an answer"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "what listens on its port does not speak HTTP"
	}
	return err.Error()
}

// await waits until a program is healthy. It returns the port and what answers, or
// an error for people once the program has ended or its time is over. tell is
// called with notes.
func (p *prober) await(ctx context.Context, x *cairn.StageInstance, prog *program, tell func(string)) (port int, health string, err error) {
	limit := x.Start.Duration()
	if limit <= 0 {
		limit = defaultStart
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // an answer that is waited for ends with the program
		select {
		case <-prog.exited:
			cancel()
		case <-stop:
		}
	}()
	why := "nothing listens on its port"
	var other time.Time // since when it listens elsewhere only
	port = prog.Port
	for wait := pollFirst; ; wait = min(wait*3/2, pollMost) {
		select {
		case <-prog.exited:
			return 0, "", cairn.Errorf(cairn.CodeFailed, "the program did not come up: %s", prog.ended).
				WithHint("its last lines say why; the command is %s", clip(strings.Join(x.Exec.Args, " "), 300))
		default:
		}
		if ctx.Err() != nil {
			if context.Cause(ctx) == context.Canceled {
				return 0, "", cairn.Errorf(cairn.CodeCanceled, "the deployment was stopped before the program was healthy")
			}
			return 0, "", cairn.Errorf(cairn.CodeFailed, "the program was not healthy within %s: %s", limit, why).
				WithHint("%s", healthHint(x))
		}
		health, w := p.once(ctx, port, x.Health, "")
		if health != "" {
			return port, health, checkListeners(x, prog, port, tell)
		}
		if ctx.Err() == nil {
			why = w
		}
		if wait == pollMost && refused(w) {
			if port, err = takeOther(x, prog, &other, tell); err != nil {
				return 0, "", err
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-prog.exited:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func refused(why string) bool { return why == "nothing listens on its port" }

func healthHint(x *cairn.StageInstance) string {
	if x.Health != "" {
		return "health in .cairn/stages.yml names the path " + x.Health + "; start says how long it may take"
	}
	return "the program must listen on the port in PORT; start in .cairn/stages.yml says how long it may take, health which path to ask"
}

// checkListeners looks whether the program itself has the port, and only this
// machine can reach it.
func checkListeners(x *cairn.StageInstance, prog *program, port int, tell func(string)) error {
	if x.Exec.Mode == "container" {
		return nil
	}
	all, known := listeners(&prog.process)
	if !known {
		return nil
	}
	ours := false
	for _, a := range all {
		if int(a.Port()) != port {
			if !a.Addr().IsLoopback() {
				tell(fmt.Sprintf("the program also listens on %s, which other machines may reach", a))
			}
			continue
		}
		ours = true
		if !a.Addr().IsLoopback() {
			return exposed(a)
		}
	}
	if !ours {
		return cairn.Errorf(cairn.CodeFailed, "another process answers on port %d, which was chosen for the program", port).
			WithHint("deploy again: another port is chosen")
	}
	return nil
}

func exposed(a netip.AddrPort) error {
	return cairn.Errorf(cairn.CodeFailed, "the program listens on %s, which other machines may reach past the gateway", a).
		WithHint("let it listen on 127.0.0.1 and the port in PORT (uvicorn main:app --host 127.0.0.1 --port $PORT), or start it with a server that Cairn knows: uvicorn, gunicorn, hypercorn, fastapi, flask")
}

// takeOther gives the port that the program is to be asked on: the one it was told,
// or, where it listens on one other only and for a while, that one.
func takeOther(x *cairn.StageInstance, prog *program, since *time.Time, tell func(string)) (int, error) {
	if x.Exec.Mode == "container" {
		return prog.Port, nil
	}
	all, known := listeners(&prog.process)
	if !known || len(all) == 0 || slices.ContainsFunc(all, func(a netip.AddrPort) bool { return int(a.Port()) == prog.Port }) {
		*since = time.Time{}
		return prog.Port, nil
	}
	if since.IsZero() {
		*since = time.Now()
	}
	if time.Since(*since) < elsewhere {
		return prog.Port, nil
	}
	var local []netip.AddrPort
	for _, a := range all {
		if !a.Addr().IsLoopback() {
			return 0, exposed(a)
		}
		if a.Addr().Is4() {
			local = append(local, a)
		}
	}
	if len(local) != 1 {
		return 0, cairn.Errorf(cairn.CodeFailed, "the program was told port %d and listens on %v", prog.Port, all).
			WithHint("let it listen on 127.0.0.1 and the port in PORT")
	}
	tell(fmt.Sprintf("the program was told port %d and listens on %d: that one is used", prog.Port, local[0].Port()))
	return int(local[0].Port()), nil
}
