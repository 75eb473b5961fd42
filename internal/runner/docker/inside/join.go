package inside

import (
	"io"
	"net"
)

// Join carries bytes both ways until both are done.
func Join(a, b net.Conn) {
	done := make(chan struct{})
	half := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if w, ok := to.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	}
	go func() {
		defer close(done)
		half(a, b)
	}()
	half(b, a)
	<-done
}
