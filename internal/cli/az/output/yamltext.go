package output

import (
	"fmt"
	"regexp"
	"strings"
)

func isEscaped(r rune) bool {
	return strings.ContainsRune("\"\\\u0085\u2028\u2029\ufeff", r) || !(r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd)
}

func escape(r rune) string {
	if s, ok := map[rune]string{0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 0x1b: "e", '"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P"}[r]; ok {
		return `\` + s
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// analysis says in which styles a text may be written.
type analysis struct{ plain, single, multiline bool }

func analyze(s string) analysis {
	if s == "" {
		return analysis{plain: true, single: true}
	}
	const spaces = "\x00 \t\r\n\u0085\u2028\u2029"
	r := []rune(s)
	var breaks, special, atEnds, breakSpace, spaceBreak bool
	indicators := strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...")
	before, wasSpace, wasBreak := true, false, false
	for i, ch := range r {
		followed := i+1 >= len(r) || strings.ContainsRune(spaces, r[i+1])
		if i == 0 {
			indicators = indicators || strings.ContainsRune("#,[]{}&*!|>'\"%@`", ch) || (ch == '?' || ch == ':' || ch == '-') && followed
		} else {
			indicators = indicators || ch == ':' && followed || ch == '#' && before
		}
		breaks = breaks || isBreak(ch)
		if ch != '\n' && (ch < 0x20 || ch > 0x7e) {
			ok := ch == 0x85 || ch >= 0xa0 && ch <= 0xd7ff || ch >= 0xe000 && ch <= 0xfffd || ch >= 0x10000 && ch < 0x10ffff
			special = special || !ok || ch == 0xfeff
		}
		edge := i == 0 || i == len(r)-1
		switch {
		case ch == ' ':
			atEnds = atEnds || edge
			breakSpace = breakSpace || wasBreak
			wasSpace, wasBreak = true, false
		case isBreak(ch):
			atEnds = atEnds || edge
			spaceBreak = spaceBreak || wasSpace
			wasSpace, wasBreak = false, true
		default:
			wasSpace, wasBreak = false, false
		}
		before = strings.ContainsRune(spaces, ch)
	}
	return analysis{
		plain:     !indicators && !breaks && !special && !atEnds && !breakSpace && !spaceBreak,
		single:    !special && !breakSpace && !spaceBreak,
		multiline: breaks,
	}
}

// plainTexts tells texts that stay texts without quotes from what YAML 1.1 reads as
// something else.
type plainTexts struct{ other *regexp.Regexp }

func newPlainTexts() plainTexts {
	return plainTexts{regexp.MustCompile(`^(?:` + strings.Join([]string{
		`yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF`,
		`[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
		`[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+`,
		`<<|=|!|&|\*|~|null|Null|NULL|`,
		`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
		`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9][0-9]:[0-9][0-9](?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?`,
	}, "|") + `)$`)}
}

func (p plainTexts) text(s string) bool { return !p.other.MatchString(s) }
