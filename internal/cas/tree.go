package cas

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Bounds of tree objects and of the trees they make.
const (
	MaxTreeEntries = 1_000_000
	MaxTreeBytes   = 128 << 20
	MaxTreeDepth   = 128
	MaxNameBytes   = 255
	MaxLinkBytes   = 4096
	// MaxTreeWalk bounds what a walk visits: a few small objects that hold each
	// other twice are a tree of more files than there is time for.
	MaxTreeWalk = 20_000_000
)

const treeHeader = "cairn-tree 1\n"

// EncodeTree returns the canonical text of a directory. The entries may come in
// any order; what DecodeTree would refuse is refused.
func EncodeTree(entries []cairn.TreeEntry) ([]byte, error) {
	if len(entries) > MaxTreeEntries {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "a folder has %d entries; at most %d are kept in one", len(entries), MaxTreeEntries).
			WithHint("spread the files over sub-folders")
	}
	sorted := entries
	if !slices.IsSortedFunc(entries, byName) {
		sorted = slices.Clone(entries)
		slices.SortFunc(sorted, byName)
	}
	b := make([]byte, 0, len(treeHeader)+len(entries)*104)
	b = append(b, treeHeader...)
	for i, e := range sorted {
		if err := checkEntry(e); err != nil {
			return nil, err
		}
		if i > 0 && sorted[i-1].Name == e.Name {
			return nil, badTree("the name %q stands twice in one folder", e.Name)
		}
		b = append(b, modeText(e.Mode)...)
		b = append(b, ' ')
		b = strconv.AppendInt(b, e.Size, 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, e.Files, 10)
		b = append(b, ' ')
		b = append(b, e.Digest.Hex()...)
		b = append(b, ' ')
		b = appendName(b, e.Name)
		b = append(b, '\n')
	}
	if len(b) > MaxTreeBytes {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "a folder's list of names is %d bytes; at most %d are kept", len(b), MaxTreeBytes)
	}
	return b, nil
}

// DecodeTree reads the text of a directory, which may come from anywhere. It
// accepts exactly what EncodeTree writes.
func DecodeTree(b []byte) ([]cairn.TreeEntry, error) {
	if len(b) > MaxTreeBytes {
		return nil, badTree("it is %d bytes; at most %d are allowed", len(b), MaxTreeBytes)
	}
	rest, ok := bytes.CutPrefix(b, []byte(treeHeader))
	if !ok {
		return nil, badTree("it does not start with %q", treeHeader)
	}
	n := bytes.Count(rest, []byte{'\n'})
	if n > MaxTreeEntries {
		return nil, badTree("it has %d entries; at most %d are allowed", n, MaxTreeEntries)
	}
	out := make([]cairn.TreeEntry, 0, n)
	for line := 2; len(rest) > 0; line++ {
		text, tail, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return nil, badTree("line %d has no end", line)
		}
		e, err := decodeLine(string(text))
		if err != nil {
			return nil, badTree("line %d: %s", line, err.Error())
		}
		if len(out) > 0 && out[len(out)-1].Name >= e.Name {
			return nil, badTree("line %d: %q does not sort behind %q", line, e.Name, out[len(out)-1].Name)
		}
		out = append(out, e)
		rest = tail
	}
	return out, nil
}

func decodeLine(s string) (cairn.TreeEntry, error) {
	var e cairn.TreeEntry
	f := strings.SplitN(s, " ", 5)
	if len(f) != 5 {
		return e, fmt.Errorf("it has %d fields, not 5", len(f))
	}
	var ok bool
	if e.Mode, ok = modeOf(f[0]); !ok {
		return e, fmt.Errorf("mode %q is none of 000644, 000755, 120000, 040000", f[0])
	}
	var err error
	if e.Size, err = decimal(f[1]); err != nil {
		return e, err
	}
	if e.Files, err = decimal(f[2]); err != nil {
		return e, err
	}
	e.Digest = cairn.Digest("sha256:" + f[3])
	if e.Name, ok = nameOf(f[4]); !ok {
		return e, fmt.Errorf("%q is not an escaped name", f[4])
	}
	return e, checkEntry(e)
}

