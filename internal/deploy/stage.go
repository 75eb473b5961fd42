package deploy

import (
	"context"
	"fmt"
	"net"

	"github.com/cairn-ml/cairn"
)

// lastPort is where the search for a port ends.
const lastPort = 65535

// ensureStage gives a stage its number and its port when something is put there
// for the first time. Both are recorded and never change.
func (s *Service) ensureStage(ctx context.Context, repository, name string, actor cairn.Principal) (cairn.Stage, error) {
	st, err := s.o.Store.StageByName(ctx, s.o.Workspace, repository, name)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return st, err
	}
	all, err := s.o.Store.Stages(ctx, "")
	if err != nil {
		return st, err
	}
	taken := map[int]bool{}
	for _, x := range all {
		taken[x.Port] = true
	}
	for port := s.o.FirstPort; port <= lastPort; port++ {
		if taken[port] || !s.o.Free(port) {
			continue
		}
		st, err := s.o.Store.EnsureStage(ctx, cairn.Stage{
			Workspace: s.o.Workspace, Repository: repository, Name: name, Port: port,
			URL: fmt.Sprintf("http://127.0.0.1:%d", port), CreatedAt: s.now(),
		}, cairn.Change{By: actor.Name})
		if cairn.CodeOf(err) == cairn.CodeConflict {
			continue // another stage was made meanwhile
		}
		return st, err
	}
	return st, cairn.Errorf(cairn.CodeUnavailable, "no port from %d on is free for stage %s", s.o.FirstPort, name)
}

// freePort reports whether nobody listens on a port of loopback.
func freePort(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// stage finds a stage that something was put on.
func (s *Service) stage(ctx context.Context, repository, name string) (cairn.Stage, error) {
	if err := checkStageName(name); err != nil {
		return cairn.Stage{}, err
	}
	if repository == "" {
		return cairn.Stage{}, noRepository()
	}
	st, err := s.o.Store.StageByName(ctx, s.o.Workspace, repository, name)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return st, err
	}
	rows, lerr := s.o.Store.Stages(ctx, repository)
	if lerr != nil {
		return st, lerr
	}
	e := cairn.Errorf(cairn.CodeNotFound, "nothing was put on stage %q of %s yet", name, repository)
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
	}
	if near := cairn.Nearest(name, names); near != "" {
		return st, e.WithHint("did you mean %s?", near)
	}
	return st, e.WithHint("cairn deploy IMAGE --to %s", name)
}
