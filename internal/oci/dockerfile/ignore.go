package dockerfile

import (
	"bytes"

	"github.com/cairn-ml/cairn"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// maxPatterns bounds a .dockerignore: each path is compared with each pattern.
const maxPatterns = 2000

// Ignore says which files of a build context are left out.
type Ignore struct {
	m *patternmatcher.PatternMatcher
}

// ParseIgnore reads a .dockerignore; name is what errors show.
func ParseIgnore(name string, src []byte) (*Ignore, error) {
	if len(src) > MaxSize {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes", name, len(src)).WithHint("it has at most %d bytes", MaxSize)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(src))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be read: %w", name, err)
	}
	return NewIgnore(name, patterns)
}

// NewIgnore takes patterns as COPY --exclude gives them.
func NewIgnore(name string, patterns []string) (*Ignore, error) {
	if len(patterns) > maxPatterns {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d patterns", name, len(patterns)).WithHint("at most %d are looked at", maxPatterns)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has a bad pattern: %w", name, err).
			WithHint("patterns are those of .dockerignore: *, ?, [a-z], ** and a leading !")
	}
	// A pattern that cannot be compiled shows at its first use.
	if _, err := m.MatchesOrParentMatches("x"); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has a bad pattern: %w", name, err).
			WithHint("patterns are those of .dockerignore: *, ?, [a-z], ** and a leading !")
	}
	return &Ignore{m: m}, nil
}

// State is what Match found for a folder; the entries of the folder start from it.
type State = patternmatcher.MatchInfo

// Match reports whether path (slash-separated, relative) is left out; above is
// the state of its folder.
func (i *Ignore) Match(path string, above State) (bool, State, error) {
	if i == nil {
		return false, State{}, nil
	}
	return i.m.MatchesUsingParentResults(path, above)
}

// Exceptions reports whether some pattern takes files in again: then a folder
// that is left out must be looked through all the same.
func (i *Ignore) Exceptions() bool { return i != nil && i.m.Exclusions() }
