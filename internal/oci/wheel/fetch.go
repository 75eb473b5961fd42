package wheel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-ml/cairn"
)

const (
	fetchTimeout = time.Hour
	// fetchers is how many pips load at once; each is a process that checks and
	// writes what it loads.
	fetchers = 3
	maxWheel = 16 << 30
)

func (b *Builder) wheelPath(sum string) string {
	return filepath.Join(b.o.Cache, "wheels", sum[:2], sum+".whl")
}

// whole reports whether a file of the cache still has the SHA-256 that it is kept
// by. size 0: it is not known.
func whole(name, sum string, size int64) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || size != 0 && fi.Size() != size {
		return false
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == sum
}

// fetch returns the files of the lock's wheels, in its order. What is stored was
// verified when it came in, and is once more: one that was damaged since is
// fetched again.
func (b *Builder) fetch(ctx context.Context, r *Request, t *target, q *requirements, l *Lock) ([]string, error) {
	cache := b
	if b.o.Cache == "" {
		cache = &Builder{Options{Cache: r.Dir, UV: b.o.UV, Pip: b.o.Pip}}
	}
	paths := make([]string, len(l.Packages))
	var missing []Package
	size := int64(0)
	for i, p := range l.Packages {
		paths[i] = cache.wheelPath(p.SHA256)
		if whole(paths[i], p.SHA256, p.Size) {
			continue
		}
		if p.local != "" {
			if err := cache.take(p, p.local); err != nil {
				return nil, err
			}
			continue
		}
		missing = append(missing, p)
		size += p.Size
	}
	if len(missing) == 0 {
		return paths, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	logf(r.Log, "fetching %d of %d wheels (%.1f MB) with pip", len(missing), len(l.Packages), float64(size)/1e6)
	start := time.Now()
	pip, err := b.tool(ctx, func(ctx context.Context) (Tool, error) {
		if b.o.Pip == nil {
			return Tool{}, nil
		}
		return b.o.Pip(ctx, t.python)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, cairn.Errorf(cairn.CodeUnavailable, "%d wheels are to be fetched, but there is no pip: %s", len(missing), lastLines(err.Error(), 2)).
			WithHint("install pip, or put uv on PATH, which brings one")
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, part := range split(missing, fetchers) {
		g.Go(func() error { return cache.pipDownload(gctx, pip, t, q, part) })
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, err
	}
	logf(r.Log, "fetched in %.1f s", time.Since(start).Seconds())
	return paths, nil
}

// split deals packages to n groups of about the same size, largest first.
func split(ps []Package, n int) [][]Package {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b Package) int { return int(b.Size/1024 - a.Size/1024) })
	groups := make([][]Package, min(n, len(ps)))
	sizes := make([]int64, len(groups))
	for _, p := range ps {
		least := 0
		for i, s := range sizes {
			if s < sizes[least] {
				least = i
			}
		}
		groups[least] = append(groups[least], p)
		sizes[least] += p.Size + 256<<10 // a request costs too
	}
	return groups
}

// pipDownload loads wheels from where they were found; where that fails, from
// the user's index by name and version. The hash decides in both cases.
func (b *Builder) pipDownload(ctx context.Context, pip Tool, t *target, q *requirements, ps []Package) error {
	var byURL, byName strings.Builder
	for _, o := range slices.Concat(q.indexes, q.options) {
		byName.WriteString(o + "\n")
	}
	byURL.WriteString(byName.String())
	for _, p := range ps {
		fmt.Fprintf(&byName, "%s==%s --hash=sha256:%s\n", p.Name, p.Version, p.SHA256)
		if p.URL == "" {
			fmt.Fprintf(&byURL, "%s==%s --hash=sha256:%s\n", p.Name, p.Version, p.SHA256)
		} else {
			fmt.Fprintf(&byURL, "%s @ %s --hash=sha256:%s\n", p.Name, p.URL, p.SHA256)
		}
	}
	said, err := b.pipOnce(ctx, pip, t, byURL.String(), ps)
	if err != nil && ctx.Err() == nil && byName.String() != byURL.String() {
		said, err = b.pipOnce(ctx, pip, t, byName.String(), ps)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	if e := cairn.AsError(err); e.Code != cairn.CodeInternal {
		return e
	}
	text := lastLines(said, 4)
	if text == "" {
		text = err.Error()
	}
	return cairn.Errorf(cairn.CodeUnavailable, "wheels could not be fetched: pip: %s", text).
		WithHint("pip is used as you have it configured (index, proxy, certificates)")
}

func (b *Builder) pipOnce(ctx context.Context, pip Tool, t *target, reqs string, ps []Package) (string, error) {
	base := filepath.Join(b.o.Cache, "wheels")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no place for wheels: %w", err)
	}
	dir, err := os.MkdirTemp(base, ".fetch-*")
	if err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no place for wheels: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), []byte(reqs), 0o600); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no place for wheels: %w", err)
	}
	args := append(slices.Clone(pip.Args), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
		"--disable-pip-version-check", "--no-input", "--no-cache-dir", "--dest", "out", "-r", "requirements.txt")
	_, said, err := run(ctx, pip, append(args, t.pipTarget()...), dir)
	if err != nil {
		return said, err
	}
	for _, p := range ps {
		if err := b.take(p, filepath.Join(dir, "out", p.File)); err != nil {
			return said, err
		}
	}
	return said, nil
}

// take verifies a wheel and puts it into the cache.
func (b *Builder) take(p Package, from string) error {
	dst := b.wheelPath(p.SHA256)
	fail := func(err error) error {
		return cairn.Errorf(cairn.CodeFailed, "the wheel %s cannot be kept: %w", p.File, err)
	}
	src, err := os.Open(from)
	if err != nil {
		return fail(err)
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return fail(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(dst), ".tmp-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	defer tmp.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, sum), io.LimitReader(src, maxWheel+1))
	if err != nil {
		return fail(err)
	}
	if n > maxWheel {
		return cairn.Errorf(cairn.CodeTooLarge, "the wheel %s has more than %d bytes", p.File, int64(maxWheel))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.SHA256 {
		return cairn.Errorf(cairn.CodeFailed, "the wheel %s has SHA-256 %s instead of %s", p.File, got, p.SHA256).
			WithHint("somebody replaced it: do not use it before you know why")
	}
	if err := tmp.Chmod(0o644); err != nil {
		return fail(err)
	}
	if err := tmp.Sync(); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), dst); err != nil {
		return fail(err)
	}
	return nil
}
