package endpoint

import (
	"context"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
)

// Credentials are what callers show.
func (s *Service) Credentials(ctx context.Context, name string) (*cairn.EndpointCredentials, error) {
	e, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	k := keys{s.o.Secret}
	if e.Auth == cairn.EndpointKey {
		return &cairn.EndpointCredentials{Primary: k.key(e, 0), Secondary: k.key(e, 1)}, nil
	}
	now := s.o.Now().UTC().Truncate(time.Second)
	until := now.Add(tokenTime)
	return &cairn.EndpointCredentials{Token: k.token(e, until), Expires: until, Refresh: now.Add(refreshTime)}, nil
}

// Regenerate makes a key anew: the one before is refused from then on. which is primary
// or secondary.
func (s *Service) Regenerate(ctx context.Context, name, which string, actor cairn.Principal) (*cairn.EndpointCredentials, error) {
	i := slices.Index([]string{"primary", "secondary"}, which)
	if i < 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is neither the primary nor the secondary key", clip(which))
	}
	s.mu.Lock()
	e, err := s.Get(ctx, name)
	if err == nil && e.Auth != cairn.EndpointKey {
		err = cairn.Errorf(cairn.CodeInvalid, "endpoint %s has no keys: its auth_mode is %s", name, e.Auth)
	}
	if err == nil {
		e.Generations[i]++
		_, err = s.put(ctx, *e, actor)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Credentials(ctx, name)
}
