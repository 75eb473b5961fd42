package build

import (
	"errors"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

// glob finds the paths that match a pattern, part by part, without what is left
// out. Links to folders are not followed on the way.
func (c *buildContext) glob(pattern string) ([]string, error) {
	parts := strings.Split(strings.Trim(path.Clean("/"+pattern), "/"), "/")
	found := []string{""}
	for i, part := range parts {
		var next []string
		for _, dir := range found {
			if !hasWildcard(part) {
				p := path.Join(dir, unescape(part))
				if at, _, err := c.resolve(p); err == nil {
					if i == len(parts)-1 {
						at = p
					}
					next = append(next, at)
				} else if !errors.Is(err, errNone) && !errors.Is(err, errIgnored) {
					return nil, err
				}
				continue
			}
			fi, err := c.root.Lstat(filepath.FromSlash(orDot(dir)))
			if err != nil || !fi.IsDir() {
				continue
			}
			entries, err := c.readDir(dir)
			if err != nil {
				return nil, err
			}
			for _, d := range entries {
				ok, err := path.Match(part, d.Name())
				if err != nil {
					return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a pattern: %w", clip(pattern), err)
				}
				if !ok {
					continue
				}
				p := path.Join(dir, d.Name())
				if ignored, err := c.ignored(p); err != nil {
					return nil, err
				} else if !ignored || d.IsDir() && c.ignore.Exceptions() {
					next = append(next, p)
				}
			}
		}
		found = next
	}
	return found, nil
}

func hasWildcard(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// near are names in the folder of a path that may have been meant.
func (c *buildContext) near(p string) []string {
	p = strings.Trim(path.Clean("/"+p), "/")
	dir, base := path.Split(p)
	at, fi, err := c.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil || !fi.IsDir() {
		return nil
	}
	entries, err := c.readDir(at)
	if err != nil {
		return nil
	}
	var names []string
	for _, d := range entries {
		if ignored, err := c.ignored(path.Join(at, d.Name())); err == nil && !ignored {
			names = append(names, d.Name())
		}
	}
	if n := cairn.Nearest(base, names); n != "" {
		return []string{path.Join(at, n)}
	}
	// The same name elsewhere, not too far down.
	var out []string
	seen := 0
	stop := errors.New("enough")
	_ = c.walk("", func(e entry) error { // only for a hint
		if seen++; seen > 5000 || len(out) == 3 {
			return stop
		}
		if path.Base(e.path) == base {
			out = append(out, e.path)
		}
		return nil
	})
	return out
}
