package server

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// Status says how the owner is doing.
func (s *Server) Status(ctx context.Context) (*client.Status, error) {
	st := &client.Status{
		Version: s.o.Version, Home: s.o.Home, PID: os.Getpid(), StartedAt: s.started.UTC(), URL: s.url,
		Socket: client.SocketPath(s.o.Home), Log: filepath.Join(s.o.Home, "server.log"), SelfStarted: s.o.Detached,
		Labels: []string{}, ActiveRuns: []cairn.Run{},
	}
	if s.o.Detached {
		if st.Idle = s.o.Idle; st.Idle <= 0 {
			st.Idle = client.IdleExit
		}
	}
	for _, slot := range s.backend.Slots() {
		st.Slots += slot.Count
		st.Labels = append(st.Labels, slot.Labels...)
	}
	active, err := s.store.ActiveRuns(ctx)
	if err != nil {
		return nil, err
	}
	var ids []cairn.RunID
	for id := range active {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		r, err := s.store.Run(ctx, id)
		if err != nil {
			return nil, err
		}
		r.Payload = nil
		st.ActiveRuns = append(st.ActiveRuns, r)
		jobs, err := s.store.Jobs(ctx, id, r.Attempt, false)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			switch j.Status {
			case cairn.StatusRunning:
				st.Busy++
			case cairn.StatusWaiting, cairn.StatusQueued:
				st.Waiting = append(st.Waiting, client.WaitingJob{Run: id, Job: j.ID, Name: j.Name, Status: j.Status, Reason: j.Reason})
			}
		}
	}
	return st, nil
}

// Handover lets the owner leave after the answer is out.
func (s *Server) Handover(context.Context) error {
	time.AfterFunc(10*time.Millisecond, s.leave)
	return nil
}

// findCommit looks for a commit in the hosted repositories.
func (s *Server) findCommit(ctx context.Context, prefix string) ([]cairn.Commit, error) {
	repos, err := s.host.Repos(ctx)
	if err != nil {
		return nil, err
	}
	var out []cairn.Commit
	seen := map[string]bool{}
	for _, repo := range repos {
		shas, err := s.host.ResolvePrefix(ctx, repo, prefix)
		if err != nil {
			if cairn.CodeOf(err) == cairn.CodeNotFound {
				continue
			}
			return nil, err
		}
		for _, sha := range shas {
			if seen[sha] {
				continue
			}
			seen[sha] = true
			c, err := s.host.Commit(ctx, repo, sha)
			if cairn.CodeOf(err) == cairn.CodeNotFound || cairn.CodeOf(err) == cairn.CodeInvalid {
				continue // a blob or tree with that prefix
			} else if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}
