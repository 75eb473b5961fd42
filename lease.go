package cairn

import "context"

// Lease is a job's right to write: it ends with the job, or when the job is
// handed out again.
type Lease struct {
	Job   JobID
	Epoch int64
}

type leaseKey struct{}

// WithLease returns a context whose writes the store accepts only while l holds:
// it looks in the transaction that writes, so that a request that began in time
// and took long writes nothing after its job's end. The zero Lease asks for
// nothing.
func WithLease(ctx context.Context, l Lease) context.Context {
	return context.WithValue(ctx, leaseKey{}, l)
}

// LeaseOf returns the lease under which ctx writes; the zero Lease for none.
func LeaseOf(ctx context.Context) Lease {
	l, _ := ctx.Value(leaseKey{}).(Lease)
	return l
}
