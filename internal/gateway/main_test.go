package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the programs that are served, and the process of a stage
// where a test kills it.
func TestMain(m *testing.M) {
	switch os.Getenv("GATEWAY_TEST") {
	case "program":
		testProgram(os.Getenv("MODE"), os.Getenv("PORT"))
		os.Exit(0)
	case "stage":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		exec, inherited := Exec(os.Args, os.Environ())
		if err := Run(ctx, Options{Exec: exec, Inherited: inherited, Dir: os.Args[1], Version: "test", Now: time.Now, StopGrace: time.Second, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testProgram is a small API in several states of health.
func testProgram(mode, port string) {
	host := "127.0.0.1"
	for _, m := range strings.Split(mode, ",") {
		name, arg, _ := strings.Cut(m, "=")
		switch name {
		case "exit":
			fmt.Println("starting")
			fmt.Fprintln(os.Stderr, "Error: no module named model")
			os.Exit(3)
		case "signal":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "slow":
			d, _ := time.ParseDuration(arg)
			time.Sleep(d)
		case "silent": // listens on nothing
			fmt.Println("still loading")
			time.Sleep(time.Hour)
		case "all":
			host = "0.0.0.0"
		case "otherport":
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			_, port, _ = net.SplitHostPort(l.Addr().String())
			l.Close()
		case "deaf":
			signal.Ignore(syscall.SIGTERM)
		case "fork": // leaves a child in a session of its own
			os.Setenv("MODE", "silent")
			attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nil, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true}}
			if _, err := os.StartProcess(os.Args[0], os.Args[:1], attr); err != nil {
				panic(err)
			}
		}
	}
	h := &handler{mode: mode, release: os.Getenv("RELEASE")}
	fmt.Println("listens on", host, port)
	if err := http.ListenAndServe(net.JoinHostPort(host, port), h); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type handler struct {
	mode, release string
	waste         [][]byte
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		switch {
		case strings.Contains(h.mode, "nohealth"):
			http.NotFound(w, r)
		case strings.Contains(h.mode, "sick"):
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	case "/predict":
		b, _ := io.ReadAll(r.Body)
		class := 7
		if strings.Contains(h.mode, "wrong") {
			class = 1
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"class": class, "bytes": len(b), "release": h.release, "pid": os.Getpid(), "p": 0.91})
	case "/echo":
		for k, v := range r.Header {
			w.Header()["Echo-"+k] = v
		}
		w.Header().Set("Echo-Host", r.Host)
		w.Header().Set("Echo-Query", r.URL.RawQuery)
		w.Header().Set("Echo-Path", r.URL.EscapedPath())
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Echo-Trailer", r.Trailer.Get("X-Sum"))
		w.Header().Set("X-Cairn-Prediction", "forged")
		if len(b) > 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		}
		_, _ = w.Write(b)
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		gap, _ := time.ParseDuration(r.URL.Query().Get("gap"))
		for i := range n {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(gap)
		}
	case "/trailer":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "42")
	case "/die":
		os.Exit(9)
	case "/dieonce":
		if _, err := os.Stat(r.URL.Query().Get("file")); err == nil {
			os.Remove(r.URL.Query().Get("file"))
			os.Exit(9)
		}
		fmt.Fprint(w, "alive")
	case "/half":
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		os.Exit(9)
	case "/ignore": // answers without reading the body
		w.WriteHeader(http.StatusUnauthorized)
	case "/eat":
		for range 400 {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			h.waste = append(h.waste, b)
			time.Sleep(time.Millisecond)
		}
	case "/sleep":
		d, _ := time.ParseDuration(r.URL.Query().Get("d"))
		time.Sleep(d)
		fmt.Fprint(w, h.release)
	case "/size":
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(make([]byte, n))
	case "/ws":
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_ = rw.Flush()
		for s := bufio.NewScanner(rw); s.Scan(); {
			fmt.Fprintln(rw, "echo", s.Text())
			_ = rw.Flush()
		}
	default:
		http.NotFound(w, r)
	}
}
