package expr

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// differences are what the npm package does otherwise than GitHub's service and
// than we do, beyond the rules in testdata/oracle/service.mjs: where it can be
// told from the expression alone.
var differences = []struct {
	why string
	is  func(q question, got, want answer) bool
}{
	{"the package has another text for too long an expression", func(_ question, got, want answer) bool {
		return want.Message == "ErrorExceededMaxLength" && got.Message == "Exceeded max expression length 21000"
	}},
	{"blanks: the package's lexer skips only space, tab and line breaks; the service skips what Unicode calls white space", func(q question, _, _ answer) bool {
		return strings.ContainsAny(q.Expr, "\v\f\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF")
	}},
	{"numbers: the package takes 0b1 as JavaScript does; the service has no binary numbers", func(q question, _, _ answer) bool {
		return binaryNumber.MatchString(q.Expr)
	}},
	{"letters: the package folds case by whole texts (ß is SS), the service letter by letter", func(q question, _, _ answer) bool {
		return strings.ContainsFunc(q.Expr+oracleContexts[q.Set], foldsOtherwise)
	}},
	{"objects: the package's objects inherit names such as constructor, and put keys that are whole numbers first", func(q question, _, _ answer) bool {
		return inherited.MatchString(q.Expr) || wholeKey.MatchString(q.Expr)
	}},
	{"JSON: the package has no limit of depth and keeps half surrogates; ours and the service's readers do not", func(q question, _, _ answer) bool {
		return strings.Count(q.Expr, "[")+strings.Count(q.Expr, "{") > maxJSONDepth || strings.Contains(strings.ToLower(q.Expr), `\ud`)
	}},
}

var (
	binaryNumber = regexp.MustCompile(`0[bB][01]`)
	inherited    = regexp.MustCompile(`(?i)constructor|prototype|__|tostring|tolocale|valueof|hasownproperty|isprototypeof|propertyisenumerable`)
	wholeKey     = regexp.MustCompile(`\d\\?"\s*:`)
)

// foldsOtherwise reports letters whose case is folded otherwise within a text:
// those that become several, and those that do not come back to themselves.
func foldsOtherwise(r rune) bool {
	return r >= 0x80 && (strings.ContainsRune("ßŉǰΐΰևİΣςσ", r) || 0x1E96 <= r && r <= 0x1E9E || 0x1F50 <= r && r <= 0x1FFF || 0xFB00 <= r && r <= 0xFB17 ||
		unicode.ToUpper(unicode.ToLower(r)) != unicode.ToUpper(r))
}

// explain says why the package may answer otherwise than we do; nil for no reason
// that is known. Most reasons are proved: the package with the service's rules
// has to give our very answer.
func (o *oracle) explain(t testing.TB, q question, got, want answer) []string {
	q.Service = true
	service := o.ask(t, []question{q})[0]
	if got.same(service) {
		return service.Used
	}
	for _, d := range differences {
		if d.is(q, got, want) {
			return []string{d.why}
		}
	}
	return nil
}

func (a answer) same(b answer) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.Text == b.Text && a.Error == b.Error && a.Message == b.Message && a.Empty == b.Empty
}
