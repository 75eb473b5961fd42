package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

const (
	releaseColumns = `SELECT body FROM releases`
	releaseByID    = releaseColumns + ` WHERE workspace = ? AND id = ?`
)

// PutRelease writes a release and gives it its Seq. One that is there stays as
// it is: the same inputs are the same release. change makes the links of a new one.
func (s *Store) PutRelease(ctx context.Context, r cairn.Release, change func(r cairn.Release, created bool) cairn.Change) (cairn.Release, error) {
	r.Tags = nil
	err := s.write(ctx, func(tx *Tx) error {
		there, err := body[cairn.Release](ctx, txReader{tx}, releaseByID, r.Workspace, r.ID)
		if err == nil {
			r = there
			return tx.Change(change(r, false))
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if r.Seq, err = tx.Next("release:"+r.Workspace+"\x00"+r.Service, 1); err != nil {
			return err
		}
		raw, err := toJSON(&r)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO releases (workspace, id, service, repository, seq, image, model, sha, run, created, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.Workspace, r.ID, r.Service, r.Repository, r.Seq, string(r.Image),
			string(r.Model), r.Commit, r.Run, Micros(r.CreatedAt), raw); err != nil {
			return err
		}
		ch := change(r, true)
		ch.Events = append([]cairn.Event{{Kind: cairn.EvRelease, Subject: r.Ref(), Data: json.RawMessage(raw)}}, ch.Events...)
		return tx.Change(ch)
	})
	return r, err
}

// Release reads a release by its id or a beginning of it that only it has.
func (s *Store) Release(ctx context.Context, workspace, id string) (cairn.Release, error) {
	found, err := rowBodies[cairn.Release](ctx, s.reads, releaseColumns+` WHERE workspace = ? AND id >= ? AND id < ? ORDER BY id LIMIT 2`,
		workspace, id, id+"g") // 'g' sorts behind every hex digit
	switch {
	case err != nil:
		return cairn.Release{}, err
	case len(found) == 0:
		return cairn.Release{}, cairn.Errorf(cairn.CodeNotFound, "there is no release %s", id)
	case len(found) > 1:
		return cairn.Release{}, cairn.Errorf(cairn.CodeConflict, "%s begins more than one release: %s, %s", id, found[0].ID, found[1].ID).
			WithHint("write more of its digits")
	}
	r := found[0]
	r.Tags, err = s.tagsOf(ctx, r.Workspace, r.ID)
	return r, err
}

// ReleaseBySeq reads the release of a service by its number.
func (s *Store) ReleaseBySeq(ctx context.Context, workspace, service string, seq int64) (cairn.Release, error) {
	r, err := rowBody[cairn.Release](ctx, s.reads, releaseColumns+` WHERE workspace = ? AND service = ? AND seq = ?`, workspace, service, seq)
	if err != nil {
		return r, notFound(err, "%s has no release r%d", service, seq)
	}
	r.Tags, err = s.tagsOf(ctx, r.Workspace, r.ID)
	return r, err
}

// ReleaseByTag reads the release that a tag names; without a service the tag must
// name one alone.
func (s *Store) ReleaseByTag(ctx context.Context, workspace, service, tag string) (cairn.Release, error) {
	tags, err := rowBodies[cairn.ReleaseTag](ctx, s.reads,
		`SELECT body FROM release_tags WHERE workspace = ?1 AND ?2 IN ('', service) AND tag = ?3 ORDER BY service LIMIT 2`, workspace, service, tag)
	switch {
	case err != nil:
		return cairn.Release{}, err
	case len(tags) == 0:
		return cairn.Release{}, cairn.Errorf(cairn.CodeNotFound, "no release has the tag %s", tag)
	case len(tags) > 1:
		return cairn.Release{}, cairn.Errorf(cairn.CodeConflict, "%s is a tag of several services: %s, %s", tag, tags[0].Service, tags[1].Service).
			WithHint("name the release by its id")
	}
	return s.Release(ctx, workspace, tags[0].Release)
}

// Releases lists releases, the newest first.
func (s *Store) Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error) {
	var c conditions
	c.equal("workspace", f.Workspace)
	c.equal("repository", f.Repository)
	c.equal("service", f.Service)
	c.equal("image", string(f.Image))
	c.equal("model", string(f.Model))
	if f.Commit != "" {
		sha := strings.ToLower(f.Commit)
		c.add("sha >= ? AND sha < ?", sha, sha+"g")
	}
	if f.Run != 0 {
		c.add("run = ?", f.Run)
	}
	if f.Before > 0 {
		c.add("seq < ?", f.Before)
	}
	out, err := rowBodies[cairn.Release](ctx, s.reads, releaseColumns+c.String()+` ORDER BY created DESC, seq DESC LIMIT ?`,
		append(c.args, pageOf(f.Limit))...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Tags, err = s.tagsOf(ctx, out[i].Workspace, out[i].ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Store) tagsOf(ctx context.Context, workspace, id string) ([]string, error) {
	tags, err := s.ReleaseTags(ctx, workspace, id)
	var out []string
	for _, t := range tags {
		out = append(out, t.Tag)
	}
	return out, err
}

// ReleaseTags lists the tags of a release.
func (s *Store) ReleaseTags(ctx context.Context, workspace, id string) ([]cairn.ReleaseTag, error) {
	return rowBodies[cairn.ReleaseTag](ctx, s.reads, `SELECT body FROM release_tags WHERE workspace = ? AND release = ? ORDER BY tag`, workspace, id)
}

// PutReleaseTag gives a release a further name. One that names another release of
// the service already is CodeConflict: a version never changes what it points to.
func (s *Store) PutReleaseTag(ctx context.Context, t cairn.ReleaseTag, ch cairn.Change) error {
	raw, err := toJSON(&t)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		old, err := body[cairn.ReleaseTag](ctx, txReader{tx}, `SELECT body FROM release_tags WHERE workspace = ? AND service = ? AND tag = ?`,
			t.Workspace, t.Service, t.Tag)
		switch {
		case err == nil && old.Release == t.Release:
			return nil
		case err == nil:
			return cairn.Errorf(cairn.CodeConflict, "%s names release %s of %s already; it stays there", t.Tag, old.Release, t.Service).
				WithHint("a version never changes what it points to: choose another tag")
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if _, err := tx.Exec(`INSERT INTO release_tags (workspace, service, tag, release, body) VALUES (?, ?, ?, ?, ?)`,
			t.Workspace, t.Service, t.Tag, t.Release, raw); err != nil {
			return err
		}
		ch.Events = append(ch.Events, cairn.Event{Kind: cairn.EvReleaseTag, Subject: cairn.NewRef(cairn.KindRelease, t.Release), Data: json.RawMessage(raw)})
		return tx.Change(ch)
	})
}
