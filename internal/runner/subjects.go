package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// A step names what it made in the file of GITHUB_ARTIFACTS: files, and images by
// digest, one a line. Later steps find the names and digests of all of them in the
// JSON file of GITHUB_ARTIFACTS_LIST. The rules are those of actions/runner
// (CreateArtifactsFileCommand.cs), where the feature has to be switched on.

// maxSubjects is how many of them one job may name.
const maxSubjects = 500

var (
	subjectImage  = regexp.MustCompile(`^(.+)@(sha256|sha384|sha512):([0-9a-fA-F]+)$`)
	subjectScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*://`)
)

// hexLength is the length of a digest by algorithm.
func hexLength(algorithm string) int {
	return map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
}

// takeSubjects reads the file: all of it counts, or nothing.
func (st *step) takeSubjects(text string) error {
	var found []cairn.Subject
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		s, err := st.subject(line)
		if err != nil {
			return fmt.Errorf("Invalid entry in $GITHUB_ARTIFACTS on line %d: %w", n, err)
		}
		found = append(found, s)
	}
	x := st.x
	x.mu.Lock()
	defer x.mu.Unlock()
	all := slices.Clone(x.subjects)
	for _, s := range found {
		i := slices.IndexFunc(all, func(have cairn.Subject) bool { return have.Name == s.Name })
		switch {
		case i < 0 && len(all) >= maxSubjects:
			return fmt.Errorf("a job may name at most %d artifacts in $GITHUB_ARTIFACTS", maxSubjects)
		case i < 0:
			all = append(all, s)
		case all[i].Digest != s.Digest:
			return fmt.Errorf("artifact '%s' was named before with the digest %s, and now with %s", s.Name, all[i].Digest, s.Digest)
		}
	}
	if added := len(all) - len(x.subjects); added > 0 {
		st.log.line("Captured %d artifact subject(s) from this step (job total: %d).", added, len(all))
		top := st.top()
		top.row.Subjects = append(top.row.Subjects, all[len(x.subjects):]...)
	}
	x.subjects = all
	return nil
}

// subject reads one line.
func (st *step) subject(line string) (cairn.Subject, error) {
	none := cairn.Subject{}
	if strings.Contains(line, "=") {
		return none, errors.New("entries containing '=' are reserved and not permitted")
	}
	scheme := strings.ToLower(subjectScheme.FindString(line))
	rest := line[len(scheme):]
	image := subjectImage.FindStringSubmatch(rest)
	switch {
	case scheme == "file://" && strings.TrimSpace(rest) == "":
		return none, errors.New("file:// entries must include a path")
	case scheme == "file://":
		return st.fileSubject(rest)
	case scheme == "oci://" && image == nil:
		return none, errors.New("oci:// entries must include an @sha{256,384,512}:<hex> digest")
	case scheme == "oci://" && len(image[3]) != hexLength(image[2]):
		return none, fmt.Errorf("digest '%s' must be %d hex characters, got %d", image[2], hexLength(image[2]), len(image[3]))
	case scheme != "" && scheme != "oci://":
		return none, errors.New("unsupported URI scheme")
	case image != nil && len(image[3]) == hexLength(image[2]):
		return cairn.Subject{Name: image[1], Digest: image[2] + ":" + strings.ToLower(image[3]), Kind: "oci"}, nil
	default:
		return st.fileSubject(line)
	}
}

// fileSubject hashes a file, which is looked for from the workspace.
func (st *step) fileSubject(name string) (cairn.Subject, error) {
	none := cairn.Subject{}
	root := st.x.Machine.Dirs().Workspace
	file := name
	if !filepath.IsAbs(file) {
		file = filepath.Join(root, file)
	} else if file = st.hostPath(file); st.x.wanted.Container != nil && file == name {
		// The host's file of that name is not the one that the container has.
		return none, fmt.Errorf("absolute path '%s' is not inside a volume mounted into the container and cannot be resolved", name)
	}
	f, err := openPlain(file)
	if err != nil {
		return none, fmt.Errorf("file '%s' does not exist (relative paths are looked up from the workspace): %w", name, err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return none, fmt.Errorf("'%s' is not a regular file", name)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return none, err
	}
	return cairn.Subject{Name: path.Base(filepath.ToSlash(file)), Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)), Kind: "file"}, nil
}

// subjectList is the JSON that later steps read.
func (x *executor) subjectList() ([]byte, error) {
	x.mu.Lock()
	all := slices.Clone(x.subjects)
	x.mu.Unlock()
	slices.SortFunc(all, func(a, b cairn.Subject) int { return strings.Compare(a.Name, b.Name) })
	if all == nil {
		all = []cairn.Subject{}
	}
	return json.Marshal(struct {
		Version  int             `json:"version"`
		Subjects []cairn.Subject `json:"subjects"`
	}{1, all})
}
