package runner

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/cairn-ml/cairn"
)

// Problem matchers turn lines of output into annotations. Their files, their
// expressions and what they match are those of actions/runner (IssueMatcher.cs),
// whose regular expressions are .NET's: regexp2 is a port of that engine.

// The bounds of problem matchers: what is beyond them is refused by name.
const (
	maxMatcherFile = 1 << 20
	maxMatchers    = 100 // of one job
	maxPatterns    = 50  // of one matcher
	matcherTime    = time.Second
)

// matcherDef is one problem matcher as its file describes it.
type matcherDef struct {
	owner    string
	severity string // when no group gives one; "" is error
	patterns []matchPattern
}

type matchPattern struct {
	re *regexp2.Regexp
	// Groups that hold each part; -1: none.
	file, line, column, severity, message, fromPath int
	loop                                            bool
}

func isSeverity(s string) bool {
	return s == AnnotationError || s == AnnotationWarning || s == AnnotationNotice
}

func findMatcher(ds []*matcherDef, owner string) *matcherDef {
	for _, d := range ds {
		if strings.EqualFold(d.owner, owner) {
			return d
		}
	}
	return nil
}

// matcherSet holds the problem matchers of a job, the newest first. Every output
// of the job looks at it; the version says when it changed.
type matcherSet struct {
	mu      sync.Mutex
	defs    []*matcherDef
	version int
}

// add puts matchers first; those of the same owner give way.
func (s *matcherSet) add(ds []*matcherDef) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := append([]*matcherDef(nil), ds...)
	for _, d := range s.defs {
		if findMatcher(ds, d.owner) == nil {
			next = append(next, d)
		}
	}
	if len(next) > maxMatchers {
		return cairn.Errorf(cairn.CodeTooLarge, "the job has more than %d problem matchers", maxMatchers)
	}
	s.defs = next
	s.version++
	return nil
}

// remove takes away those of which gone says so.
func (s *matcherSet) remove(gone func(d *matcherDef) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []*matcherDef
	for _, d := range s.defs {
		if !gone(d) {
			next = append(next, d)
		}
	}
	s.defs = next
	s.version++
}

func (s *matcherSet) get() ([]*matcherDef, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.defs, s.version
}

// issue is what a matcher found in a line; a part that is nil was not captured.
type issue struct {
	file, line, column, severity, message, fromPath *string
}

// matcher is one problem matcher at work on one output.
type matcher struct {
	def *matcherDef
	// state holds what each pattern but the last has matched so far.
	state []*issue
}

func newMatcher(d *matcherDef) *matcher { return &matcher{d, make([]*issue, len(d.patterns)-1)} }

func (m *matcher) reset() { clear(m.state) }

// match looks at one line. Several patterns match lines that follow each other:
// they are tried from the last to the first, so that a line may end one sequence
// and begin the next.
func (m *matcher) match(line string) (*issue, error) {
	last := len(m.def.patterns) - 1
	for i := last; i >= 0; i-- {
		var running *issue
		if i > 0 {
			if running = m.state[i-1]; running == nil {
				continue
			}
		}
		p := &m.def.patterns[i]
		found, err := p.re.FindStringMatch(line)
		switch {
		case err != nil:
			return nil, err
		case found == nil && i == last:
			if i > 0 {
				m.state[i-1] = nil
			}
		case found == nil:
			m.state[i] = nil
		case i < last:
			m.state[i] = p.issue(running, found)
		default:
			m.reset()
			if p.loop {
				m.state[i-1] = running
			}
			out := p.issue(running, found)
			if (out.severity == nil || *out.severity == "") && m.def.severity != "" {
				out.severity = &m.def.severity
			}
			return out, nil
		}
	}
	return nil, nil
}

// issue joins what was captured before with what this pattern captures.
func (p *matchPattern) issue(running *issue, m *regexp2.Match) *issue {
	var out issue
	if running != nil {
		out = *running
	}
	take := func(to **string, group int) {
		if *to == nil && group >= 0 {
			text := ""
			if g := m.GroupByNumber(group); g != nil {
				text = g.String()
			}
			*to = &text
		}
	}
	take(&out.file, p.file)
	take(&out.line, p.line)
	take(&out.column, p.column)
	take(&out.severity, p.severity)
	take(&out.message, p.message)
	take(&out.fromPath, p.fromPath)
	return &out
}

// annotation is the issue as it is kept; false where it has no message or an
// unknown severity, as on GitHub.
func (i *issue) annotation(place func(file, from string) string) (cairn.Annotation, bool) {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	a := cairn.Annotation{Severity: strings.ToLower(text(i.severity)), Message: text(i.message)}
	if a.Severity == "" {
		a.Severity = AnnotationError
	}
	if strings.TrimSpace(a.Message) == "" || !isSeverity(a.Severity) {
		return a, false
	}
	number := func(s *string) int {
		n, err := strconv.ParseUint(text(s), 10, 31)
		if err != nil {
			return 0
		}
		return int(n)
	}
	a.Line, a.Column = number(i.line), number(i.column)
	if f := text(i.file); strings.TrimSpace(f) != "" {
		a.File = place(f, text(i.fromPath))
	}
	return a, true
}

// colorRE are the colours of a terminal, which no matcher is to see.
var colorRE = regexp.MustCompile(`\x1b\[[0-9;]*m?`)

// matching is what an output does with the problem matchers of its job.
type matching struct {
	set     *matcherSet
	version int
	active  []*matcher
	// found takes an annotation and the line that it was made of.
	found func(a cairn.Annotation, line string)
	// place turns a captured file name into one of the repository, or "".
	place func(file, from string) string
	// warn says that a matcher was given up.
	warn func(message string)
}

// sync takes over what was added and removed; matchers that stay keep what they
// have seen. It reports whether there are any.
func (m *matching) sync() bool {
	defs, version := m.set.get()
	if version != m.version {
		m.version = version
		var next []*matcher
		for _, d := range defs {
			keep := newMatcher(d)
			for _, old := range m.active {
				if old.def == d {
					keep = old
				}
			}
			next = append(next, keep)
		}
		m.active = next
	}
	return len(m.active) > 0
}

// line reports whether a line became an annotation.
func (m *matching) line(text string) bool {
	text = strings.TrimRight(text, "\r\n")
	if strings.Contains(text, "\x1b[") {
		text = colorRE.ReplaceAllString(text, "")
	}
	for _, one := range m.active {
		found, err := one.match(text)
		if err != nil {
			m.warn(fmt.Sprintf("Removing issue matcher '%s'. It took more than %s for one line.", one.def.owner, matcherTime))
			m.set.remove(func(d *matcherDef) bool { return d == one.def })
			continue
		}
		if found == nil {
			continue
		}
		for _, other := range m.active {
			if other != one {
				other.reset()
			}
		}
		if a, ok := found.annotation(m.place); ok {
			m.found(a, text)
			return true
		}
	}
	return false
}
