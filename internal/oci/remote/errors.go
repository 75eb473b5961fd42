package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// temporary says which failures are worth another try: what broke on the way, not
// what was never there.
func temporary(err error) bool {
	var dns *net.DNSError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &dns):
		return false
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return true
	}
	var te *transport.Error
	return errors.As(err, &te) && te.Temporary()
}

// explain says in words what came of talking to the registry of r.
func explain(ctx context.Context, r ref.Reference, doing string, err error) error {
	var ce *cairn.Error
	if err == nil || errors.As(err, &ce) {
		return err
	}
	if ctx.Err() != nil {
		return cairn.Errorf(cairn.CodeCanceled, "interrupted: %w", ctx.Err())
	}
	host := r.Registry()
	var te *transport.Error
	if errors.As(err, &te) {
		said := ""
		for _, d := range te.Errors {
			if d.Message != "" {
				said = ": " + clip(d.Message)
				break
			}
		}
		switch {
		case te.StatusCode == http.StatusUnauthorized:
			return cairn.Errorf(cairn.CodeForbidden, "%s does not let us %s %s%s", host, doing, r.Familiar(), said).
				WithHint("log in with docker login %s, or docker/login-action in a job; a registry says this of what it does not have, too", host)
		case te.StatusCode == http.StatusForbidden:
			return cairn.Errorf(cairn.CodeForbidden, "%s forbids to %s %s%s", host, doing, r.Familiar(), said).
				WithHint("the account that is logged in there may not do it")
		case te.StatusCode == http.StatusNotFound:
			return cairn.Errorf(cairn.CodeNotFound, "%s has no %s%s", host, r.Familiar(), said)
		case te.StatusCode == http.StatusTooManyRequests:
			return cairn.Errorf(cairn.CodeUnavailable, "%s takes no more requests for now%s", host, said).WithHint("try again later, or log in: docker login %s", host)
		case te.StatusCode >= 500:
			return cairn.Errorf(cairn.CodeUnavailable, "%s failed with status %d%s", host, te.StatusCode, said)
		}
		return cairn.Errorf(cairn.CodeFailed, "%s refuses to %s %s with status %d%s", host, doing, r.Familiar(), te.StatusCode, said)
	}
	if why := unreachable(err); why != "" {
		return cairn.Errorf(cairn.CodeUnavailable, "the registry %s cannot be reached: %s%w", host, why, hidden{err}).
			WithHint("is there a network here, and is the name right?")
	}
	if strings.Contains(err.Error(), "error verifying") { // the library's own type is not for others
		return cairn.Errorf(cairn.CodeFailed, "%s sent other bytes of %s than its manifest names: %w", host, r.Familiar(), err).
			WithHint("try again; where it says so once more, the image is damaged there and has to be pushed anew")
	}
	return cairn.Errorf(cairn.CodeFailed, "cannot %s %s: %w", doing, r.Familiar(), err)
}

// unreachable says why a peer could not be talked to, "" where it could.
func unreachable(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "its name is not known"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	case errors.As(err, &op) && op.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	case errors.As(err, &op):
		return op.Err.Error()
	case strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: "):
		return "its certificate is not trusted or it speaks no TLS"
	}
	return ""
}

// hidden keeps the cause for the log and shows nothing of it.
type hidden struct{ err error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.err }

func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
