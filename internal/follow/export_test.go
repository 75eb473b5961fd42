package follow

import (
	"context"
	"time"
)

// WriteStatuses is one round of the loop that writes statuses.
func (s *Service) WriteStatuses(ctx context.Context) (time.Duration, error) { return s.statuses(ctx) }
