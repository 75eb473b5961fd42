package endpoint

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// hundred is the sum of weights.
const hundred = 100

// maxMirror is how many of a hundred requests may be mirrored in all.
const maxMirror = 50

// check refuses weights that cannot be: of deployments that are not there, below zero, or
// with another sum than 0 or 100.
func check(e *cairn.Endpoint) error {
	sum := func(what string, m map[string]int) (int, error) {
		total := 0
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if e.Find(name) == nil {
				err := cairn.Errorf(cairn.CodeInvalid, "%s: endpoint %s has no deployment %s", what, e.Name, name)
				if near := cairn.Nearest(name, names(e)); near != "" {
					return 0, err.WithHint("did you mean %s?", near)
				}
				return 0, err.WithHint("it has %s", orNone(names(e)))
			}
			if m[name] < 0 || m[name] > hundred {
				return 0, cairn.Errorf(cairn.CodeInvalid, "%s of %s is %d: it is 0 to 100", what, name, m[name])
			}
			total += m[name]
		}
		return total, nil
	}
	total, err := sum("traffic", e.Traffic)
	if err != nil {
		return err
	}
	if total != 0 && total != hundred {
		return cairn.Errorf(cairn.CodeInvalid, "the traffic of endpoint %s adds up to %d: it has to be 0 or 100", e.Name, total)
	}
	if total, err = sum("mirror_traffic", e.Mirror); err != nil {
		return err
	}
	if total > maxMirror || len(nonZero(e.Mirror)) > 1 {
		return cairn.Errorf(cairn.CodeInvalid, "mirror_traffic of endpoint %s: one deployment may get copies of at most %d in a hundred requests", e.Name, maxMirror)
	}
	for name := range nonZero(e.Mirror) {
		if e.Traffic[name] > 0 {
			return cairn.Errorf(cairn.CodeInvalid, "deployment %s gets traffic: it cannot get copies as well", name)
		}
	}
	return nil
}

func names(e *cairn.Endpoint) []string {
	out := make([]string, len(e.Deployments))
	for i := range e.Deployments {
		out[i] = e.Deployments[i].Name
	}
	return out
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func nonZero(m map[string]int) map[string]int {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, v int) bool { return v == 0 })
	return out
}

// pick is the deployment that gets a request, by a number below 100; "" where none has
// traffic.
func pick(traffic map[string]int, n int) string {
	for _, name := range slices.Sorted(maps.Keys(traffic)) {
		if n -= traffic[name]; n < 0 {
			return name
		}
	}
	return ""
}

// keys makes and checks what callers show. They are made from the home's secret: none is
// stored, and a new generation makes the one before worthless.
type keys struct{ secret []byte }

// tokenTime is how long a token holds, and refreshTime after which a new one is asked for.
const (
	tokenTime   = 24 * time.Hour
	refreshTime = 12 * time.Hour
)

func (k keys) sum(parts ...string) string {
	m := hmac.New(sha256.New, k.secret)
	m.Write([]byte("cairn endpoint 1\n" + strings.Join(parts, "\n")))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// key is the primary (0) or secondary (1) key.
func (k keys) key(e *cairn.Endpoint, which int) string {
	return k.sum("key", e.Name, e.CreatedAt.UTC().Format(time.RFC3339Nano), strconv.Itoa(which), strconv.Itoa(e.Generations[which]))
}

func (k keys) token(e *cairn.Endpoint, until time.Time) string {
	at := strconv.FormatInt(until.Unix(), 10)
	return at + "." + k.sum("token", e.Name, e.CreatedAt.UTC().Format(time.RFC3339Nano), fmt.Sprint(e.Generations), at)
}

// admits reports whether a caller may pass.
func (k keys) admits(e *cairn.Endpoint, shown string, now time.Time) bool {
	same := func(want string) bool { return subtle.ConstantTimeCompare([]byte(shown), []byte(want)) == 1 }
	if e.Auth == cairn.EndpointKey {
		first, second := same(k.key(e, 0)), same(k.key(e, 1))
		return first || second
	}
	at, _, _ := strings.Cut(shown, ".")
	sec, err := strconv.ParseInt(at, 10, 64)
	return err == nil && now.Unix() < sec && same(k.token(e, time.Unix(sec, 0)))
}
