package expr

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// followLinks is the one option that hashFiles has on GitHub.
const followLinks = "--follow-symbolic-links"

// HashFiles is the function hashFiles over the workspace: fsys holds its files,
// root is its absolute path, which patterns may begin with. It gives the hash of
// the hashes of the files that match, in GitHub's order, or "" when none does.
//
// Each argument may hold several lines; # begins a comment, ! takes files out
// again. * ? and [a-z] match within a name, ** any folders; names that begin
// with a point are like others; a folder that matches stands for all below it.
func HashFiles(fsys fs.FS, root string, args []Value) (Value, error) {
	h := hasher{fsys: fsys, root: segments(root), out: sha256.New()}
	for i, a := range args {
		text := a.ToString()
		if i == 0 && strings.HasPrefix(text, "--") {
			if text == followLinks {
				return Value{}, cairn.Errorf(cairn.CodeUnsupported, "%s is not built: linked folders are not entered", followLinks)
			}
			return Value{}, cairn.Errorf(cairn.CodeInvalid, "%s is not an option", show(text)).WithHint("GitHub has one: %s", followLinks)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			p, err := h.pattern(line)
			if err != nil {
				return Value{}, err
			}
			h.patterns = append(h.patterns, p)
		}
	}
	for _, at := range h.starts() {
		if err := h.visit(at); err != nil {
			return Value{}, err
		}
	}
	if !h.found {
		return String(""), nil
	}
	return String(hex.EncodeToString(h.out.Sum(nil))), nil
}

type hasher struct {
	fsys     fs.FS
	root     []string // of the workspace
	patterns []globPattern
	out      hash.Hash
	found    bool
}

// globPattern is one line, from the root of the file system on.
type globPattern struct {
	segments []string // as written; those of the workspace are escaped
	negate   bool
	folder   bool // it ends in a slash: only folders match
}

func (h *hasher) pattern(line string) (globPattern, error) {
	var p globPattern
	rest := line
	for strings.HasPrefix(rest, "!") {
		p.negate = !p.negate
		rest = strings.TrimSpace(rest[1:])
	}
	if rest == "" {
		return p, cairn.Errorf(cairn.CodeInvalid, "the pattern %s is empty", show(line))
	}
	p.folder = strings.HasSuffix(rest, "/")
	parts := segments(rest)
	for i, s := range parts {
		if lit, _ := literal(s); lit == ".." || lit == "." && i > 0 {
			return p, cairn.Errorf(cairn.CodeInvalid, "the pattern %s goes through . or ..", show(line)).
				WithHint("patterns count from the workspace: src/**")
		}
	}
	if !strings.HasPrefix(rest, "/") {
		if len(parts) > 0 && parts[0] == "." {
			parts = parts[1:]
		}
		prefix := make([]string, len(h.root))
		for i, s := range h.root {
			prefix[i] = escapeGlob(s)
		}
		parts = append(prefix, parts...)
	}
	p.segments = parts
	return p, nil
}

// segments cuts a path; several slashes are one.
func segments(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

// escapeGlob makes a name a pattern that matches this name alone.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", "[[]", "?", "[?]", "*", "[*]").Replace(s)
}

// literal is the one name that a segment matches; false when it may match more.
func literal(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '*' || c == '?':
			return "", false
		case c == '[':
			end := strings.IndexByte(s[i:], ']')
			if end > 2 {
				return "", false
			}
			if end == 2 { // [x]
				b.WriteByte(s[i+1])
				i += 2
				continue
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// starts are the folders or files where the search begins: the part of each
// pattern that has no choice, without those below another.
func (h *hasher) starts() [][]string {
	var all [][]string
	for _, p := range h.patterns {
		if p.negate {
			continue
		}
		var at []string
		for _, s := range p.segments {
			lit, ok := literal(s)
			if !ok {
				break
			}
			at = append(at, lit)
		}
		all = append(all, at)
	}
	var out [][]string
	for i, at := range all {
		covered := slices.ContainsFunc(all, func(o []string) bool { return len(o) < len(at) && slices.Equal(o, at[:len(o)]) }) ||
			slices.ContainsFunc(all[:i], func(o []string) bool { return slices.Equal(o, at) })
		switch n := len(h.root); {
		case covered:
		case len(at) >= n && slices.Equal(at[:n], h.root):
			out = append(out, at[n:])
		case len(at) < n && slices.Equal(at, h.root[:len(at)]):
			out = append(out, nil) // from above: only the workspace counts
		}
	}
	return out
}

// visit looks at one file or folder, and goes down.
func (h *hasher) visit(at []string) error {
	file, folder, onTheWay := h.match(at)
	if !file && !folder && !onTheWay {
		return nil
	}
	name := path.Join(at...)
	if name == "" {
		name = "."
	}
	fi, err := fs.Lstat(h.fsys, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if fi.IsDir() {
		entries, err := fs.ReadDir(h.fsys, name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := h.visit(append(at[:len(at):len(at)], e.Name())); err != nil {
				return err
			}
		}
		return nil
	}
	if !file {
		return nil
	}
	return h.add(name)
}

// match reports whether the patterns take what is at a path of the workspace, as
// a file and as a folder, and whether something below it may match.
func (h *hasher) match(at []string) (file, folder, below bool) {
	whole := append(h.root[:len(h.root):len(h.root)], at...)
	for _, p := range h.patterns {
		last := len(p.segments) - 1
		ends := last >= 0 && p.segments[last] == "**"
		hit, part := matchGlob(p.segments, whole)
		if hit {
			folder = !p.negate
			if !p.folder {
				file = !p.negate
			}
		}
		// A folder that matches stands for what is below: as if /** followed.
		if (p.folder || !ends) && under(p.segments, whole) {
			file, folder = !p.negate, !p.negate
		}
		below = below || !p.negate && (part || hit)
	}
	return file, folder, below
}

// under reports whether a folder above the path matches.
func under(pattern, name []string) bool {
	for n := len(name) - 1; n > 0; n-- {
		if hit, _ := matchGlob(pattern, name[:n]); hit {
			return true
		}
	}
	return false
}

// matchGlob compares names one by one; part says that something below the name
// may match. It takes time in proportion to both lengths, whatever the number of
// ** is.
func matchGlob(pattern, name []string) (hit, part bool) {
	// open[i] says that the names so far match the first i segments.
	open := make([]bool, len(pattern)+1)
	open[0] = true
	spread := func() {
		for i, s := range pattern {
			open[i+1] = open[i+1] || open[i] && s == "**"
		}
	}
	spread()
	for _, n := range name {
		next := make([]bool, len(pattern)+1)
		for i, s := range pattern {
			switch {
			case !open[i]:
			case s == "**":
				next[i] = true
			case matchName(s, n):
				next[i+1] = true
			}
		}
		open = next
		spread()
	}
	return open[len(pattern)], slices.Contains(open, true)
}

func matchName(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	if err != nil { // a [ that is not closed is a letter
		lit, one := literal(pattern)
		return one && lit == name
	}
	return ok
}

func (h *hasher) add(name string) error {
	f, err := h.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.IsDir() { // a link to a folder
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	h.out.Write(sum.Sum(nil))
	h.found = true
	return nil
}
