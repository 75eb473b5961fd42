package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Store is what this room keeps; *store.Store satisfies it.
type Store interface {
	Principal(ctx context.Context, name string) (cairn.Principal, error)
	Principals(ctx context.Context) ([]cairn.Principal, error)
	PutPrincipal(ctx context.Context, p cairn.Principal, create bool, ch cairn.Change) error
	Token(ctx context.Context, id string) (cairn.Token, error)
	Tokens(ctx context.Context, principal string) ([]cairn.Token, error)
	PutToken(ctx context.Context, t cairn.Token, ch cairn.Change) error
	Secrets(ctx context.Context, scopes ...cairn.Scope) ([]cairn.Secret, error)
	PutSecrets(ctx context.Context, xs []cairn.Secret, ch cairn.Change) error
	DeleteSecret(ctx context.Context, scope cairn.Scope, name string, ch cairn.Change) error
	Variables(ctx context.Context, scopes ...cairn.Scope) ([]cairn.Variable, error)
	PutVariable(ctx context.Context, x cairn.Variable, ch cairn.Change) error
	DeleteVariable(ctx context.Context, scope cairn.Scope, name string, ch cairn.Change) error
	DropScope(ctx context.Context, scope cairn.Scope, ch cairn.Change) error
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
}

// Service answers who somebody is and what is theirs.
type Service struct {
	store Store
	key   *Key
	now   func() time.Time
}

// New makes a Service; now may be nil.
func New(s Store, k *Key, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: s, key: k, now: now}
}

// Key is the home's key.
func (s *Service) Key() *Key { return s.key }

// Local returns the principal of the system's user that owns the home, an
// admin, making it the first time.
func (s *Service) Local(ctx context.Context, user string) (cairn.Principal, error) {
	name := cleanUser(user)
	p, err := s.store.Principal(ctx, name)
	if err == nil || cairn.CodeOf(err) != cairn.CodeNotFound {
		return p, err
	}
	p = cairn.Principal{Name: name, Role: cairn.RoleAdmin, CreatedAt: s.now().UTC()}
	err = s.store.PutPrincipal(ctx, p, true, recorded(p, "user.created", cairn.NewRef(cairn.KindUser, name), p))
	if cairn.CodeOf(err) == cairn.CodeConflict {
		return s.store.Principal(ctx, name)
	}
	return p, err
}

// cleanUser makes a user name of any system fit (Windows has domain\name).
func cleanUser(user string) string {
	if i := strings.LastIndexAny(user, `\/`); i >= 0 {
		user = user[i+1:]
	}
	var b strings.Builder
	for _, r := range strings.ToLower(user) {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) {
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "local"
	}
	return b.String()[:min(b.Len(), 60)]
}

// Users lists everybody.
func (s *Service) Users(ctx context.Context) ([]cairn.Principal, error) {
	return s.store.Principals(ctx)
}

// CreateUser adds a user.
func (s *Service) CreateUser(ctx context.Context, p cairn.Principal) (*cairn.Principal, error) {
	if p.Role == "" {
		p.Role = cairn.RoleWriter
	}
	if err := checkUser(p); err != nil {
		return nil, err
	}
	p = cairn.Principal{Name: p.Name, Email: p.Email, Role: p.Role, Disabled: p.Disabled, CreatedAt: s.now().UTC()}
	err := s.store.PutPrincipal(ctx, p, true, recorded(Actor(ctx), "user.created", cairn.NewRef(cairn.KindUser, p.Name), p))
	return &p, err
}

// UpdateUser changes a user's email, role and whether it is disabled. The last
// enabled admin stays one.
func (s *Service) UpdateUser(ctx context.Context, p cairn.Principal) (*cairn.Principal, error) {
	old, err := s.store.Principal(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	if p.Role == "" {
		p.Role = old.Role
	}
	if err := checkUser(p); err != nil {
		return nil, err
	}
	if old.Role == cairn.RoleAdmin && !old.Disabled && (p.Role != cairn.RoleAdmin || p.Disabled) {
		all, err := s.store.Principals(ctx)
		if err != nil {
			return nil, err
		}
		admins := 0
		for _, x := range all {
			if x.Role == cairn.RoleAdmin && !x.Disabled {
				admins++
			}
		}
		if admins < 2 {
			return nil, cairn.Errorf(cairn.CodeConflict, "%s is the last admin", p.Name).WithHint("make somebody else an admin first")
		}
	}
	old.Email, old.Role, old.Disabled = p.Email, p.Role, p.Disabled
	err = s.store.PutPrincipal(ctx, old, false, recorded(Actor(ctx), "user.changed", cairn.NewRef(cairn.KindUser, p.Name), old))
	return &old, err
}

func checkUser(p cairn.Principal) error {
	if p.Name == "" || len(p.Name) > 60 || cleanUser(p.Name) != p.Name {
		return cairn.Errorf(cairn.CodeInvalid, "%q cannot be a user's name", clip(p.Name)).
			WithHint("lower-case letters, digits, dots, hyphens and underscores, at most 60")
	}
	if err := checkText("an email address", p.Email, 254); err != nil {
		return err
	}
	if rank(p.Role) == 0 {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a role", clip(string(p.Role))).
			WithHint("the roles are reader, writer and admin")
	}
	return nil
}

func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return cairn.Errorf(cairn.CodeInvalid, "%s is too long: %d bytes, at most %d", what, len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return cairn.Errorf(cairn.CodeInvalid, "%s holds control characters", what)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// recorded is the change that goes with a row of this room; what is the event's
// own kind, and row is never a secret's value.
func recorded(by cairn.Principal, what string, subject cairn.Ref, row any) cairn.Change {
	data, err := json.Marshal(map[string]any{"what": what, "row": row})
	if err != nil { // rows are plain structs
		data = fmt.Appendf(nil, "{%q:%q}", "what", what)
	}
	return cairn.Change{By: by.Name, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: subject, Data: data}}}
}