// CheckName refuses names that no directory may hold.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return badTree("%q is not a file name", name)
	case len(name) > MaxNameBytes:
		return badTree("the name %.40q… has %d bytes; at most %d are allowed", name, len(name), MaxNameBytes)
	case strings.ContainsAny(name, "/\x00"):
		return badTree("the name %q holds a slash or a NUL", name)
	}
	return nil
}

func checkEntry(e cairn.TreeEntry) error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	_, known := modeNames[e.Mode]
	switch {
	case !known:
		return badTree("%q has mode %o; allowed are 644, 755, 120000 (link), 40000 (folder)", e.Name, e.Mode)
	case !e.Digest.Valid():
		return badTree("%q has no valid digest: %q", e.Name, e.Digest)
	case e.Size < 0 || e.Files < 0:
		return badTree("%q has a negative size", e.Name)
	case e.Mode != cairn.ModeDir && e.Files != 0:
		return badTree("%q is no folder but counts %d files", e.Name, e.Files)
	case e.Mode == cairn.ModeSymlink && e.Size > MaxLinkBytes:
		return badTree("the link %q has a target of %d bytes; at most %d are allowed", e.Name, e.Size, MaxLinkBytes)
	}
	return nil
}

// CheckLink refuses the target of a symbolic link that could lead out of its
// tree. depth is how many folders of the tree the link lies in. ".." may stand
// only at the start: behind another name that name may itself be a link, and
// then no one can tell from the text where it leads.
func CheckLink(target string, depth int) error {
	if target == "" || len(target) > MaxLinkBytes || strings.ContainsRune(target, 0) {
		return badTree("its target is empty, longer than %d bytes, or holds a NUL", MaxLinkBytes)
	}
	if strings.HasPrefix(target, "/") {
		return badTree("its target %q is absolute", target).
			WithHint("make it relative, or leave it out: it would not mean the same elsewhere")
	}
	ups, names := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			names = true
		case names:
			return badTree("its target %q has \"..\" behind a name", target).
				WithHint("write the target without detours: \"..\" only at its start")
		default:
			ups++
		}
	}
	if ups > depth {
		return badTree("its target %q leads out of the folder", target).
			WithHint("link to something inside the folder, or copy the file in")
	}
	return nil
}

// treeSum adds up what a directory's entry in its parent says.
func treeSum(entries []cairn.TreeEntry) (size, files int64, err error) {
	for _, e := range entries {
		n := int64(1)
		if e.Mode == cairn.ModeDir {
			n = e.Files
		}
		if size > math.MaxInt64-e.Size || files > math.MaxInt64-n {
			return 0, 0, badTree("its sizes add up to more than a number holds")
		}
		size, files = size+e.Size, files+n
	}
	return size, files, nil
}

func byName(a, b cairn.TreeEntry) int { return strings.Compare(a.Name, b.Name) }

var modeNames = map[uint32]string{
	cairn.ModeFile: "000644", cairn.ModeExec: "000755", cairn.ModeSymlink: "120000", cairn.ModeDir: "040000",
}

func modeText(m uint32) string { return modeNames[m] }

func modeOf(s string) (uint32, bool) {
	for m, text := range modeNames {
		if s == text {
			return m, true
		}
	}
	return 0, false
}

func decimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%q is not a plain number", s)
	}
	return n, nil
}

func appendName(b []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\n':
			b = append(b, '\\', 'n')
		case '\\':
			b = append(b, '\\', '\\')
		default:
			b = append(b, name[i])
		}
	}
	return b
}

func nameOf(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		switch s[i] {
		case 'n':
			b = append(b, '\n')
		case '\\':
			b = append(b, '\\')
		default:
			return "", false
		}
	}
	return string(b), true
}

func badTree(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "not a valid tree: "+format, args...)
}
