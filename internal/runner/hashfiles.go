package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// hashFiles is the function of that name: the hash of the hashes of the files
// in the workspace that match, or "" when none does. A pattern that begins with
// "!" takes files out again.
func (x *executor) hashFiles(args []expr.Value) (expr.Value, error) {
	if len(args) == 0 {
		return expr.Value{}, cairn.Errorf(cairn.CodeInvalid, "hashFiles needs at least one pattern")
	}
	root := x.Machine.Dirs().Workspace
	var matched []string
	for _, a := range args {
		for pattern := range strings.Lines(a.ToString()) {
			pattern = strings.TrimSpace(pattern)
			if pattern == "" {
				continue
			}
			pattern, out := strings.CutPrefix(pattern, "!")
			pattern = strings.TrimPrefix(filepath.ToSlash(strings.TrimPrefix(pattern, root+"/")), "./")
			if !doublestar.ValidatePattern(pattern) {
				return expr.Value{}, cairn.Errorf(cairn.CodeInvalid, "hashFiles: %q is not a pattern", pattern)
			}
			if out {
				matched = slices.DeleteFunc(matched, func(p string) bool { ok, _ := doublestar.Match(pattern, p); return ok })
				continue
			}
			found, err := doublestar.Glob(os.DirFS(root), pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
			if err != nil {
				return expr.Value{}, err
			}
			matched = append(matched, found...)
		}
	}
	slices.Sort(matched)
	matched = slices.Compact(matched)
	if len(matched) == 0 {
		return expr.String(""), nil
	}
	whole := sha256.New()
	for _, p := range matched {
		sum, err := hashFile(filepath.Join(root, filepath.FromSlash(p)))
		if err != nil {
			return expr.Value{}, err
		}
		whole.Write(sum)
	}
	return expr.String(hex.EncodeToString(whole.Sum(nil))), nil
}

func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Mode()&fs.ModeType != 0 {
		return nil, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
