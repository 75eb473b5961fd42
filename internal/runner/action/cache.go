package action

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// keeper is a server that keeps caches.
type keeper interface {
	// FindCache answers the entry for the keys; CodeNotFound where there is none.
	FindCache(ctx context.Context, keys []string, version string) (*cairn.CacheEntry, error)
	// CheckCache is CodeConflict where the key is taken.
	CheckCache(ctx context.Context, key, version string) error
	SaveCache(ctx context.Context, key, version string, d cairn.Digest) (*cairn.CacheEntry, error)
	// UploadFile stores a file, unless it is there, and answers its digest.
	UploadFile(ctx context.Context, name string) (cairn.Digest, int64, error)
	GetBlob(ctx context.Context, d cairn.Digest) (io.ReadCloser, int64, error)
}

// What the main part leaves for the post step, as the original calls it.
const (
	stateKey     = "CACHE_KEY"
	stateMatched = "CACHE_RESULT"
)

// cacheBoth is actions/cache: it brings a cache back, and keeps one at the end of a
// job that succeeded.
type cacheBoth struct{}

// Run does the step.
func (a *cacheBoth) Run(ctx context.Context, c *runner.StepContext) error {
	return restoreCache(ctx, c, false)
}

// PostIf is the original's post-if.
func (*cacheBoth) PostIf() string { return "success()" }

// Post keeps what the job leaves, unless its key was found.
func (*cacheBoth) Post(ctx context.Context, c *runner.StepContext) error {
	key := c.State[stateKey]
	if key == "" {
		c.Warn("Key is not specified.")
		return nil
	}
	return saveCacheKindly(ctx, c, key)
}

// cacheRestore is actions/cache/restore.
type cacheRestore struct{}

// Run does the step.
func (*cacheRestore) Run(ctx context.Context, c *runner.StepContext) error {
	return restoreCache(ctx, c, true)
}

// cacheSave is actions/cache/save.
type cacheSave struct{}

// Run does the step.
func (*cacheSave) Run(ctx context.Context, c *runner.StepContext) error {
	key := c.Input("key")
	if key == "" {
		return missingInput("key")
	}
	return saveCacheKindly(ctx, c, key)
}

func missingInput(name string) error {
	return cairn.Errorf(cairn.CodeInvalid, "Input required and not supplied: %s", name)
}

// cacheInputs are those that both halves read.
type cacheInputs struct {
	key     string
	restore []string
	paths   []string
	server  keeper
}

func readCache(c *runner.StepContext) (in cacheInputs, err error) {
	if in.key = c.Input("key"); in.key == "" {
		return in, missingInput("key")
	}
	if in.paths = lines(c.Input("path")); len(in.paths) == 0 {
		return in, missingInput("path")
	}
	in.restore = lines(c.Input("restore-keys"))
	for _, k := range append([]string{in.key}, in.restore...) {
		if len(utf16.Encode([]rune(k))) > 512 {
			return in, cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: %s cannot be larger than 512 characters.", k)
		}
		if strings.Contains(k, ",") {
			return in, cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: %s cannot contain commas.", k)
		}
	}
	if len(in.restore) > 9 {
		return in, cairn.Errorf(cairn.CodeInvalid, "Key Validation Error: Keys are limited to a maximum of 10.")
	}
	var ok bool
	if in.server, ok = c.Server.(keeper); !ok {
		return in, cairn.Errorf(cairn.CodeUnsupported, "this server keeps no caches")
	}
	return in, nil
}

// restoreCache brings a cache back. A server that does not answer is a miss, as in the
// original: caches are never needed. tell gives the outputs of cache/restore.
func restoreCache(ctx context.Context, c *runner.StepContext, tell bool) error {
	in, err := readCache(c)
	if err != nil {
		return err
	}
	failOnMiss, err := boolInput(c, "fail-on-cache-miss", false)
	if err != nil {
		return err
	}
	lookupOnly, err := boolInput(c, "lookup-only", false)
	if err != nil {
		return err
	}
	if _, err := boolInput(c, "enableCrossOsArchive", false); err != nil {
		return err // it changes nothing but on Windows
	}
	c.SaveState(stateKey, in.key)
	if tell {
		c.SetOutput("cache-primary-key", in.key)
	}
	e, err := lookUp(ctx, c, in, lookupOnly)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		c.Warn("Failed to restore: %s", text(err))
	}
	if err != nil {
		if failOnMiss {
			return cairn.Errorf(cairn.CodeFailed, "Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: %s", in.key)
		}
		c.Logf("Cache not found for input keys: %s", strings.Join(append([]string{in.key}, in.restore...), ", "))
		return nil
	}
	c.SaveState(stateMatched, e.Key)
	if tell {
		c.SetOutput("cache-matched-key", e.Key)
	}
	c.SetOutput("cache-hit", fmt.Sprint(strings.EqualFold(e.Key, in.key)))
	if lookupOnly {
		c.Logf("Cache found and can be restored from key: %s", e.Key)
	} else {
		c.Logf("Cache restored from key: %s", e.Key)
	}
	return nil
}

// text is an error with its hint in one line.
func text(err error) string {
	e := cairn.AsError(err)
	if e.Hint != "" {
		return e.Message + " (" + e.Hint + ")"
	}
	return e.Message
}

