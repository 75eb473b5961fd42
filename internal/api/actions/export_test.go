package actions

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
)

// Unpack and Pack are for tests of their own.
func (s *Service) Unpack(ctx context.Context, d cairn.Digest) (cairn.Digest, error) {
	return s.unpack(ctx, d)
}

func (s *Service) Pack(ctx context.Context, w io.Writer, root cairn.Digest) error {
	z, err := s.planZip(ctx, root)
	if err != nil {
		return err
	}
	return s.writeZip(ctx, w, z)
}
