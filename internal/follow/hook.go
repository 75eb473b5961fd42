package follow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// HookPrefix is where webhooks are mounted.
const HookPrefix = "/hooks/"

// MaxDelivery is what a webhook may send at once: as much as GitHub sends.
const MaxDelivery = 25 << 20

// deliveryPatience is how long the body of a delivery may take.
const deliveryPatience = 30 * time.Second

var (
	hookPath  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	eventName = regexp.MustCompile(`^[a-z_]{1,60}$`)
	headerID  = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)
)

func (s *Service) hookURL(hook string) string { return s.o.URL() + HookPrefix + hook }

// ServeHTTP takes deliveries of webhooks. It answers once they are on the disk;
// what follows from them comes after. Who has no valid signature learns nothing.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hook := strings.TrimPrefix(r.URL.Path, HookPrefix)
	if !hookPath.MatchString(hook) {
		answer(w, http.StatusNotFound, "there is no such webhook")
		return
	}
	f, err := s.o.Store.FollowByHook(r.Context(), hook)
	switch {
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		answer(w, http.StatusNotFound, "there is no such webhook")
		return
	case err != nil:
		s.unable(w, &f, err)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "events are posted here")
		return
	}
	select {
	case s.hooks <- struct{}{}:
		defer func() { <-s.hooks }()
	default:
		w.Header().Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, "too many deliveries at once")
		return
	}
	// A slow client shall not keep one of the few places. The deadline is not there
	// for every kind of connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(deliveryPatience))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxDelivery))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		answer(w, http.StatusRequestEntityTooLarge, "a delivery has at most 25 MiB")
		return
	} else if err != nil {
		answer(w, http.StatusBadRequest, "the delivery is not whole")
		return
	}
	seals, err := s.o.Store.FollowSeals(r.Context(), f.Repository)
	if err != nil {
		s.unable(w, &f, err)
		return
	}
	secret, err := s.open(f.Repository, hookName, seals.Hook)
	if err != nil {
		s.unable(w, &f, err)
		return
	}
	if !signed(r.Header, secret, body) {
		s.log.Warn("a delivery of a webhook is not signed as it should be", "repository", f.Repository, "from", r.RemoteAddr)
		answer(w, http.StatusUnauthorized, "unauthorized")
		return
	}
	s.delivered(w, r, &f, body)
}

// signed compares the signature, or GitLab's token, in constant time.
func signed(h http.Header, secret string, body []byte) bool {
	if secret == "" {
		return false
	}
	given := ""
	switch {
	case h.Get("X-Hub-Signature-256") != "":
		var ok bool
		if given, ok = strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256="); !ok {
			return false
		}
	case h.Get("X-Gitea-Signature") != "":
		given = h.Get("X-Gitea-Signature")
	case h.Get("X-Gitlab-Token") != "":
		// Hashed, so that the comparison does not tell the length.
		a, b := sha256.Sum256([]byte(h.Get("X-Gitlab-Token"))), sha256.Sum256([]byte(secret))
		return hmac.Equal(a[:], b[:])
	}
	got, err := hex.DecodeString(given)
	if err != nil || len(got) != sha256.Size {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), got)
}

// delivered keeps a delivery whose signature is right.
func (s *Service) delivered(w http.ResponseWriter, r *http.Request, f *cairn.Follow, body []byte) {
	payload, err := payloadOf(r.Header.Get("Content-Type"), body)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	d := cairn.Delivery{
		Repository: f.Repository, Event: eventOf(r.Header), ID: deliveryOf(r.Header), Digest: cairn.SumBytes(body), Payload: payload, At: s.now().UTC(),
	}
	if d.ID == "" {
		d.ID = string(d.Digest)
	}
	var about struct {
		Repository struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
		Project struct {
			Path string `json:"path_with_namespace"`
		} `json:"project"`
	}
	// What is of another form names no repository.
	_ = json.Unmarshal(payload, &about)
	name := about.Repository.FullName + about.Project.Path
	done := func(note string) { d.DoneAt, d.Note, d.Payload = s.now().UTC(), note, nil }
	switch {
	case d.Event == "":
		answer(w, http.StatusBadRequest, "the header that names the event is missing")
		return
	case d.Event == "ping":
		done("pong")
	case name != "" && f.Host != "" && !strings.EqualFold(name, f.Project):
		done("of another repository: " + clip(name, 200))
	case f.Paused:
		done("following is paused")
	case strings.HasPrefix(d.Event, "gitlab:"):
		done("this event of GitLab is not looked at")
	}
	again := d.Event == "repository_dispatch" || d.Event == "workflow_dispatch" || d.Event == "ping"
	fresh, err := s.o.Store.AddDelivery(r.Context(), d, again, cairn.Change{By: f.By})
	switch {
	case err != nil:
		s.unable(w, f, err)
	case !fresh:
		// Hosts without times in their events tell of the same move in the same words: a
		// look at the refs knows.
		s.ask(f.Repository)
		answer(w, http.StatusOK, "this delivery came before")
	case !d.DoneAt.IsZero():
		answer(w, http.StatusOK, d.Note)
	default:
		s.ask(f.Repository)
		answer(w, http.StatusAccepted, "taken in")
	}
}

// payloadOf reads the event out of the body: JSON, alone or in a form.
func payloadOf(contentType string, body []byte) (json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(contentType) // of what cannot be read nothing is known
	if kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the form cannot be read")
		}
		body = []byte(form.Get("payload"))
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the body is not a JSON object")
	}
	return body, nil
}

// eventOf is the event as GitHub calls it.
func eventOf(h http.Header) string {
	for _, name := range []string{"X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event"} {
		if e := h.Get(name); eventName.MatchString(e) {
			return e
		}
	}
	switch e := h.Get("X-Gitlab-Event"); e {
	case "":
		return ""
	case "Push Hook", "Tag Push Hook":
		return "push"
	default:
		return "gitlab:" + clip(strings.ToLower(e), 60)
	}
}

func deliveryOf(h http.Header) string {
	for _, name := range []string{"X-GitHub-Delivery", "X-Gitea-Delivery", "X-Forgejo-Delivery", "X-Gitlab-Event-UUID", "X-Gogs-Delivery"} {
		if id := h.Get(name); headerID.MatchString(id) {
			return id
		}
	}
	return ""
}

// unable answers what may be sent again later.
func (s *Service) unable(w http.ResponseWriter, f *cairn.Follow, err error) {
	s.log.Error("a delivery of a webhook could not be kept", "repository", f.Repository, "error", err)
	w.Header().Set("Retry-After", "30")
	answer(w, http.StatusServiceUnavailable, "it could not be kept: send it again")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The status is sent: a failure to write has nowhere to be told.
	_, _ = io.WriteString(w, text+"\n")
}
