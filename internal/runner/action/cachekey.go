package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// The ways in which @actions/cache packs, by the words that its versions are made of.
const (
	packZstd = "zstd-without-long"
	packGzip = "gzip"
)

// packing is the way of this machine: zstd where there is one, as the client asks.
func packing(ctx context.Context, c *runner.StepContext) (string, error) {
	code, err := c.Exec(ctx, runner.Process{Args: []string{"zstd", "--quiet", "--version"}, Stdout: discard{}, Stderr: discard{}})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil || code != 0 {
		return packGzip, nil
	}
	return packZstd, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// cacheVersion is the hash by which @actions/cache tells apart what was packed and
// how: both share their entries.
func cacheVersion(paths []string, method string) string {
	parts := append(slices.Clone(paths), method, "1.0")
	sum := sha256.Sum256([]byte(strings.Join(parts, "|")))
	return hex.EncodeToString(sum[:])
}

// archiveName is what the client calls its archive.
func archiveName(method string) string {
	if method == packGzip {
		return "cache.tgz"
	}
	return "cache.tzst"
}

// packFlags and unpackFlags are those of tar.
func packFlags(method string) []string {
	if method == packGzip {
		return []string{"-z"}
	}
	return []string{"--use-compress-program", "zstdmt"}
}

func unpackFlags(method string) []string {
	if method == packGzip {
		return []string{"-z"}
	}
	return []string{"--use-compress-program", "unzstd"}
}

// findPaths does what the client does with its path input: files and folders that
// match themselves, not what lies in them; relative to the workspace.
func findPaths(input, workspace, home string) ([]string, error) {
	var ps []pattern
	for _, line := range lines(input) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePattern(line, workspace, home)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	found := map[string]bool{}
	for _, root := range searchPaths(ps) {
		w := pathWalker{patterns: ps, found: found}
		if err := w.walk(root, nil); err != nil {
			return nil, err
		}
	}
	var out []string
	for f := range found {
		rel, err := filepath.Rel(workspace, f)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInternal, "%s: %w", f, err)
		}
		rel = filepath.ToSlash(rel)
		if strings.HasPrefix(rel, "-") {
			rel = "./" + rel // tar reads lines of its list that begin so as options
		}
		out = append(out, rel)
	}
	slices.Sort(out)
	return out, nil
}

// pathWalker looks for files and folders that match by themselves.
type pathWalker struct {
	patterns []pattern
	found    map[string]bool
}

func (w *pathWalker) walk(path string, above []string) error {
	fi, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing there, or a broken link
		}
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	if w.matches(path, fi.IsDir()) {
		if len(w.found) >= maxFound {
			return cairn.Errorf(cairn.CodeTooLarge, "more than %d files match", maxFound)
		}
		w.found[path] = true
	}
	if !fi.IsDir() || !w.deeper(path) {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil || slices.Contains(above, real) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	above = append(above[:len(above):len(above)], real)
	for _, e := range entries {
		if err := w.walk(filepath.Join(path, e.Name()), above); err != nil {
			return err
		}
	}
	return nil
}

func (w *pathWalker) matches(path string, dir bool) bool {
	in := false
	for _, p := range w.patterns {
		if p.negate == in && (dir || !p.dirOnly) && doublestar.MatchUnvalidated(p.glob, path) {
			in = !p.negate
		}
	}
	return in
}

// deeper reports whether a pattern may match something below a folder: one without
// wildcards is over when its own place is reached.
func (w *pathWalker) deeper(path string) bool {
	for _, p := range w.patterns {
		if p.negate || !(path == p.search || strings.HasPrefix(path, strings.TrimSuffix(p.search, "/")+"/") || strings.HasPrefix(p.search, strings.TrimSuffix(path, "/")+"/")) {
			continue
		}
		segments := strings.Split(p.glob, "/")
		if slices.Contains(segments, "**") || strings.Count(path, "/") < len(segments)-1 {
			return true
		}
	}
	return false
}
