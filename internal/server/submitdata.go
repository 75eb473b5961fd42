package server

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// DataAt finds the bytes that a reference leads to, as a job would that names it.
func (s *Server) DataAt(ctx context.Context, reference, use string) (cairn.DataValue, error) {
	ref, foreign := pipeline.ParseReference(reference, use)
	if !foreign {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeInvalid, "%q is a path, and lies on no place that the server reads", clipText(reference, 200)).
			WithHint("send its bytes, and name their digest")
	}
	refs := newJobRefs(s, &client.JobRequest{}, &jobCode{untrusted: auth.Actor(ctx).Untrusted})
	return refs.data(ctx, &ref)
}