// lookUp finds the entry and, unless it is only asked for, unpacks it.
func lookUp(ctx context.Context, c *runner.StepContext, in cacheInputs, only bool) (*cairn.CacheEntry, error) {
	method, err := packing(ctx, c)
	if err != nil {
		return nil, err
	}
	e, err := in.server.FindCache(ctx, append([]string{in.key}, in.restore...), cacheVersion(in.paths, method))
	if err != nil {
		return nil, err
	}
	if e.Key == in.key {
		c.Logf("Cache hit for: %s", e.Key)
	} else {
		c.Logf("Cache hit for restore-key: %s", e.Key)
	}
	if only {
		c.Logf("Lookup only - skipping download")
		return e, nil
	}
	dir, err := os.MkdirTemp(c.Dirs.Temp, "cache-")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no folder for the cache: %w", err)
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, archiveName(method))
	if err := fetch(ctx, in.server, e.Digest, archive); err != nil {
		return nil, err
	}
	c.Logf("Cache Size: ~%d MB (%d B)", int64(math.Round(float64(e.Size)/(1<<20))), e.Size)
	if err := os.MkdirAll(c.Dirs.Workspace, 0o755); err != nil {
		return nil, err
	}
	args := append([]string{"tar", "-xf", archive, "-P", "-C", c.Dirs.Workspace}, unpackFlags(method)...)
	if err := runTar(ctx, c, dir, args); err != nil {
		return nil, err
	}
	c.Logf("Cache restored successfully")
	return e, nil
}

// fetch writes a blob into a file, and checks it before anything is unpacked.
func fetch(ctx context.Context, server keeper, d cairn.Digest, name string) error {
	r, _, err := server.GetBlob(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the cache cannot be written: %w", err)
	}
	h := sha256.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, h)}, struct{ io.Reader }{r}, make([]byte, 1<<20))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the cache did not come whole: %w", err)
	}
	if got := cairn.DigestOf(h.Sum(nil)); got != d {
		return cairn.Errorf(cairn.CodeFailed, "the cache is damaged: it is %s, not %s", got, d)
	}
	return nil
}

func runTar(ctx context.Context, c *runner.StepContext, dir string, args []string) error {
	code, err := c.Exec(ctx, runner.Process{Args: args, Dir: dir})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return cairn.Errorf(cairn.CodeFailed, "tar cannot be started: %w", err).WithHint("install GNU tar, and zstd for smaller caches")
	case code != 0:
		return cairn.Errorf(cairn.CodeFailed, "tar failed with exit code %d", code)
	}
	return nil
}

// saveCacheKindly keeps a cache; what goes wrong is a warning, as in the original.
func saveCacheKindly(ctx context.Context, c *runner.StepContext, key string) error {
	if matched := c.State[stateMatched]; matched != "" && strings.EqualFold(matched, key) {
		c.Logf("Cache hit occurred on the primary key %s, not saving cache.", key)
		return nil
	}
	err := saveCache(ctx, c, key)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case cairn.CodeOf(err) == cairn.CodeConflict:
		c.Logf("Failed to save: Unable to reserve cache with key %s, another job may be creating this cache. More details: %s", key, text(err))
	case err != nil:
		c.Warn("Failed to save: %s", text(err))
	}
	return nil
}

func saveCache(ctx context.Context, c *runner.StepContext, key string) error {
	in, err := readCache(c)
	if err != nil {
		return err
	}
	method, err := packing(ctx, c)
	if err != nil {
		return err
	}
	version := cacheVersion(in.paths, method)
	found, err := findPaths(c.Input("path"), c.Dirs.Workspace, c.Dirs.Home)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return cairn.Errorf(cairn.CodeInvalid, "Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being saved.")
	}
	// Whoever came first has it: then nothing needs to be packed.
	if err := in.server.CheckCache(ctx, key, version); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dirs.Temp, "cache-")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for the cache: %w", err)
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "manifest.txt")
	if err := os.WriteFile(list, []byte(strings.Join(found, "\n")), 0o600); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the list of files cannot be written: %w", err)
	}
	name := archiveName(method)
	args := append([]string{"tar", "--posix", "-cf", name, "--exclude", name, "-P", "-C", c.Dirs.Workspace, "--files-from", list}, packFlags(method)...)
	if err := runTar(ctx, c, dir, args); err != nil {
		return err
	}
	file := filepath.Join(dir, name)
	if c.InContainer { // what packed it may have put a link there
		own, err := os.MkdirTemp(scratch(c), "cache-")
		if err != nil {
			return cairn.Errorf(cairn.CodeFailed, "no folder for the cache: %w", err)
		}
		defer os.RemoveAll(own)
		if err := copyShared(c, file, filepath.Join(own, name)); err != nil {
			return err
		}
		file = filepath.Join(own, name)
	}
	d, size, err := in.server.UploadFile(ctx, file)
	if err != nil {
		return err
	}
	if _, err := in.server.SaveCache(ctx, key, version, d); err != nil {
		return err
	}
	c.Logf("Cache Size: ~%d MB (%d B)", int64(math.Round(float64(size)/(1<<20))), size)
	c.Logf("Cache saved with key: %s", key)
	return nil
}
