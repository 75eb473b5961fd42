package dockerfile

import "strings"

// word is one word of a shell command, with what was quoted in it resolved.
type word struct {
	text string
	// plain says that nothing in it was quoted: then a leading "~" or an
	// assignment means something to a shell.
	plain bool
}

// splitShell splits a script into its simple commands, replacing variables of
// env. reason is not "" where the script does more than run commands one after
// another: pipes, redirections, substitutions, globs, conditions.
func splitShell(script string, env *environ) (cmds [][]word, reason string) {
	p := &shellParser{in: script, env: env}
	for p.reason == "" && p.pos < len(p.in) {
		p.step()
	}
	p.endCommand()
	if p.reason != "" {
		return nil, p.reason
	}
	return p.cmds, ""
}

type shellParser struct {
	in     string
	pos    int
	env    *environ
	buf    strings.Builder
	inWord bool
	quoted bool
	cmd    []word
	cmds   [][]word
	spent  int
	reason string
}

func (p *shellParser) step() {
	c := p.in[p.pos]
	switch c {
	case ' ', '\t', '\r':
		p.endWord()
	case '\n', ';':
		p.endCommand()
	case '#':
		if !p.inWord {
			for p.pos < len(p.in) && p.in[p.pos] != '\n' {
				p.pos++
			}
			return
		}
		p.add(c)
	case '&':
		if !strings.HasPrefix(p.in[p.pos:], "&&") {
			p.reason = "it starts something in the background"
			return
		}
		p.endCommand()
		p.pos++
	case '|':
		p.reason = "it has a pipe or an alternative"
		return
	case '<', '>':
		p.reason = "it redirects input or output"
		return
	case '(', ')', '{', '}', '`':
		p.reason = "it is a shell script"
		return
	case '*', '?', '[':
		// Requirements like pkg[extra] are written bare, and a shell keeps them when
		// no file has such a name.
		if c != '[' {
			p.reason = "it uses file patterns"
			return
		}
		p.add(c)
	case '\\':
		p.escape()
		return
	case '\'':
		p.single()
		return
	case '"':
		p.double()
		return
	case '$':
		p.dollar()
		return
	default:
		p.add(c)
	}
	p.pos++
}

func (p *shellParser) add(c byte) { p.inWord = true; p.buf.WriteByte(c) }

func (p *shellParser) endWord() {
	if !p.inWord {
		return
	}
	p.cmd = append(p.cmd, word{text: p.buf.String(), plain: !p.quoted})
	p.buf.Reset()
	p.inWord, p.quoted = false, false
	if len(p.cmd) > 10_000 {
		p.reason = "it has too many words"
	}
}

func (p *shellParser) endCommand() {
	p.endWord()
	if len(p.cmd) > 0 {
		p.cmds = append(p.cmds, p.cmd)
		p.cmd = nil
	}
}

func (p *shellParser) escape() {
	p.pos++
	if p.pos >= len(p.in) {
		p.reason = "it ends in a backslash"
		return
	}
	if c := p.in[p.pos]; c != '\n' {
		p.add(c)
		p.quoted = true
	}
	p.pos++
}

func (p *shellParser) single() {
	end := strings.IndexByte(p.in[p.pos+1:], '\'')
	if end < 0 {
		p.reason = "a quote is not closed"
		return
	}
	p.inWord, p.quoted = true, true
	p.buf.WriteString(p.in[p.pos+1 : p.pos+1+end])
	p.pos += end + 2
}

func (p *shellParser) double() {
	p.inWord, p.quoted = true, true
	p.pos++
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; c {
		case '"':
			p.pos++
			return
		case '`':
			p.reason = "it is a shell script"
			return
		case '$':
			if p.dollar(); p.reason != "" {
				return
			}
			continue
		case '\\':
			if p.pos+1 < len(p.in) && strings.IndexByte("\"\\$`\n", p.in[p.pos+1]) >= 0 {
				p.pos++
				if p.in[p.pos] != '\n' {
					p.buf.WriteByte(p.in[p.pos])
				}
			} else {
				p.buf.WriteByte(c)
			}
		default:
			p.buf.WriteByte(c)
		}
		p.pos++
	}
	p.reason = "a quote is not closed"
}

// dollar replaces $name and ${name}; everything else of the shell is left to one.
func (p *shellParser) dollar() {
	rest := p.in[p.pos+1:]
	braced := strings.HasPrefix(rest, "{")
	if braced {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n]|0x20 >= 'a' && rest[n]|0x20 <= 'z' || n > 0 && rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	if n == 0 || braced && (n >= len(rest) || rest[n] != '}') {
		p.reason = "it is a shell script"
		return
	}
	value, ok := p.env.get(rest[:n])
	if !ok {
		p.reason = "the value of $" + rest[:n] + " is only known in the container"
		return
	}
	if p.spent += len(value); p.spent > maxExpanded {
		p.reason = "its variables are too long"
		return
	}
	if !p.quoted && strings.ContainsAny(value, " \t\n*?[") {
		p.reason = "the value of $" + rest[:n] + " is more than one word"
		return
	}
	if value != "" {
		p.inWord = true
	}
	p.buf.WriteString(value)
	p.pos += n + 1
	if braced {
		p.pos += 2
	}
}
