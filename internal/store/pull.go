package store

import (
	"context"
	"encoding/json"

	"github.com/cairn-ml/cairn"
)

// NextPull takes the next number of a repository's pull requests. Gaps are
// harmless.
func (s *Store) NextPull(ctx context.Context, repository string) (int64, error) {
	return s.Reserve(ctx, "pull:"+repository, 1)
}

// PutPull writes a pull request with the events that it causes: a new one where
// its version is 0, else if it is still at that version.
func (s *Store) PutPull(ctx context.Context, p cairn.PullRequest, raised []cairn.TriggerEvent, ch cairn.Change) (cairn.PullRequest, error) {
	was := p.Version
	p.Version++
	body, err := json.Marshal(&p)
	if err != nil {
		return p, err
	}
	head := p.HeadRepository
	if head == "" {
		head = p.Repository
	}
	err = s.write(ctx, func(tx *Tx) error {
		var n int64
		var err error
		if was == 0 {
			n, err = tx.Exec(`INSERT INTO pulls (repository, number, version, state, head_repository, head, base, body)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (repository, number) DO NOTHING`,
				p.Repository, p.Number, p.Version, p.State, head, p.Head, p.Base, string(body))
		} else {
			n, err = tx.Exec(`UPDATE pulls SET version = ?, state = ?, base = ?, body = ? WHERE repository = ? AND number = ? AND version = ?`,
				p.Version, p.State, p.Base, string(body), p.Repository, p.Number, was)
		}
		if err == nil && n == 0 {
			err = cairn.Errorf(cairn.CodeConflict, "pull request %d of %s was changed by somebody else meanwhile", p.Number, p.Repository)
		}
		if err != nil {
			return err
		}
		if err := tx.putTriggers(raised); err != nil {
			return err
		}
		ch.Events = append(ch.Events, cairn.Event{Kind: cairn.EvRecorded, Subject: cairn.PullRef(p.Repository, p.Number), Data: body})
		return tx.Change(ch)
	})
	return p, err
}

// Pull reads one pull request.
func (s *Store) Pull(ctx context.Context, repository string, number int64) (cairn.PullRequest, error) {
	p, err := rowBody[cairn.PullRequest](ctx, s.reads, `SELECT body FROM pulls WHERE repository = ? AND number = ?`, repository, number)
	return p, notFound(err, "there is no pull request %d in %s", number, repository)
}

// Pulls lists pull requests, the newest first.
func (s *Store) Pulls(ctx context.Context, f cairn.PullFilter) ([]cairn.PullRequest, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return rowBodies[cairn.PullRequest](ctx, s.reads, `SELECT body FROM pulls
		WHERE ?1 IN ('', repository) AND ?2 IN ('', state) AND ?3 IN ('', head_repository) AND ?4 IN ('', head) AND ?5 IN ('', base)
		ORDER BY repository, number DESC LIMIT ?6 OFFSET ?7`, f.Repository, f.State, f.HeadRepository, f.Head, f.Base, f.Limit, f.Offset)
}

