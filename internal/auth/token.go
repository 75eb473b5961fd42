package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// The text of a token is cairn_<id>_<secret>. A person's token has a random
// secret whose hash is stored; a job's has the id j<job>e<epoch> and a secret
// that the home's key signs, so that the same job and epoch always give the
// same token and nothing needs to be kept.
const tokenPrefix = "cairn_"

func tokenText(id, secret string) string { return tokenPrefix + id + "_" + secret }

func splitToken(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) > 200 {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && id != "" && secret != ""
}

// JobToken is the token of a job for as long as its lease has this epoch.
func (k *Key) JobToken(job cairn.JobID, epoch int64) string {
	id := fmt.Sprintf("j%de%d", job, epoch)
	return tokenText(id, k.sign(id))
}

func (k *Key) sign(id string) string {
	m := hmac.New(sha256.New, k.mac)
	m.Write([]byte(id))
	return hex.EncodeToString(m.Sum(nil))
}

func jobOfToken(id string) (job cairn.JobID, epoch int64, ok bool) {
	n, err := fmt.Sscanf(id, "j%de%d", &job, &epoch)
	return job, epoch, err == nil && n == 2 && id == fmt.Sprintf("j%de%d", job, epoch)
}

// ByToken returns who a token stands for.
func (s *Service) ByToken(ctx context.Context, text string) (cairn.Principal, error) {
	if isJWT(text) {
		return s.byRuntimeToken(ctx, text)
	}
	id, secret, ok := splitToken(text)
	if !ok {
		return cairn.Principal{}, unauthenticated("that is not a token of Cairn")
	}
	if job, epoch, ok := jobOfToken(id); ok {
		return s.byJobToken(ctx, id, secret, job, epoch)
	}
	t, err := s.store.Token(ctx, id)
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		return cairn.Principal{}, err
	}
	sum := sha256.Sum256([]byte(secret))
	// The comparison is made for an unknown token too: its time tells nothing.
	if subtle.ConstantTimeCompare(sum[:], t.Hash) != 1 || err != nil {
		return cairn.Principal{}, unauthenticated("the token is not known here")
	}
	switch now := s.now(); {
	case !t.RevokedAt.IsZero():
		return cairn.Principal{}, unauthenticated("the token %s (%s) was revoked", t.ID, t.Name)
	case !t.ExpiresAt.IsZero() && now.After(t.ExpiresAt):
		return cairn.Principal{}, unauthenticated("the token %s (%s) expired on %s", t.ID, t.Name, t.ExpiresAt.Format(time.DateOnly))
	}
	return s.enabled(ctx, t.Principal)
}

func (s *Service) enabled(ctx context.Context, name string) (cairn.Principal, error) {
	p, err := s.store.Principal(ctx, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return p, unauthenticated("%s is not a user here", name)
	} else if err != nil {
		return p, err
	}
	if p.Disabled {
		return cairn.Principal{}, cairn.Errorf(cairn.CodeForbidden, "%s is disabled", name).WithHint("an admin can change that")
	}
	return p, nil
}

func (s *Service) byJobToken(ctx context.Context, id, secret string, job cairn.JobID, epoch int64) (cairn.Principal, error) {
	if subtle.ConstantTimeCompare([]byte(secret), []byte(s.key.sign(id))) != 1 {
		return cairn.Principal{}, unauthenticated("the token is not known here")
	}
	return s.Leased(ctx, job, epoch)
}

// JobPrincipal is who a job acts as.
func JobPrincipal(j *cairn.Job) cairn.Principal {
	p := cairn.Principal{
		Name: string(cairn.JobRef(j.ID)), Role: cairn.RoleJob, Job: j.ID, Run: j.Run, Attempt: j.Attempt, Epoch: j.Epoch,
		Permissions: j.Permissions, Untrusted: j.Untrusted,
	}
	if p.Permissions == nil { // of a job that an earlier Cairn handed out
		p.Permissions = cairn.DefaultPermissions()
	}
	return p
}

// CreateToken makes a token for a principal. Its text is only known now.
func (s *Service) CreateToken(ctx context.Context, principal, name string, expires time.Time) (cairn.Token, string, error) {
	by := Actor(ctx)
	if principal == "" {
		principal = by.Name
	}
	if principal != by.Name {
		if err := Check(ctx, Need{Role: cairn.RoleAdmin}); err != nil {
			return cairn.Token{}, "", err
		}
	}
	if err := checkText("the name of a token", name, 100); err != nil {
		return cairn.Token{}, "", err
	}
	if _, err := s.enabled(ctx, principal); err != nil {
		return cairn.Token{}, "", cairn.Errorf(cairn.CodeNotFound, "there is no enabled user %q", principal).
			WithHint("make the user first: cairn user create %s", principal)
	}
	if !expires.IsZero() && !expires.After(s.now()) {
		return cairn.Token{}, "", cairn.Errorf(cairn.CodeInvalid, "the token would have expired on %s", expires.Format(time.RFC3339))
	}
	secret := strings.ToLower(rand.Text() + rand.Text())
	sum := sha256.Sum256([]byte(secret))
	t := cairn.Token{
		ID: "t" + strings.ToLower(rand.Text())[:12], Hash: sum[:], Principal: principal, Name: name,
		CreatedAt: s.now().UTC(), ExpiresAt: expires,
	}
	if err := s.store.PutToken(ctx, t, recorded(by, "token.created", cairn.NewRef("token", t.ID), t)); err != nil {
		return cairn.Token{}, "", err
	}
	return t, tokenText(t.ID, secret), nil
}

// Tokens lists tokens: of oneself, or for an admin of anybody.
func (s *Service) Tokens(ctx context.Context, principal string) ([]cairn.Token, error) {
	by := Actor(ctx)
	if by.Role != cairn.RoleAdmin {
		if principal != "" && principal != by.Name {
			return nil, Check(ctx, Need{Role: cairn.RoleAdmin})
		}
		principal = by.Name
	}
	return s.store.Tokens(ctx, principal)
}

// RevokeToken ends a token: one's own, or for an admin anybody's.
func (s *Service) RevokeToken(ctx context.Context, id string) error {
	t, err := s.store.Token(ctx, id)
	if err != nil {
		return err
	}
	by := Actor(ctx)
	if t.Principal != by.Name {
		if err := Check(ctx, Need{Role: cairn.RoleAdmin}); err != nil {
			return err
		}
	}
	if !t.RevokedAt.IsZero() {
		return nil
	}
	t.RevokedAt = s.now().UTC()
	return s.store.PutToken(ctx, t, recorded(by, "token.revoked", cairn.NewRef("token", t.ID), t))
}
