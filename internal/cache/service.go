package cache

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/cairn-ml/cairn"
)

// Bounds of what is asked for.
const (
	maxKey  = 512 // UTF-16 units, as the clients count
	maxKeys = 10  // the key and its restore keys
)

// useAfter is how long a use is remembered before the next is written down.
const useAfter = time.Minute

// Options plug a Service together.
type Options struct {
	Store Store
	Blobs Blobs
	// Place tells where the caches of a job belong.
	Place func(ctx context.Context, job cairn.Principal) (Place, error)
	// Limits are those of a repository; nil: the defaults.
	Limits func(repository string) Limits
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Service is safe for concurrent use.
type Service struct{ o Options }

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == nil {
		o.Limits = func(string) Limits { return Limits{} }
	}
	return &Service{o}
}

var versionRE = regexp.MustCompile(`^[0-9a-zA-Z_.-]{1,128}$`)

func checkKey(key string) error {
	switch {
	case key == "":
		return cairn.Errorf(cairn.CodeInvalid, "the key of a cache is empty")
	case len(utf16.Encode([]rune(key))) > maxKey:
		return cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: %.40s… cannot be larger than %d characters.", key, maxKey)
	case strings.Contains(key, ","):
		return cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: %.80s cannot contain commas.", key)
	case strings.ContainsAny(key, "\x00\r\n"):
		return cairn.Errorf(cairn.CodeInvalid, "the key of a cache is one line")
	}
	return nil
}

func checkVersion(v string) error {
	if !versionRE.MatchString(v) {
		return cairn.Errorf(cairn.CodeInvalid, "%.40q is not the version of a cache", v).
			WithHint("it is the hash of what was packed and how: 64 hex digits")
	}
	return nil
}

// place is where a job's caches belong.
func (s *Service) place(ctx context.Context, job cairn.Principal) (Place, error) {
	if job.Job == 0 {
		return Place{}, cairn.Errorf(cairn.CodeForbidden, "only a job has caches to read and write, with its own token")
	}
	p, err := s.o.Place(ctx, job)
	if err == nil && len(p.Scopes) == 0 {
		err = cairn.Errorf(cairn.CodeUnsupported, "a run that belongs to no branch and no tag has no caches")
	}
	return p, err
}

// Find answers the entry that a job gets for its keys: the first is the key itself,
// the others are beginnings of keys. Each scope is looked through in turn: for the
// key itself, then for the newest entry whose key begins with it, then so for each
// other. Without one the error is CodeNotFound.
func (s *Service) Find(ctx context.Context, job cairn.Principal, keys []string, version string) (*cairn.CacheEntry, error) {
	p, err := s.place(ctx, job)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: Keys are limited to a maximum of %d.", maxKeys)
	}
	for _, k := range keys {
		if err := checkKey(k); err != nil {
			return nil, err
		}
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	for _, scope := range p.Scopes {
		for i, key := range keys {
			for _, prefix := range []bool{false, true} {
				if i > 0 && !prefix {
					continue // the newest of a restore key, be it longer or not
				}
				e, err := s.o.Store.FindCache(ctx, p.Repository, scope, version, key, prefix)
				if cairn.CodeOf(err) == cairn.CodeNotFound {
					continue
				}
				if err != nil {
					return nil, err
				}
				ok, err := s.use(ctx, e)
				if err != nil {
					return nil, err
				}
				if ok {
					return &e, nil
				}
			}
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "Cache not found for input keys: %s", strings.Join(keys, ", "))
}

// use notes that an entry was asked for, and keeps its bytes from being collected
// for as long as a download may take. ok is false where they are lost.
func (s *Service) use(ctx context.Context, e cairn.CacheEntry) (ok bool, err error) {
	missing, err := s.o.Blobs.Missing(ctx, []cairn.Digest{e.Digest})
	if err != nil {
		return false, err
	}
	if len(missing) > 0 {
		s.o.Log.WarnContext(ctx, "the bytes of a cache are lost", "cache", e.ID, "digest", e.Digest)
		return false, nil
	}
	if s.o.Now().Sub(e.UsedAt) < useAfter {
		return true, nil
	}
	err = s.o.Store.UseCache(ctx, e.ID, s.o.Now(), cairn.Change{})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return false, nil // it went at this moment
	}
	return err == nil, err
}

// writable is place for a job that is about to write.
func (s *Service) writable(ctx context.Context, job cairn.Principal) (Place, error) {
	p, err := s.place(ctx, job)
	if err == nil && p.ReadOnly {
		// The clients know the beginning of this message.
		err = cairn.Errorf(cairn.CodeForbidden, "cache write denied: the run is of code that is not trusted here, and %s is read by others", p.Scopes[0])
	}
	return p, err
}

// Check says whether a job may keep something under a key: an error where the key is
// taken, or none.
func (s *Service) Check(ctx context.Context, job cairn.Principal, key, version string) error {
	p, err := s.writable(ctx, job)
	if err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	e, err := s.o.Store.FindCache(ctx, p.Repository, p.Scopes[0], version, key, false)
	switch {
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		return nil
	case err != nil:
		return err
	}
	return cairn.Errorf(cairn.CodeConflict, "cache entry with the same key, version, and scope already exists (kept by job %d)", e.Job)
}

// Save keeps stored bytes under a key of the job's own scope.
func (s *Service) Save(ctx context.Context, job cairn.Principal, key, version string, d cairn.Digest) (*cairn.CacheEntry, error) {
	p, err := s.writable(ctx, job)
	if err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	size, err := s.o.Blobs.Stat(ctx, d)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, cairn.Errorf(cairn.CodeConflict, "%s is not stored here: upload the content first", d)
	} else if err != nil {
		return nil, err
	}
	if most := s.limits(p.Repository).Size; size > most {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "a cache of %d bytes is larger than all that %s may keep (%d)", size, p.Repository, most).
			WithHint("caches.max_size of config.yaml sets the limit")
	}
	now := s.o.Now().UTC()
	e := cairn.CacheEntry{Repository: p.Repository, Scope: p.Scopes[0], Key: key, Version: version, Digest: d, Size: size,
		Run: job.Run, Attempt: job.Attempt, Job: job.Job, By: job.Name, CreatedAt: now, UsedAt: now}
	e, err = s.o.Store.CreateCache(ctx, e, func(e cairn.CacheEntry) cairn.Change { return change(job.Name, "created", e) })
	if err != nil {
		return nil, err
	}
	if err := s.Evict(ctx, p.Repository); err != nil {
		s.o.Log.WarnContext(ctx, "old caches could not be removed", "repository", p.Repository, "error", err)
	}
	return &e, nil
}

// List lists entries, the last used first.
func (s *Service) List(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error) {
	return s.o.Store.Caches(ctx, f)
}

// Delete removes an entry.
func (s *Service) Delete(ctx context.Context, id int64, actor cairn.Principal) error {
	ok, err := s.o.Store.DeleteCache(ctx, id, time.Time{}, func(e cairn.CacheEntry) cairn.Change { return change(actor.Name, "deleted", e) })
	if err == nil && !ok {
		return cairn.Errorf(cairn.CodeNotFound, "there is no cache with the number %d", id)
	}
	return err
}
