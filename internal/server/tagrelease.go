package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
)

// maxNotes bounds the notes of a release, as on GitHub.
const maxNotes = 125_000

// CreateTagRelease publishes a release of a tag, which it makes where there is none.
func (s *Server) CreateTagRelease(ctx context.Context, in client.TagReleaseCreate) (*client.TagReleaseAnswer, error) {
	repo, err := s.store.Repository(ctx, Workspace, in.Repository)
	if err != nil {
		return nil, s.noRepository(ctx, in.Repository, err)
	}
	r := cairn.TagRelease{
		Repository: repo.Name, Tag: in.Tag, Target: in.Target, Name: in.Name, Body: in.Body, Draft: in.Draft, Prerelease: in.Prerelease,
		By: auth.Actor(ctx).Name, CreatedAt: time.Now().UTC(),
	}
	return s.writeTagRelease(ctx, repo, nil, r)
}

// EditTagRelease changes a release of a tag.
func (s *Server) EditTagRelease(ctx context.Context, repository string, id int64, change func(*cairn.TagRelease)) (*client.TagReleaseAnswer, error) {
	repo, err := s.store.Repository(ctx, Workspace, repository)
	if err != nil {
		return nil, s.noRepository(ctx, repository, err)
	}
	old, err := s.store.TagRelease(ctx, repository, id)
	if err != nil {
		return nil, err
	}
	r := old
	change(&r)
	return s.writeTagRelease(ctx, repo, &old, r)
}

func checkTagRelease(r *cairn.TagRelease) error {
	switch {
	case git.CheckRef("refs/tags/"+r.Tag) != nil:
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a tag", clipText(r.Tag, 100))
	case utf8.RuneCountInString(r.Name) > maxTitle || strings.ContainsAny(r.Name, "\n\r\x00"):
		return cairn.Errorf(cairn.CodeInvalid, "the name of a release is one line of at most %d characters", maxTitle)
	case utf8.RuneCountInString(r.Body) > maxNotes:
		return cairn.Errorf(cairn.CodeTooLarge, "the notes have more than %d characters", maxNotes)
	}
	return nil
}

// writeTagRelease writes a release and its events; was is nil for a new one.
func (s *Server) writeTagRelease(ctx context.Context, repo cairn.Repository, was *cairn.TagRelease, r cairn.TagRelease) (*client.TagReleaseAnswer, error) {
	if err := checkTagRelease(&r); err != nil {
		return nil, err
	}
	var notes []string
	if !r.Draft {
		said, err := s.makeTag(ctx, repo, &r)
		if err != nil {
			return nil, err
		}
		notes = said
		if r.Published.IsZero() {
			r.Published = time.Now().UTC()
		}
	}
	// The number of a new one is only known when it is written: its events are named
	// by its tag and time.
	es, err := s.tagReleaseEvents(repo, &r, releaseActions(was, &r))
	if err != nil {
		return nil, err
	}
	r, err = s.store.PutTagRelease(ctx, r, es, cairn.Change{By: auth.Actor(ctx).Name})
	if err != nil {
		return nil, err
	}
	runs, said := s.deliverAll(ctx, es)
	return &client.TagReleaseAnswer{Release: r, Runs: runs, Notes: append(notes, said...)}, nil
}

// releaseActions are the activities of a change, as GitHub has them: drafts cause
// none, and a pre-release that was a draft is published only.
func releaseActions(was, is *cairn.TagRelease) []string {
	kind := "released"
	if is.Prerelease {
		kind = "prereleased"
	}
	switch {
	case is.Draft && (was == nil || was.Draft):
		return nil
	case is.Draft:
		return []string{"unpublished"}
	case was == nil:
		return []string{"created", "published", kind}
	case was.Draft && is.Prerelease:
		return []string{"published"}
	case was.Draft:
		return []string{"published", kind}
	case was.Prerelease && !is.Prerelease:
		return []string{"edited", "released"}
	}
	return []string{"edited"}
}

// makeTag makes the tag of a release where there is none, as a push would.
func (s *Server) makeTag(ctx context.Context, repo cairn.Repository, r *cairn.TagRelease) ([]string, error) {
	ref := "refs/tags/" + r.Tag
	c, err := s.host.Commit(ctx, repo.Name, ref)
	if err == nil {
		r.SHA = c.SHA
		return nil, nil
	}
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return nil, err
	}
	target := cmpOr(r.Target, "refs/heads/"+repo.DefaultBranch)
	if c, err = s.host.Commit(ctx, repo.Name, target); err != nil {
		return nil, err
	}
	pushes, err := s.pushes.Move(ctx, repo.Name, ref, c.SHA, zeroSHA, auth.Actor(ctx).Name)
	if err != nil {
		return nil, err
	}
	r.SHA = c.SHA
	if text := s.message(ctx, pushes); text != "" {
		return strings.Split(text, "\n"), nil
	}
	return nil, nil
}

func (s *Server) tagReleaseEvents(repo cairn.Repository, r *cairn.TagRelease, actions []string) ([]cairn.TriggerEvent, error) {
	var out []cairn.TriggerEvent
	for _, a := range actions {
		payload, err := json.Marshal(map[string]any{"action": a, "release": s.site(repo).Release(r)})
		if err != nil {
			return nil, err
		}
		e := cairn.TriggerEvent{
			Key:        fmt.Sprintf("release:%s:%s:%d:%d:%s", r.Repository, r.Tag, r.CreatedAt.UnixMicro(), r.Version+1, a),
			Repository: r.Repository, Event: "release", Action: a, Ref: "refs/tags/" + r.Tag, SHA: r.SHA, Payload: payload, By: r.By, Title: cmpOr(r.Name, r.Tag),
		}
		out = append(out, e)
	}
	return out, nil
}

// DeleteTagRelease removes a release; its tag stays.
func (s *Server) DeleteTagRelease(ctx context.Context, repository string, id int64) error {
	repo, err := s.store.Repository(ctx, Workspace, repository)
	if err != nil {
		return s.noRepository(ctx, repository, err)
	}
	r, err := s.store.TagRelease(ctx, repository, id)
	if err != nil {
		return err
	}
	var es []cairn.TriggerEvent
	if !r.Draft {
		if es, err = s.tagReleaseEvents(repo, &r, []string{"deleted"}); err != nil {
			return err
		}
	}
	if err := s.store.DeleteTagRelease(ctx, r, es, cairn.Change{By: auth.Actor(ctx).Name}); err != nil {
		return err
	}
	s.deliverAll(ctx, es)
	return nil
}
