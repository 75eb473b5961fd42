package docker

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// splitWords splits a text as a shell does: at white space outside of quotes, with
// backslashes outside of single quotes. Nothing is expanded.
func splitWords(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	var quote byte
	open := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			// In double quotes a backslash stands for itself, save before a few.
			if quote == '"' && s[i] != '"' && s[i] != '\\' && s[i] != '$' && s[i] != '`' {
				word.WriteByte('\\')
			}
			if s[i] != '\n' {
				word.WriteByte(s[i])
				open = true
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if open {
				out = append(out, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q has an open quote", s)
	}
	if open {
		out = append(out, word.String())
	}
	return out, nil
}
