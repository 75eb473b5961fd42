package action

import (
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
)

// maxFound bounds the files that one glob may find.
const maxFound = 1_000_000

// pattern is one line of a path input, absolute.
type pattern struct {
	negate  bool
	dirOnly bool   // a trailing slash: only what lies in folders of that name
	glob    string // for doublestar
	// search is the longest folder (or file) before the first wildcard: where the
	// search begins.
	search string
}

// search is what a path input finds.
type search struct {
	Files []string // absolute, sorted, no folders
	// Root is what the names of the files are relative to: the only search path,
	// its folder when it is the only file, else the least common ancestor.
	Root string
}

// findFiles does what @actions/glob and upload-artifact do: lines are patterns,
// `!` takes files out again, `#` begins a comment, folders stand for what is in
// them, links are followed.
func findFiles(input, cwd, home string, hidden bool) (search, error) {
	var ps []pattern
	for _, line := range lines(input) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePattern(line, cwd, home)
		if err != nil {
			return search{}, err
		}
		ps = append(ps, p)
	}
	roots := searchPaths(ps)
	if len(roots) == 0 {
		return search{}, cairn.Errorf(cairn.CodeInvalid, "input 'path' names nothing to find").
			WithHint("give a file, a folder or a pattern per line")
	}
	found := map[string]bool{}
	for _, r := range roots {
		w := walker{patterns: ps, hidden: hidden, found: found}
		if err := w.walk(r, nil); err != nil {
			return search{}, err
		}
	}
	s := search{Files: make([]string, 0, len(found))}
	for f := range found {
		s.Files = append(s.Files, f)
	}
	sort.Strings(s.Files)
	switch {
	case len(roots) > 1:
		s.Root = commonAncestor(roots)
	case len(s.Files) == 1 && s.Files[0] == roots[0]:
		s.Root = filepath.Dir(roots[0])
	default:
		s.Root = roots[0]
	}
	return s, nil
}

func parsePattern(line, cwd, home string) (pattern, error) {
	p := pattern{}
	for strings.HasPrefix(line, "!") {
		p.negate = !p.negate
		line = strings.TrimSpace(line[1:])
	}
	text := line
	switch {
	case text == "":
		return p, cairn.Errorf(cairn.CodeInvalid, "an empty pattern in input 'path'")
	case text == "~" || strings.HasPrefix(text, "~/"):
		text = escapeGlob(home) + text[1:]
	case text == "." || strings.HasPrefix(text, "./"):
		text = escapeGlob(cwd) + text[1:]
	case !strings.HasPrefix(text, "/"):
		text = escapeGlob(cwd) + "/" + text
	}
	p.dirOnly = strings.HasSuffix(text, "/")
	var segs []string
	for _, s := range strings.Split(text, "/") {
		if s == "" {
			continue
		}
		if lit, ok := literal(s); ok {
			if lit == "." || lit == ".." {
				return p, cairn.Errorf(cairn.CodeInvalid, "Invalid pattern '%s'. Relative pathing '.' and '..' is not allowed.", line)
			}
			s = escapeGlob(lit)
		}
		if s != "**" && strings.Contains(s, "**") { // only a whole segment is a globstar
			s = strings.ReplaceAll(s, "**", "*")
		}
		segs = append(segs, strings.NewReplacer("{", `\{`, "}", `\}`).Replace(s)) // no braces in this dialect
	}
	p.glob = "/" + strings.Join(segs, "/")
	if !doublestar.ValidatePattern(p.glob) {
		return p, cairn.Errorf(cairn.CodeInvalid, "Invalid pattern '%s'", line)
	}
	p.search = "/"
	for _, s := range segs {
		lit, ok := literal(s)
		if !ok {
			break
		}
		p.search = filepath.Join(p.search, lit)
	}
	return p, nil
}

// literal returns what a segment without wildcards stands for.
func literal(seg string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(seg); i++ {
		switch c := seg[i]; c {
		case '\\':
			if i+1 < len(seg) {
				i++
				b.WriteByte(seg[i])
				continue
			}
			b.WriteByte(c)
		case '*', '?':
			return "", false
		case '[':
			if j := strings.IndexByte(seg[i:], ']'); j > 1 {
				if j == 2 { // [x] is the character itself
					b.WriteByte(seg[i+1])
					i += 2
					continue
				}
				return "", false
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// searchPaths lists where to search, without those below another.
func searchPaths(ps []pattern) []string {
	have := map[string]bool{}
	for _, p := range ps {
		if !p.negate {
			have[p.search] = true
		}
	}
	var out []string
	done := map[string]bool{}
	for _, p := range ps {
		if p.negate || done[p.search] {
			continue
		}
		done[p.search] = true
		below := false
		for d := p.search; d != "/" && !below; {
			d = filepath.Dir(d)
			below = have[d]
		}
		if !below {
			out = append(out, p.search)
		}
	}
	return out
}

// commonAncestor is the deepest folder above (or equal to) all paths.
func commonAncestor(paths []string) string {
	common := strings.Split(paths[0], "/")
	for _, p := range paths[1:] {
		parts := strings.Split(p, "/")
		n := 0
		for n < len(common) && n < len(parts) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	if len(common) <= 1 {
		return "/"
	}
	return strings.Join(common, "/")
}

// matches applies the patterns in order: each takes in or out.
func matches(ps []pattern, path string) bool {
	in := false
	for _, p := range ps {
		if p.negate == in && p.match(path) {
			in = !p.negate
		}
	}
	return in
}

// match reports whether a file is meant by the pattern itself or lies in a
// folder that is.
func (p pattern) match(path string) bool {
	if !p.dirOnly && doublestar.MatchUnvalidated(p.glob, path) {
		return true
	}
	return doublestar.MatchUnvalidated(p.glob+"/*/**", path) || doublestar.MatchUnvalidated(p.glob+"/*", path)
}

type walker struct {
	patterns []pattern
	hidden   bool
	found    map[string]bool
}

// walk visits path and what is below it. above are the real paths of the folders
// on the way, so that links in a circle end.
func (w *walker) walk(path string, above []string) error {
	fi, err := os.Stat(path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil // nothing there, or a broken link
		}
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	if !w.hidden && strings.HasPrefix(filepath.Base(path), ".") {
		return nil
	}
	if !fi.IsDir() {
		if fi.Mode().Type()&^fs.ModeSymlink == 0 && matches(w.patterns, path) {
			if len(w.found) >= maxFound {
				return cairn.Errorf(cairn.CodeTooLarge, "more than %d files match", maxFound)
			}
			w.found[path] = true
		}
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	for _, a := range above {
		if a == real {
			return nil
		}
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
