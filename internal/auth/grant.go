package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// Grant is the right to read or write one thing for a while without a token: what
// a signed address carries. It is bound to a job's lease where a job asked for it.
type Grant struct {
	Thing   string // what it is for: a path, in the words of whoever serves it
	Write   bool
	Job     cairn.JobID // 0: somebody else asked for it
	Epoch   int64
	Expires time.Time
}

func (g Grant) text() string {
	perm := "r"
	if g.Write {
		perm = "w"
	}
	return fmt.Sprintf("%s\n%s\n%d\n%d\n%d", perm, g.Thing, g.Job, g.Epoch, g.Expires.Unix())
}

// Sign gives the query that proves the grant, in the words of the service that the
// clients know: se is its end, sp what it allows, sig the signature.
func (k *Key) Sign(g Grant) string {
	perm := "r"
	if g.Write {
		perm = "w"
	}
	q := url.Values{"sp": {perm}, "se": {strconv.FormatInt(g.Expires.Unix(), 10)}, "sig": {k.signature(g)}}
	if g.Job != 0 {
		q.Set("job", fmt.Sprintf("%d.%d", g.Job, g.Epoch))
	}
	return q.Encode()
}

func (k *Key) signature(g Grant) string {
	m := hmac.New(sha256.New, k.derive("signed addresses 1"))
	m.Write([]byte(g.text()))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Verify reads the grant for a thing from the query of a signed address. Whether
// the job's lease still holds is for the caller to ask.
func (k *Key) Verify(thing string, q url.Values, write bool, now time.Time) (Grant, error) {
	refuse := func(why string) (Grant, error) {
		return Grant{}, cairn.Errorf(cairn.CodeForbidden, "the signed address %s", why).WithHint("ask the service for a new one")
	}
	g := Grant{Thing: thing, Write: q.Get("sp") == "w"}
	end, err := strconv.ParseInt(q.Get("se"), 10, 64)
	if err != nil {
		return refuse("has no end")
	}
	g.Expires = time.Unix(end, 0)
	if job := q.Get("job"); job != "" {
		if n, err := fmt.Sscanf(job, "%d.%d", &g.Job, &g.Epoch); err != nil || n != 2 || job != fmt.Sprintf("%d.%d", g.Job, g.Epoch) || g.Job == 0 {
			return refuse("names no job")
		}
	}
	if !hmac.Equal([]byte(q.Get("sig")), []byte(k.signature(g))) {
		return refuse("has a signature that does not fit")
	}
	switch {
	case now.After(g.Expires):
		return refuse("was valid until " + g.Expires.UTC().Format(time.RFC3339))
	case write && !g.Write:
		return refuse("only allows to read")
	case !write && g.Write:
		return refuse("only allows to write")
	}
	return g, nil
}
