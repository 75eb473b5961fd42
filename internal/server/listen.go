package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// spares are ports that an owner started by a command takes when its own is
// taken; services have theirs from 7080 on.
var spares = []int{7077, 7078, 7079, 7070, 7071, 7072, 7073, 7074, 7075, 7076, 0}

// listen opens the socket and the address.
func (s *Server) listen(ctx context.Context) error {
	addr, chosen := s.address()
	if err := checkListen(addr); err != nil {
		return err
	}
	if !loopback(addr) && !s.o.Exposed {
		return cairn.Errorf(cairn.CodeForbidden, "%s is reached from other machines, and there is no TLS", addr).
			WithHint("put a proxy with TLS in front and listen on 127.0.0.1, or force it with --exposed: everybody needs a token then, which travels in plain text")
	}
	active, err := s.store.ActiveRuns(ctx)
	if err != nil {
		return err
	}
	old := readRecorded(s.o.Home)
	l, err := s.bind(addr, chosen, old, len(active) > 0)
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, l)
	listening := l.Addr().String()
	s.url = urlOf(l.Addr())
	if len(active) > 0 && old.Listen != "" && old.URL != s.url {
		// Jobs that run were told the address of the owner before this one.
		if l, err := net.Listen("tcp", old.Listen); err == nil {
			s.listeners = append(s.listeners, l)
		} else {
			s.log.Warn("jobs that run cannot reach this server at the address they know", "address", old.Listen, "error", err)
		}
	}
	sock, err := client.ListenSocket(client.SocketPath(s.o.Home))
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot listen on the socket of the home: %w", err)
	}
	s.listeners = append(s.listeners, sock)
	if err := s.listenForJobs(); err != nil {
		return err
	}
	return s.writeRecorded(recorded{PID: os.Getpid(), Listen: listening, URL: s.url})
}

// address is what to listen on; chosen says that somebody named it.
func (s *Server) address() (addr string, chosen bool) {
	switch {
	case s.o.Listen != "":
		return s.o.Listen, true
	case s.config.Listen != "":
		return s.config.Listen, true
	}
	return DefaultListen, !s.o.Detached
}

// bind listens on addr. An owner that a command started takes the address that
// live jobs know, or the next free port.
func (s *Server) bind(addr string, chosen bool, old recorded, live bool) (net.Listener, error) {
	if chosen {
		l, err := net.Listen("tcp", addr)
		return l, explain(addr, err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, explain(addr, err)
	}
	first, _ := strconv.Atoi(port) // checked before
	ports := append([]int{first}, spares...)
	if _, p, err := net.SplitHostPort(old.Listen); err == nil && live {
		if n, err := strconv.Atoi(p); err == nil {
			ports = append([]int{n}, ports...)
		}
	}
	for i, p := range ports {
		if slices.Contains(ports[:i], p) {
			continue
		}
		l, lerr := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if lerr == nil {
			return l, nil
		}
		err = lerr
		if !errors.Is(lerr, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, explain(addr, err)
}

// explain turns an error of listen(2) into one for people.
func explain(addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(addr)
		e := cairn.Errorf(cairn.CodeConflict, "%s is taken by another program%s: %w", addr, holder(port), err)
		return e.WithHint("end that program, or listen elsewhere: cairn serve --listen 127.0.0.1:0")
	case errors.Is(err, syscall.EACCES):
		return cairn.Errorf(cairn.CodeForbidden, "this user may not listen on %s: %w", addr, err).
			WithHint("ports below 1024 belong to root")
	}
	return cairn.Errorf(cairn.CodeUnavailable, "cannot listen on %s: %w", addr, err)
}

func urlOf(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "http://" + a.String()
	}
	ip := t.IP.String()
	if t.IP.IsUnspecified() {
		ip = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(ip, strconv.Itoa(t.Port))
}

// holder names the process that listens on a port, where that can be found out.
func holder(port string) string {
	pid, name := portHolder(port)
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s, pid %d)", strings.TrimSpace(name), pid)
}
