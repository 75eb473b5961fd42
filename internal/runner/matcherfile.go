package runner

import (
	"encoding/json"
	"strings"

	"github.com/dlclark/regexp2/v2"

	"github.com/cairn-ml/cairn"
)

// matcherJSON is one matcher of a file, patternJSON one pattern of it.
type matcherJSON struct {
	Owner    string        `json:"owner"`
	Severity string        `json:"severity"`
	Pattern  []patternJSON `json:"pattern"`
}

type patternJSON struct {
	Regexp   string `json:"regexp"`
	File     *int   `json:"file"`
	Line     *int   `json:"line"`
	Column   *int   `json:"column"`
	Severity *int   `json:"severity"`
	Code     *int   `json:"code"`
	Message  *int   `json:"message"`
	FromPath *int   `json:"fromPath"`
	Loop     bool   `json:"loop"`
}

// parseMatchers reads a matcher file; comments in it are allowed, as there. Its
// messages are the original's.
func parseMatchers(text []byte) ([]*matcherDef, error) {
	var f struct {
		ProblemMatcher []matcherJSON `json:"problemMatcher"`
	}
	if err := json.Unmarshal(stripComments(text), &f); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "it is no JSON of problem matchers: %w", err)
	}
	if len(f.ProblemMatcher) > maxMatchers {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%d matchers; at most %d are allowed", len(f.ProblemMatcher), maxMatchers)
	}
	var out []*matcherDef
	for _, m := range f.ProblemMatcher {
		if findMatcher(out, m.Owner) != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "Duplicate owner name '%s'", m.Owner)
		}
		d, err := m.compile()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (m *matcherJSON) compile() (*matcherDef, error) {
	d := &matcherDef{owner: m.Owner, severity: strings.ToLower(m.Severity)}
	fail := func(format string, args ...any) (*matcherDef, error) {
		return nil, cairn.Errorf(cairn.CodeInvalid, format, args...)
	}
	switch {
	case d.owner == "":
		return fail("Owner must not be empty")
	case d.severity != "" && !isSeverity(d.severity):
		return fail("Matcher '%s' contains unexpected default severity '%s'", d.owner, m.Severity)
	case len(m.Pattern) == 0:
		return fail("Matcher '%s' does not contain any patterns", d.owner)
	case len(m.Pattern) > maxPatterns:
		return fail("Matcher '%s' has %d patterns; at most %d are allowed", d.owner, len(m.Pattern), maxPatterns)
	}
	set := map[string]bool{}
	for i := range m.Pattern {
		p := &m.Pattern[i]
		if p.Loop && (i == 0 || i < len(m.Pattern)-1) {
			return fail("Only the last pattern in a multiline matcher may set 'loop'")
		}
		q, err := p.compile(set)
		if err != nil {
			return nil, err
		}
		d.patterns = append(d.patterns, *q)
	}
	if !set["message"] {
		return fail("At least one pattern must set 'message'")
	}
	return d, nil
}

// compile notes in set which parts the patterns of a matcher capture.
func (p *patternJSON) compile(set map[string]bool) (*matchPattern, error) {
	if p.Loop && p.Message == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "The loop pattern must set 'message'")
	}
	re, err := regexp2.Compile(p.Regexp, regexp2.ECMAScript)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the expression %q is not valid: %w", p.Regexp, err)
	}
	re.MatchTimeout = matcherTime
	groups := len(re.GetGroupNumbers())
	q := &matchPattern{re: re, loop: p.Loop}
	for _, g := range []struct {
		name     string
		from, to *int
	}{
		{"file", p.File, &q.file}, {"line", p.Line, &q.line}, {"column", p.Column, &q.column},
		{"severity", p.Severity, &q.severity}, {"code", p.Code, new(int)}, {"message", p.Message, &q.message},
		{"fromPath", p.FromPath, &q.fromPath},
	} {
		*g.to = -1
		switch {
		case g.from == nil:
			continue
		case set[g.name]:
			return nil, cairn.Errorf(cairn.CodeInvalid, "The property '%s' is set twice", g.name)
		case *g.from < 0 || *g.from >= groups:
			return nil, cairn.Errorf(cairn.CodeInvalid, "The property '%s' is set to %d which is out of range", g.name, *g.from)
		}
		set[g.name], *g.to = true, *g.from
	}
	return q, nil
}

// stripComments blanks // and /* */ outside of strings.
func stripComments(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			from := i
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			out = append(out, text[from:min(i+1, len(text))]...)
		case c == '/' && i+1 < len(text) && text[i+1] == '/':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			out = append(out, '\n')
		case c == '/' && i+1 < len(text) && text[i+1] == '*':
			for i += 2; i+1 < len(text) && (text[i] != '*' || text[i+1] != '/'); i++ {
			}
			i++
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return out
}
