package docker

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
)

const (
	// ownerPatience is how long a connection waits for an owner that starts again.
	ownerPatience = 15 * time.Second
	maxCarried    = 256 // connections at once
)

// bridge lets code in containers reach the owner: it listens where they can reach
// it and carries what comes to a socket on which only tokens count.
type bridge struct {
	socket string // of the owner
	mu     sync.Mutex
	open   []net.Listener
	slots  chan struct{}
}

func newBridge(socket string) *bridge {
	return &bridge{socket: socket, slots: make(chan struct{}, maxCarried)}
}

// onSocket listens on a socket in a folder that the container sees.
func (b *bridge) onSocket(dir, name string) error {
	l, err := listenUnix(dir, name)
	if err != nil {
		return err
	}
	// The user of the container may be another one; the job's folder lets nobody in.
	if err := os.Chmod(filepath.Join(dir, name), 0o666); err != nil {
		l.Close()
		return err
	}
	b.serve(l)
	return nil
}

func (b *bridge) serve(l net.Listener) {
	b.mu.Lock()
	b.open = append(b.open, l)
	b.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case b.slots <- struct{}{}:
				go func() {
					defer func() { <-b.slots }()
					b.carry(c)
				}()
			default:
				c.Close()
			}
		}
	}()
}

// carry joins a connection with the owner, which may be about to start again.
func (b *bridge) carry(c net.Conn) {
	defer c.Close()
	deadline := time.Now().Add(ownerPatience)
	for {
		to, err := dialUnix(b.socket)
		if err == nil {
			defer to.Close()
			inside.Join(c, to)
			return
		}
		if time.Now().After(deadline) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (b *bridge) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.open {
		l.Close()
	}
	b.open = nil
}

// maxSocketPath is what fits into the address of a socket.
const maxSocketPath = 100

// listenUnix listens on a socket in dir. A path that is too long for the kernel is
// reached through the folder's descriptor.
func listenUnix(dir, name string) (*net.UnixListener, error) {
	path := filepath.Join(dir, name)
	_ = os.Remove(path)
	short, done, err := shorten(dir, name)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

func dialUnix(path string) (net.Conn, error) {
	short, done, err := shorten(filepath.Split(path))
	if err != nil {
		return nil, err
	}
	defer done()
	return net.Dial("unix", short)
}

func shorten(dir, name string) (path string, done func(), err error) {
	if path = filepath.Join(dir, name); len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name), func() { d.Close() }, nil
}

// rewriter changes addresses of this host to those that containers reach.
type rewriter struct{ from, to string } // host:port

func (r rewriter) text(s string) string {
	if r.from == "" || r.to == "" || !strings.Contains(s, r.from) {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, r.from)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := i + len(r.from)
		b.WriteString(s[:i])
		// 127.0.0.1:70770 and 1127.0.0.1:7077 are other addresses.
		if end < len(s) && digit(s[end]) || i > 0 && (digit(s[i-1]) || s[i-1] == '.') {
			b.WriteString(r.from)
		} else {
			b.WriteString(r.to)
		}
		s = s[end:]
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// hostPort is the host and port of an http address.
func hostPort(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "/")
	return rest
}

// reaches reports whether an address answers from the container.
func (a *agent) reaches(ctx context.Context, address string) bool {
	_, err := a.call(ctx, inside.Request{Op: inside.OpDial, Path: address})
	return err == nil
}
