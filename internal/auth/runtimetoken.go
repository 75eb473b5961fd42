package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The clients of GitHub's artifact and cache services want the job's token as a
// JWT: they read from it, unverified, whose artifacts they speak of. So a job has
// its right in a second form, signed with a key of its own and, like the first
// one, valid only while the row of the job agrees.

// runtimeIssuer marks these tokens, so that no other signed one passes for them.
const runtimeIssuer = "cairn/runtime"

// maxRuntimeToken bounds what is parsed.
const maxRuntimeToken = 4096

// runtimeClaims are what such a token says.
type runtimeClaims struct {
	Issuer string `json:"iss"`
	// Scp is what clients read: Actions.Results:<run>:<job>.
	Scp   string      `json:"scp"`
	Job   cairn.JobID `json:"job"`
	Epoch int64       `json:"epoch"`
}

// BackendIDs name a run's attempt and a job as clients of the artifact service
// name them.
func BackendIDs(p cairn.Principal) (run, job string) {
	return fmt.Sprintf("r%da%d", p.Run, p.Attempt), fmt.Sprintf("j%d", p.Job)
}

// derive makes a key for one purpose.
func (k *Key) derive(purpose string) []byte {
	m := hmac.New(sha256.New, k.mac)
	m.Write([]byte(purpose))
	return m.Sum(nil)
}

// RuntimeToken is the token of a job in the form of a JWT, for as long as its lease
// has this epoch.
func (k *Key) RuntimeToken(j *cairn.Job) (string, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.derive("runtime tokens 1")}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	p := JobPrincipal(j)
	run, job := BackendIDs(p)
	return jwt.Signed(s).Claims(runtimeClaims{
		Issuer: runtimeIssuer, Scp: "Actions.Results:" + run + ":" + job, Job: j.ID, Epoch: j.Epoch,
	}).Serialize()
}

// isJWT reports whether a token has the form of a signed one.
func isJWT(text string) bool { return strings.Count(text, ".") == 2 && strings.HasPrefix(text, "eyJ") }

// byRuntimeToken returns the job that a signed token stands for.
func (s *Service) byRuntimeToken(ctx context.Context, text string) (cairn.Principal, error) {
	unknown := unauthenticated("the token is not known here")
	if len(text) > maxRuntimeToken {
		return cairn.Principal{}, unknown
	}
	t, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return cairn.Principal{}, unknown
	}
	var c runtimeClaims
	if err := t.Claims(s.key.derive("runtime tokens 1"), &c); err != nil || c.Issuer != runtimeIssuer {
		return cairn.Principal{}, unknown
	}
	return s.Leased(ctx, c.Job, c.Epoch)
}

// Leased returns who a job acts as while its lease has this epoch.
func (s *Service) Leased(ctx context.Context, job cairn.JobID, epoch int64) (cairn.Principal, error) {
	j, err := s.store.Job(ctx, job)
	if err != nil {
		return cairn.Principal{}, unauthenticated("job %d is not known here", job)
	}
	switch {
	case j.Epoch != epoch:
		return cairn.Principal{}, unauthenticated("job %d was handed out again; this token is of an earlier time", job)
	case j.Status == cairn.StatusCompleted:
		return cairn.Principal{}, unauthenticated("job %d has ended, and its token with it", job)
	}
	return JobPrincipal(&j), nil
}
