package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// pageOf bounds a listing.
func pageOf(limit int) int {
	if limit <= 0 {
		limit = 100
	}
	return min(limit, 1000)
}

// conditions collects the parts of a WHERE clause.
type conditions struct {
	where []string
	args  []any
}

func (c *conditions) add(cond string, vals ...any) {
	c.where = append(c.where, cond)
	c.args = append(c.args, vals...)
}

// equal adds column = value where the value is there.
func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

func (c *conditions) String() string {
	if len(c.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.where, " AND ")
}

// EnsureStage gives the stage of that repository and name, making it with the
// port of st where it is not there. A port that another stage has is CodeConflict.
func (s *Store) EnsureStage(ctx context.Context, st cairn.Stage, ch cairn.Change) (cairn.Stage, error) {
	key := strings.ToLower(st.Name)
	err := s.write(ctx, func(tx *Tx) error {
		there, err := scanStage(tx.Row(stageByName, st.Workspace, st.Repository, key))
		if err == nil {
			st = there
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var taken int64
		if err := tx.Row(`SELECT COUNT(*) FROM stages WHERE port = ?`, st.Port).Scan(&taken); err != nil {
			return err
		}
		if taken > 0 {
			return cairn.Errorf(cairn.CodeConflict, "port %d belongs to another stage", st.Port)
		}
		if st.ID, err = tx.Next("stage", 1); err != nil {
			return err
		}
		st.Version = 1
		body, err := toJSON(&st)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO stages (id, version, workspace, repository, name_key, port, live, body)
			VALUES (?, 1, ?, ?, ?, ?, 0, ?)`, st.ID, st.Workspace, st.Repository, key, st.Port, body); err != nil {
			return err
		}
		ch.Events = append(ch.Events, cairn.Event{Kind: cairn.EvStage, Subject: st.Ref(), Data: json.RawMessage(body)})
		return tx.Change(ch)
	})
	return st, err
}

const (
	stageColumns = `SELECT body, version FROM stages`
	stageByName  = stageColumns + ` WHERE workspace = ? AND repository = ? AND name_key = ?`
)

func scanStage(row interface{ Scan(...any) error }) (cairn.Stage, error) {
	var st cairn.Stage
	var body string
	var version int64
	if err := row.Scan(&body, &version); err != nil {
		return st, err
	}
	err := json.Unmarshal([]byte(body), &st)
	st.Version = version
	return st, err
}

// Stage reads one stage by its number.
func (s *Store) Stage(ctx context.Context, id int64) (cairn.Stage, error) {
	st, err := scanStage(s.reads.QueryRowContext(ctx, stageColumns+` WHERE id = ?`, id))
	return st, notFound(err, "there is no stage %d", id)
}

// StageByName reads one stage; names are compared without case.
func (s *Store) StageByName(ctx context.Context, workspace, repository, name string) (cairn.Stage, error) {
	st, err := scanStage(s.reads.QueryRowContext(ctx, stageByName, workspace, repository, strings.ToLower(name)))
	return st, notFound(err, "nothing was put on stage %s of %s yet", name, repository)
}

// StageByPort reads the stage that a port belongs to.
func (s *Store) StageByPort(ctx context.Context, port int) (cairn.Stage, error) {
	st, err := scanStage(s.reads.QueryRowContext(ctx, stageColumns+` WHERE port = ?`, port))
	return st, notFound(err, "no stage has port %d", port)
}

// Stages lists the stages of a repository ("": of all), by number.
func (s *Store) Stages(ctx context.Context, repository string) ([]cairn.Stage, error) {
	rows, err := s.reads.QueryContext(ctx, stageColumns+` WHERE ?1 IN ('', repository) ORDER BY id`, repository)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Stage
	for rows.Next() {
		st, err := scanStage(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, rows.Err()
}

// putStage writes what is live on a stage, if the stage is still as it was read.
func putStage(tx *Tx, st cairn.Stage, events []cairn.Event) ([]cairn.Event, error) {
	old := st.Version
	st.Version++
	body, err := toJSON(&st)
	if err != nil {
		return nil, err
	}
	n, err := tx.Exec(`UPDATE stages SET version = ?, live = ?, body = ? WHERE id = ? AND version = ?`,
		st.Version, st.Live, body, st.ID, old)
	if err == nil && n == 0 {
		err = cairn.Errorf(cairn.CodeConflict, "stage %s was changed by somebody else meanwhile", st.Name)
	}
	return append(events, cairn.Event{Kind: cairn.EvStage, Subject: st.Ref(), Data: json.RawMessage(body)}), err
}

// deploymentKeysKept is how long a request may be sent again.
const deploymentKeysKept = 30 * 24 * time.Hour

// CreateDeployment numbers and writes a new deployment with its configuration
// (canonical JSON, named by d.Config). The same key a second time gives the
// deployment that it made: created is false, and change is not asked.
func (s *Store) CreateDeployment(ctx context.Context, d cairn.Deployment, key string, config []byte,
	change func(cairn.Deployment) cairn.Change) (_ cairn.Deployment, created bool, err error) {
	if sum := cairn.SumBytes(config); sum != d.Config {
		return d, false, cairn.Errorf(cairn.CodeInternal, "the configuration's bytes have digest %s, the deployment names %s", sum, d.Config)
	}
	err = s.write(ctx, func(tx *Tx) error {
		if key != "" {
			there, err := scanDeployment(tx.Row(deploymentByKey, key))
			if err == nil {
				d = there
				return nil
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		created = true
		id, err := tx.Next("deployment", 1)
		if err != nil {
			return err
		}
		d.ID, d.Version = cairn.DeploymentID(id), 1
		body, err := toJSON(&d)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO stage_configs (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING`,
			string(d.Config), string(config)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO deployments (id, version, workspace, repository, stage, stage_key, release, run, status, live_at, body)
			VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.ID, d.Workspace, d.Repository, d.StageID, strings.ToLower(d.Stage),
			d.Release, d.Run, string(d.Status), Micros(d.LiveAt), body); err != nil {
			return err
		}
		if key != "" {
			if _, err := tx.Exec(`DELETE FROM deployment_keys WHERE created < ?`, Micros(tx.now().Add(-deploymentKeysKept))); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO deployment_keys (key, deployment, created) VALUES (?, ?, ?)`,
				key, d.ID, Micros(tx.now())); err != nil {
				return err
			}
		}
		ch := change(d)
		ch.Events = append([]cairn.Event{{Kind: cairn.EvDeployment, Subject: d.Ref(), Data: json.RawMessage(body)}}, ch.Events...)
		return tx.Change(ch)
	})
	return d, created, err
}

// PutDeployments changes deployments and the stage that they are on, all of them
// or none, if all are still as they were read. What leaves a stage stands before
// what takes its place.
func (s *Store) PutDeployments(ctx context.Context, ds []cairn.Deployment, st *cairn.Stage, ch cairn.Change) ([]cairn.Deployment, error) {
	out := make([]cairn.Deployment, len(ds))
	err := s.write(ctx, func(tx *Tx) error {
		var events []cairn.Event
		for i, d := range ds {
			old := d.Version
			d.Version++
			body, err := toJSON(&d)
			if err != nil {
				return err
			}
			n, err := tx.Exec(`UPDATE deployments SET version = ?, status = ?, live_at = ?, body = ? WHERE id = ? AND version = ?`,
				d.Version, string(d.Status), Micros(d.LiveAt), body, d.ID, old)
			if err != nil {
				return err
			}
			if n == 0 {
				return cairn.Errorf(cairn.CodeConflict, "deployment %d was changed by somebody else meanwhile", d.ID)
			}
			events = append(events, cairn.Event{Kind: cairn.EvDeployment, Subject: d.Ref(), Data: json.RawMessage(body)})
			out[i] = d
		}
		if st != nil {
			var err error
			if events, err = putStage(tx, *st, events); err != nil {
				return err
			}
		}
		ch.Events = append(events, ch.Events...)
		return tx.Change(ch)
	})
	return out, err
}

// DeploymentByKey reads the deployment that a request made.
func (s *Store) DeploymentByKey(ctx context.Context, key string) (cairn.Deployment, error) {
	d, err := scanDeployment(s.reads.QueryRowContext(ctx, deploymentByKey, key))
	return d, notFound(err, "no request of that key made a deployment")
}

const deploymentByKey = deploymentColumns + ` WHERE id = (SELECT deployment FROM deployment_keys WHERE key = ?)`

const deploymentColumns = `SELECT body, version FROM deployments`

func scanDeployment(row interface{ Scan(...any) error }) (cairn.Deployment, error) {
	var d cairn.Deployment
	var body string
	var version int64
	if err := row.Scan(&body, &version); err != nil {
		return d, err
	}
	err := json.Unmarshal([]byte(body), &d)
	d.Version = version
	return d, err
}

// Deployment reads one deployment.
func (s *Store) Deployment(ctx context.Context, id cairn.DeploymentID) (cairn.Deployment, error) {
	d, err := scanDeployment(s.reads.QueryRowContext(ctx, deploymentColumns+` WHERE id = ?`, id))
	return d, notFound(err, "there is no deployment %d", id)
}

// Deployments lists deployments, the newest first.
func (s *Store) Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error) {
	var c conditions
	c.equal("workspace", f.Workspace)
	c.equal("repository", f.Repository)
	c.equal("stage_key", strings.ToLower(f.Stage))
	c.equal("release", f.Release)
	c.equal("status", string(f.Status))
	if f.StageID != 0 {
		c.add("stage = ?", f.StageID)
	}
	if f.Run != 0 {
		c.add("run = ?", f.Run)
	}
	if f.Open {
		c.add("status IN ('waiting', 'starting')")
	}
	if f.WasLive {
		c.add("live_at > 0")
	}
	if f.Before > 0 {
		c.add("id < ?", f.Before)
	}
	rows, err := s.reads.QueryContext(ctx, deploymentColumns+c.String()+` ORDER BY id DESC LIMIT ?`, append(c.args, pageOf(f.Limit))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Deployment
	for rows.Next() {
		d, err := scanDeployment(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// StageConfig reads the configuration that a deployment was made with.
func (s *Store) StageConfig(ctx context.Context, d cairn.Digest) (cairn.StageConfig, error) {
	c, err := rowBody[cairn.StageConfig](ctx, s.reads, `SELECT body FROM stage_configs WHERE digest = ?`, string(d))
	return c, notFound(err, "there is no configuration %s", d)
}
