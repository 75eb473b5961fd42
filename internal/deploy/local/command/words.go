package command

import "strings"

// word is one word of a command. In the text of a shell it has a place.
type word struct {
	text       string // without quotes; expansions as they are written
	start, end int    // in the text of the shell
	dynamic    bool   // holds an expansion
}

// line is a command that can be edited word by word: the arguments of a program
// as they are, or the last simple command in the text of a shell.
type line struct {
	words []word
	// edits by index of the word: what stands there instead; nil: it goes.
	edits map[int]*string
	added []string // before the word with index at
	at    int

	args  []string // of the exec form
	shell int      // index in args of the shell's text; -1: none
}

// shells are the programs whose -c is a text of commands.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true}

// newLine reads arguments. ok is false where a text of a shell is more than a
// chain of simple commands: nothing is known of it then.
func newLine(args []string) (*line, bool) {
	l := &line{args: args, shell: -1, edits: map[int]*string{}}
	if i := shellText(args); i >= 0 {
		l.shell = i
		words, ok := lastCommand(args[i])
		l.words = words
		return l, ok
	}
	for _, a := range args {
		l.words = append(l.words, word{text: a})
	}
	return l, true
}

// shellText finds the text of `sh -c TEXT`; -1 when it is none.
func shellText(args []string) int {
	if len(args) < 3 || !shells[base(args[0])] {
		return -1
	}
	for i, a := range args[1:] {
		switch {
		case len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.HasSuffix(a, "c"):
			if i+2 < len(args) {
				return i + 2
			}
			return -1
		case len(a) > 1 && a[0] == '-' && !strings.HasPrefix(a, "--"): // -e, -l
		default:
			return -1
		}
	}
	return -1
}

func (l *line) replace(i int, text string) { l.edits[i] = &text }
func (l *line) remove(i int)               { l.edits[i] = nil }

// insert puts words before the word with index at; len(l.words) is the end.
func (l *line) insert(at int, words ...string) {
	l.at = at
	l.added = append(l.added, words...)
}

func (l *line) changed() bool { return len(l.edits) > 0 || len(l.added) > 0 }

// result is the edited command.
func (l *line) result() []string {
	if !l.changed() {
		return l.args
	}
	if l.shell < 0 {
		var out []string
		for i, w := range l.words {
			if i == l.at {
				out = append(out, l.added...)
			}
			if text, ok := l.edits[i]; !ok {
				out = append(out, w.text)
			} else if text != nil {
				out = append(out, *text)
			}
		}
		if l.at >= len(l.words) {
			out = append(out, l.added...)
		}
		return out
	}
	text := l.args[l.shell]
	var b strings.Builder
	last := 0
	for i, w := range l.words {
		edit, ok := l.edits[i]
		if i == l.at && len(l.added) > 0 {
			b.WriteString(text[last:w.start] + strings.Join(l.added, " ") + " ")
			last = w.start
		}
		if ok && edit == nil { // its blanks go with it
			b.WriteString(strings.TrimRight(text[last:w.start], " \t"))
			last = w.end
		}
		if ok && edit != nil {
			b.WriteString(text[last:w.start] + *edit)
			last = w.end
		}
	}
	if l.at >= len(l.words) && len(l.added) > 0 {
		end := l.words[len(l.words)-1].end
		if last < end {
			b.WriteString(text[last:end])
			last = end
		}
		b.WriteString(" " + strings.Join(l.added, " "))
	}
	b.WriteString(text[last:])
	out := append([]string(nil), l.args...)
	out[l.shell] = b.String()
	return out
}

// reserved words begin something that is no simple command.
var reserved = map[string]bool{
	"if": true, "then": true, "else": true, "fi": true, "for": true, "while": true, "until": true, "do": true, "done": true,
	"case": true, "esac": true, "{": true, "}": true, "!": true, "function": true, "[[": true,
}

// lastCommand returns the words of the last simple command of a chain of them
// (a && b; c). Everything else of the language of shells is not ok: pipes,
// redirections, substitutions, groups, jobs in the background, comments.
func lastCommand(text string) ([]word, bool) {
	var words []word
	var w *word
	var b strings.Builder
	end := func(at int) bool {
		if w == nil {
			return true
		}
		w.text, w.end = b.String(), at
		words = append(words, *w)
		ok := len(words) > 1 || !reserved[w.text]
		w = nil
		b.Reset()
		return ok
	}
	begin := func(at int) {
		if w == nil {
			w = &word{start: at}
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t':
			if !end(i) {
				return nil, false
			}
		case ';', '\n', '&':
			if !end(i) {
				return nil, false
			}
			if c == '&' {
				if i+1 >= len(text) || text[i+1] != '&' {
					return nil, false
				}
				i++
			}
			if strings.TrimSpace(text[i+1:]) == "" && c != '&' {
				return words, len(words) > 0
			}
			words = nil
		case '\\':
			if i+1 >= len(text) {
				return nil, false
			}
			i++
			if text[i] == '\n' { // the line goes on
				if !end(i - 1) {
					return nil, false
				}
				continue
			}
			begin(i - 1)
			b.WriteByte(text[i])
		case '\'':
			begin(i)
			n := strings.IndexByte(text[i+1:], '\'')
			if n < 0 {
				return nil, false
			}
			b.WriteString(text[i+1 : i+1+n])
			i += n + 1
		case '"':
			begin(i)
			n, ok := quoted(text[i+1:], &b, w)
			if !ok {
				return nil, false
			}
			i += n
		case '$':
			begin(i)
			n, ok := expansion(text[i:])
			if !ok {
				return nil, false
			}
			w.dynamic = true
			b.WriteString(text[i : i+n])
			i += n - 1
		case '#':
			if w == nil {
				return nil, false
			}
			b.WriteByte(c)
		case '|', '<', '>', '(', ')', '`', '\r', 0:
			return nil, false
		default:
			begin(i)
			if c == '*' || c == '?' || c == '[' || c == '~' {
				w.dynamic = true
			}
			b.WriteByte(c)
		}
	}
	return words, end(len(text)) && len(words) > 0
}

// quoted reads up to the closing double quote and returns how much that is.
func quoted(text string, b *strings.Builder, w *word) (int, bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1, true
		case '`':
			return 0, false
		case '\\':
			if i++; i >= len(text) {
				return 0, false
			}
			if !strings.ContainsRune("$`\"\\\n", rune(text[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		case '$':
			n, ok := expansion(text[i:])
			if !ok {
				return 0, false
			}
			w.dynamic = true
			b.WriteString(text[i : i+n])
			i += n - 1
		default:
			b.WriteByte(text[i])
		}
	}
	return 0, false
}

// expansion measures $NAME, ${…} and $@ at the beginning of text. $(…) and
// nested ones are not ok.
func expansion(text string) (int, bool) {
	if len(text) < 2 {
		return 1, true
	}
	switch c := text[1]; {
	case c == '{':
		n := strings.IndexByte(text, '}')
		if n < 0 || strings.ContainsAny(text[2:n], "`$\"'\\{\n") {
			return 0, false
		}
		return n + 1, true
	case c == '(':
		return 0, false
	case name(c):
		n := 2
		for n < len(text) && (name(text[n]) || text[n] >= '0' && text[n] <= '9') {
			n++
		}
		return n, true
	case c == '\'' || c == '"': // $'…' is read differently by every shell
		return 0, false
	case strings.IndexByte("@*#?-$!0123456789", c) >= 0:
		return 2, true
	default: // a dollar sign
		return 1, true
	}
}

func name(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
