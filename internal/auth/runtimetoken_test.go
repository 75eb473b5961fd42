package auth

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func runtimeService(t *testing.T, j cairn.Job) (*Service, *memory) {
	t.Helper()
	key, err := OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{jobs: map[cairn.JobID]cairn.Job{j.ID: j}}
	return New(m, key, nil), m
}

// TestRuntimeTokenIsTheJobsRight covers ACTIONS_RUNTIME_TOKEN: what clients read
// from it, and that it is worth what the job's own token is worth.
func TestRuntimeTokenIsTheJobsRight(t *testing.T) {
	t.Parallel()
	j := cairn.Job{ID: 108, Run: 42, Attempt: 3, Epoch: 2, Status: cairn.StatusRunning}
	s, m := runtimeService(t, j)
	text, err := s.Key().RuntimeToken(&j)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var seen struct{ Scp string }
	if err := json.Unmarshal(payload, &seen); err != nil || seen.Scp != "Actions.Results:r42a3:j108" {
		t.Errorf("scp %q, %v", seen.Scp, err)
	}
	p, err := s.ByToken(t.Context(), text)
	if err != nil || p.Role != cairn.RoleJob || p.Job != 108 || p.Run != 42 || p.Attempt != 3 || p.Epoch != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	for name, bad := range map[string]string{
		"other payload": strings.Replace(text, ".", "."+base64.RawURLEncoding.EncodeToString([]byte(`{"job":1}`))[:4], 1),
		"no signature":  text[:strings.LastIndex(text, ".")+1],
		"none": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." +
			strings.Split(text, ".")[1] + ".",
		"long": text + strings.Repeat("A", 10_000),
	} {
		if _, err := s.ByToken(t.Context(), bad); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	j.Epoch = 3
	m.jobs[108] = j
	if _, err := s.ByToken(t.Context(), text); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("of an earlier epoch: %v", err)
	}
	j.Epoch, j.Status = 2, cairn.StatusCompleted
	m.jobs[108] = j
	if _, err := s.ByToken(t.Context(), text); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("of a job that ended: %v", err)
	}
	other, _ := runtimeService(t, j)
	if _, err := other.ByToken(t.Context(), text); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("of another home: %v", err)
	}
}

func TestGrantHoldsForOneThingAndTime(t *testing.T) {
	t.Parallel()
	s, _ := runtimeService(t, cairn.Job{})
	k := s.Key()
	now := time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)
	g := Grant{Thing: "uploads/abc", Write: true, Job: 7, Epoch: 2, Expires: now.Add(time.Hour)}
	q, err := url.ParseQuery(k.Sign(g))
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Verify("uploads/abc", q, true, now)
	if err != nil || got.Job != 7 || got.Epoch != 2 || !got.Expires.Equal(g.Expires) {
		t.Fatalf("%+v, %v", got, err)
	}
	with := func(key, value string) url.Values {
		out := url.Values{}
		for k, v := range q {
			out[k] = v
		}
		out.Set(key, value)
		return out
	}
	for name, try := range map[string]func() error{
		"another thing": func() error { _, err := k.Verify("uploads/abd", q, true, now); return err },
		"read":          func() error { _, err := k.Verify("uploads/abc", q, false, now); return err },
		"too late":      func() error { _, err := k.Verify("uploads/abc", q, true, now.Add(2*time.Hour)); return err },
		"other end":     func() error { _, err := k.Verify("uploads/abc", with("se", "99999999999"), true, now); return err },
		"other job":     func() error { _, err := k.Verify("uploads/abc", with("job", "8.2"), true, now); return err },
		"odd job":       func() error { _, err := k.Verify("uploads/abc", with("job", "7.2 "), true, now); return err },
		"no job":        func() error { _, err := k.Verify("uploads/abc", with("job", ""), true, now); return err },
		"other right":   func() error { _, err := k.Verify("uploads/abc", with("sp", "r"), false, now); return err },
		"nothing":       func() error { _, err := k.Verify("uploads/abc", url.Values{}, true, now); return err },
	} {
		if err := try(); cairn.CodeOf(err) != cairn.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}
