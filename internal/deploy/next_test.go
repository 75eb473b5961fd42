package deploy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"pgregory.net/rapid"
)

// machine is a stage as the loop sees it: rows, and Next for each of them.
type machine struct {
	now    time.Time
	rows   []cairn.Deployment
	live   cairn.DeploymentID
	passes map[cairn.DeploymentID]bool // the fixed checks
	asked  map[cairn.DeploymentID]bool // evaluated in this very step
	starts []cairn.DeploymentID
}

// step does what Next says for one row.
func (m *machine) step(t *rapid.T, i int) {
	d := &m.rows[i]
	f := deploy.FactsOf(d, m.rows, m.now)
	a := deploy.Next(d, f)
	if a.Kind == deploy.Evaluate {
		f.Checked = true
		if !m.passes[d.ID] {
			f.Failed = "check a failed"
		}
		m.asked[d.ID] = true
		a = deploy.Next(d, f)
	}
	before := d.Status
	switch a.Kind {
	case deploy.Wait:
		if a.Reason == "" {
			t.Fatalf("deployment %d waits and does not say why", d.ID)
		}
		d.Reason = a.Reason
	case deploy.Fail:
		d.Status, d.Reason = cairn.DeployFailed, a.Reason
	case deploy.Start:
		m.check(t, d)
		d.Status = cairn.DeployStarting
		m.starts = append(m.starts, d.ID)
	case deploy.Carry:
		if before != cairn.DeployStarting {
			t.Fatalf("%s is carried out", before)
		}
	case deploy.Nothing:
		if before == cairn.DeployWaiting || before == cairn.DeployStarting {
			t.Fatalf("nothing follows for %s", before)
		}
	default:
		t.Fatalf("action %q", a.Kind)
	}
	if before.Ended() && d.Status != before {
		t.Fatalf("%s became %s", before, d.Status)
	}
}

// check holds what must be true whenever a deployment starts.
func (m *machine) check(t *rapid.T, d *cairn.Deployment) {
	if len(d.Reviewers) > 0 && d.ApprovedBy == "" {
		t.Fatalf("deployment %d starts without its approval", d.ID)
	}
	if d.NotBefore.After(m.now) {
		t.Fatalf("deployment %d starts before its time", d.ID)
	}
	if !d.Rollback && (!m.passes[d.ID] || !m.asked[d.ID]) {
		t.Fatalf("deployment %d starts without its checks", d.ID)
	}
	for _, o := range m.rows {
		if o.Status == cairn.DeployStarting {
			t.Fatalf("deployment %d starts beside %d", d.ID, o.ID)
		}
		ready := (len(o.Reviewers) == 0 || o.ApprovedBy != "") && !o.NotBefore.After(m.now)
		if o.ID != d.ID && o.Status == cairn.DeployWaiting && ready && o.Rollback == d.Rollback && o.ID < d.ID {
			t.Fatalf("deployment %d starts before %d, which was asked for first", d.ID, o.ID)
		}
	}
}

func TestNextHoldsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{now: time.Unix(1000, 0), passes: map[cairn.DeploymentID]bool{}, asked: map[cairn.DeploymentID]bool{}}
		pick := func(status cairn.DeploymentStatus) *cairn.Deployment {
			var of []int
			for i := range m.rows {
				if m.rows[i].Status == status {
					of = append(of, i)
				}
			}
			if len(of) == 0 {
				return nil
			}
			return &m.rows[rapid.SampledFrom(of).Draw(t, "row")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				d := cairn.Deployment{ID: cairn.DeploymentID(len(m.rows) + 1), Stage: "staging", Status: cairn.DeployWaiting}
				m.passes[d.ID] = rapid.Bool().Draw(t, "passes")
				switch rapid.IntRange(0, 3).Draw(t, "kind") {
				case 0:
					d.Reviewers = []string{"ben"}
				case 1:
					d.NotBefore = m.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "wait")) * time.Second)
				case 2:
					d.Rollback = true
				}
				m.rows = append(m.rows, d)
			},
			"decide": func(t *rapid.T) {
				if d := pick(cairn.DeployWaiting); d != nil && len(d.Reviewers) > 0 {
					if d.ApprovedBy == "" && rapid.Bool().Draw(t, "approve") {
						d.ApprovedBy = "ben"
					} else if d.ApprovedBy == "" {
						d.Status = cairn.DeployRejected
					}
				}
			},
			"later": func(t *rapid.T) { m.now = m.now.Add(time.Second) },
			"end": func(t *rapid.T) {
				d := pick(cairn.DeployStarting)
				if d == nil {
					return
				}
				if rapid.Bool().Draw(t, "bad") {
					d.Status = cairn.DeployFailed
					return
				}
				if i := slices.IndexFunc(m.rows, func(o cairn.Deployment) bool { return o.ID == m.live }); i >= 0 {
					m.rows[i].Status = cairn.DeployReplaced
				}
				d.Status, m.live = cairn.DeployLive, d.ID
			},
			"round": func(t *rapid.T) {
				m.asked = map[cairn.DeploymentID]bool{}
				order := rapid.Permutation(indexes(len(m.rows))).Draw(t, "order")
				for _, i := range order {
					m.step(t, i)
				}
			},
			"": func(t *rapid.T) {
				count := map[cairn.DeploymentStatus]int{}
				for _, d := range m.rows {
					count[d.Status]++
				}
				if count[cairn.DeployStarting] > 1 || count[cairn.DeployLive] > 1 {
					t.Fatalf("%v", count)
				}
			},
		})
		// Whatever happened, all of it comes to an end once everybody decided.
		for range 4*len(m.rows) + 4 {
			m.now = m.now.Add(time.Second)
			for i := range m.rows {
				if d := &m.rows[i]; d.Status == cairn.DeployWaiting && len(d.Reviewers) > 0 {
					d.ApprovedBy = "ben"
				}
				m.asked = map[cairn.DeploymentID]bool{}
				m.step(t, i)
				if d := &m.rows[i]; d.Status == cairn.DeployStarting {
					d.Status = cairn.DeployFailed
				}
			}
		}
		for _, d := range m.rows {
			if d.Status == cairn.DeployWaiting || d.Status == cairn.DeployStarting {
				t.Fatalf("deployment %d is still %s: %s", d.ID, d.Status, d.Reason)
			}
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestNextSaysWhy(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	waiting := cairn.Deployment{ID: 13, Stage: "staging", Status: cairn.DeployWaiting}
	with := func(change func(*cairn.Deployment)) cairn.Deployment {
		d := waiting
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		d     cairn.Deployment
		facts deploy.Facts
		want  deploy.Action
	}{
		"another one comes up": {waiting, deploy.Facts{Starting: 12}, deploy.Action{Kind: deploy.Wait, Reason: "deployment 12 of staging is under way"}},
		"approval": {with(func(d *cairn.Deployment) { d.Reviewers = []string{"ana", "ben"} }), deploy.Facts{},
			deploy.Action{Kind: deploy.Wait, Reason: "stage staging waits for the approval of ana or ben"}},
		"timer": {with(func(d *cairn.Deployment) { d.NotBefore = now.Add(time.Hour) }), deploy.Facts{},
			deploy.Action{Kind: deploy.Wait, Reason: "stage staging waits until 2026-05-01T11:00:00Z", At: now.Add(time.Hour)}},
		"checks first":    {waiting, deploy.Facts{}, deploy.Action{Kind: deploy.Evaluate}},
		"a check failed":  {waiting, deploy.Facts{Checked: true, Failed: "check x failed: 1"}, deploy.Action{Kind: deploy.Fail, Reason: "check x failed: 1"}},
		"its turn":        {waiting, deploy.Facts{Checked: true}, deploy.Action{Kind: deploy.Start}},
		"going back":      {with(func(d *cairn.Deployment) { d.Rollback = true }), deploy.Facts{}, deploy.Action{Kind: deploy.Start}},
		"taken up again":  {with(func(d *cairn.Deployment) { d.Status = cairn.DeployStarting }), deploy.Facts{}, deploy.Action{Kind: deploy.Carry}},
		"what is live is": {with(func(d *cairn.Deployment) { d.Status = cairn.DeployLive }), deploy.Facts{}, deploy.Action{Kind: deploy.Nothing}},
	} {
		c.facts.Now = now
		if got := deploy.Next(&c.d, c.facts); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestLastGood(t *testing.T) {
	t.Parallel()
	dep := func(id cairn.DeploymentID, release string) cairn.Deployment {
		return cairn.Deployment{ID: id, Release: release, Replaces: id - 1}
	}
	back := func(id, of cairn.DeploymentID, release string) cairn.Deployment {
		return cairn.Deployment{ID: id, Release: release, Replaces: id - 1, Rollback: true, Of: of}
	}
	for name, c := range map[string]struct {
		history []cairn.Deployment
		live    cairn.DeploymentID
		want    cairn.DeploymentID
	}{
		"nothing":                 {nil, 0, 0},
		"the first":               {[]cairn.Deployment{dep(1, "a")}, 1, 0},
		"the one before":          {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "c")}, 3, 2},
		"the same again":          {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "b")}, 3, 1},
		"further back":            {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "c"), back(4, 2, "b")}, 4, 1},
		"all the way":             {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "c"), back(4, 2, "b"), back(5, 1, "a")}, 5, 0},
		"not to what was bad":     {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "c"), back(4, 2, "b"), dep(5, "d")}, 5, 4},
		"nor to what was bad too": {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), dep(3, "c"), back(4, 2, "b"), back(5, 1, "a"), dep(6, "d")}, 6, 5},
		"asked back by name":      {[]cairn.Deployment{dep(1, "a"), dep(2, "b"), back(3, 1, "a"), back(4, 2, "b")}, 4, 0},
		"after a stop":            {[]cairn.Deployment{dep(1, "a"), dep(2, "b")}, 0, 2},
	} {
		var got cairn.DeploymentID
		if d := deploy.LastGood(c.history, c.live); d != nil {
			got = d.ID
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