// PutTagRelease writes a release of a tag with the events that it causes: a new
// one where its version is 0. At most one that is no draft has a tag.
func (s *Store) PutTagRelease(ctx context.Context, r cairn.TagRelease, raised []cairn.TriggerEvent, ch cairn.Change) (cairn.TagRelease, error) {
	was := r.Version
	r.Version++
	err := s.write(ctx, func(tx *Tx) error {
		if !r.Draft {
			others, err := tagReleases(tx, r.Repository, r.Tag)
			if err != nil {
				return err
			}
			for _, o := range others {
				if o.ID != r.ID && !o.Draft {
					return cairn.Errorf(cairn.CodeConflict, "the tag %s of %s has a release already", r.Tag, r.Repository)
				}
			}
		}
		if was == 0 {
			id, err := tx.Next("tag_release", 1)
			if err != nil {
				return err
			}
			r.ID = id
		}
		body, err := json.Marshal(&r)
		if err != nil {
			return err
		}
		var n int64
		if was == 0 {
			n, err = tx.Exec(`INSERT INTO tag_releases (id, repository, tag, version, body) VALUES (?, ?, ?, ?, ?)`,
				r.ID, r.Repository, r.Tag, r.Version, string(body))
		} else {
			n, err = tx.Exec(`UPDATE tag_releases SET tag = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
				r.Tag, r.Version, string(body), r.ID, was)
		}
		if err == nil && n == 0 {
			err = cairn.Errorf(cairn.CodeConflict, "the release of %s was changed by somebody else meanwhile", r.Tag)
		}
		if err == nil {
			err = tx.putTriggers(raised)
		}
		if err != nil {
			return err
		}
		return tx.Change(ch)
	})
	return r, err
}

func tagReleases(tx *Tx, repository, tag string) ([]cairn.TagRelease, error) {
	var out []cairn.TagRelease
	rows, err := tx.Query(`SELECT body FROM tag_releases WHERE repository = ? AND tag = ?`, repository, tag)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var body string
		var r cairn.TagRelease
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// TagReleases lists the releases of a repository's tags, the newest first; tag
// limits them to one.
func (s *Store) TagReleases(ctx context.Context, repository, tag string) ([]cairn.TagRelease, error) {
	return rowBodies[cairn.TagRelease](ctx, s.reads,
		`SELECT body FROM tag_releases WHERE repository = ? AND ? IN ('', tag) ORDER BY id DESC`, repository, tag)
}

// TagRelease reads one by its number.
func (s *Store) TagRelease(ctx context.Context, repository string, id int64) (cairn.TagRelease, error) {
	r, err := rowBody[cairn.TagRelease](ctx, s.reads, `SELECT body FROM tag_releases WHERE repository = ? AND id = ?`, repository, id)
	return r, notFound(err, "there is no release %d in %s", id, repository)
}

// DeleteTagRelease removes a release; its tag stays.
func (s *Store) DeleteTagRelease(ctx context.Context, r cairn.TagRelease, raised []cairn.TriggerEvent, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM tag_releases WHERE id = ? AND version = ?`, r.ID, r.Version)
		if err == nil && n == 0 {
			err = cairn.Errorf(cairn.CodeConflict, "the release of %s was changed by somebody else meanwhile", r.Tag)
		}
		if err == nil {
			err = tx.putTriggers(raised)
		}
		if err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// maxStatuses is how many statuses of one commit and context are kept, as on
// GitHub.
const maxStatuses = 1000

// PutCommitStatus adds what a service says of a commit.
func (s *Store) PutCommitStatus(ctx context.Context, x cairn.CommitStatus, ch cairn.Change) (cairn.CommitStatus, error) {
	err := s.write(ctx, func(tx *Tx) error {
		var n int64
		if err := tx.Row(`SELECT COUNT(*) FROM commit_statuses WHERE repository = ? AND sha = ? AND context = ?`,
			x.Repository, x.SHA, x.Context).Scan(&n); err != nil {
			return err
		}
		if n >= maxStatuses {
			return cairn.Errorf(cairn.CodeFailed, "this commit has %d statuses of context %q already: that is the most", n, x.Context)
		}
		id, err := tx.Next("commit_status", 1)
		if err != nil {
			return err
		}
		x.ID = id
		body, err := json.Marshal(&x)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO commit_statuses (id, repository, sha, context, body) VALUES (?, ?, ?, ?, ?)`,
			x.ID, x.Repository, x.SHA, x.Context, string(body)); err != nil {
			return err
		}
		return tx.Change(ch)
	})
	return x, err
}

// CommitStatuses lists what services said of a commit, the newest first.
func (s *Store) CommitStatuses(ctx context.Context, repository, sha string) ([]cairn.CommitStatus, error) {
	return rowBodies[cairn.CommitStatus](ctx, s.reads,
		`SELECT body FROM commit_statuses WHERE repository = ? AND sha = ? ORDER BY id DESC`, repository, sha)
}
