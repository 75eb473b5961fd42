// Package dockerfile reads a Dockerfile and evaluates it as docker does, as far
// as that needs no process in the image: what each stage copies, which folders
// it makes, which Python packages its pip lines ask for, and what becomes of the
// configuration. Lines that need an executor are listed with the reason.
//
// Nothing is read from a build context here and nothing is written: a plan says
// what to do, and whoever carries it out decides about files.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Limits on what is read at all.
const (
	// MaxSize is how big a Dockerfile may be.
	MaxSize   = 1 << 20
	maxStages = 500
)

// File is a Dockerfile whose syntax is right.
type File struct {
	name   string
	src    []byte
	lines  []string
	escape rune
	stages int
	// Syntax is what `# syntax=` names; "" where the line is not there.
	Syntax string
}

// Parse reads a Dockerfile; name is what positions show. The error lists what
// was found and what is allowed.
func Parse(name string, src []byte) (*File, error) {
	f := &File{name: name, src: src}
	if len(src) > MaxSize {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes", name, len(src)).WithHint("a Dockerfile has at most %d bytes", MaxSize)
	}
	if bytes.IndexByte(src, 0) >= 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not text: it has a zero byte", name)
	}
	f.lines = strings.Split(string(src), "\n")
	f.Syntax, _, _, _ = parser.DetectSyntax(src)
	stages, _, err := f.tree()
	if err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has no FROM", name).At(cairn.Position{File: name}).
			WithHint("a build starts with FROM and a base image, or FROM scratch")
	}
	if len(stages) > maxStages {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d stages", name, len(stages)).WithHint("at most %d are built", maxStages)
	}
	f.stages = len(stages)
	return f, nil
}

// Name is the name that positions show.
func (f *File) Name() string { return f.name }

// Source is the text.
func (f *File) Source() []byte { return f.src }

// tree parses anew each time, since evaluation writes into what the parser made.
func (f *File) tree() ([]instructions.Stage, []instructions.ArgCommand, error) {
	res, err := parser.Parse(bytes.NewReader(f.src))
	if err != nil {
		return nil, nil, f.parseError(err)
	}
	f.escape = res.EscapeToken
	for _, n := range res.AST.Children {
		if _, ok := command.Commands[strings.ToLower(n.Value)]; !ok {
			return nil, nil, f.unknownInstruction(n)
		}
		if strings.EqualFold(n.Value, command.From) {
			break
		}
		if !strings.EqualFold(n.Value, command.Arg) {
			return nil, nil, f.errorf(n.StartLine, n.Value, "%s stands before the first FROM", strings.ToUpper(n.Value)).
				WithHint("only ARG may stand before FROM")
		}
	}
	stages, args, err := instructions.Parse(res.AST, nil)
	if err != nil {
		return nil, nil, f.parseError(err)
	}
	return stages, args, nil
}

func (f *File) unknownInstruction(n *parser.Node) error {
	word := n.Value
	e := f.errorf(n.StartLine, word, "%q is not an instruction", clip(word))
	var names []string
	for c := range command.Commands {
		names = append(names, strings.ToUpper(c))
	}
	slices.Sort(names)
	all := strings.Join(names, ", ")
	if near := cairn.Nearest(word, names); near != "" {
		return e.WithHint("did you mean %s? Instructions are %s", near, all)
	}
	return e.WithHint("instructions are %s", all)
}

// parseError gives an error of the library our form: its position, without its
// own mention of it.
func (f *File) parseError(err error) error {
	line := 0
	var le *parser.LocationError
	if errors.As(err, &le) {
		for _, rs := range le.Locations {
			if len(rs) > 0 {
				line = rs[0].Start.Line
			}
		}
	}
	var ui *instructions.UnknownInstructionError
	if errors.As(err, &ui) {
		return f.unknownInstruction(&parser.Node{Value: ui.Instruction, StartLine: ui.Line})
	}
	msg := err.Error()
	if rest, ok := strings.CutPrefix(msg, fmt.Sprintf("dockerfile parse error on line %d: ", line)); ok {
		msg = rest
	}
	if msg == "file with no instructions" {
		return cairn.Errorf(cairn.CodeInvalid, "%s has no instructions", f.name).At(cairn.Position{File: f.name}).
			WithHint("a build starts with FROM and a base image, or FROM scratch")
	}
	e := f.errorf(line, "", "%s", clip(msg))
	return e.WithHint("%s", hintFor(msg))
}

// hintFor says what is allowed where the library only says what is wrong.
func hintFor(msg string) string {
	switch {
	case strings.Contains(msg, "unknown flag"):
		return "flags stand right behind the instruction, and each instruction has its own: COPY and ADD know --chown, --chmod, --link, --exclude, " +
			"COPY also --from and --parents"
	case strings.Contains(msg, "requires at least two arguments"):
		return "COPY and ADD name sources and then where they go: COPY main.py /app/"
	case strings.Contains(msg, "FROM requires"):
		return "it is written FROM image or FROM image AS name"
	case strings.Contains(msg, "unterminated heredoc"):
		return "the word behind << must stand alone on a line below"
	case strings.Contains(msg, "invalid name for build stage"):
		return "a stage's name has lower-case letters, digits, - _ and . and starts with a letter"
	}
	return "the reference of Dockerfiles says what each instruction takes"
}

// errorf makes an error at a line; the column is that of word in it, or of the
// first character.
func (f *File) errorf(line int, word, format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, format, args...).At(f.at(line, word))
}

// at finds word in the lines of the instruction that starts at line.
func (f *File) at(line int, word string) cairn.Position {
	p := cairn.Position{File: f.name, Line: line}
	if line < 1 || line > len(f.lines) {
		p.Line = 0
		return p
	}
	if word != "" {
		// An instruction goes on over some lines; further down the word is another's.
		for n := line; n <= min(line+20, len(f.lines)); n++ {
			if i := strings.Index(f.lines[n-1], word); i >= 0 {
				p.Line, p.Column = n, columns(f.lines[n-1][:i])+1
				p.EndColumn = p.Column + columns(word)
				return p
			}
			if !strings.HasSuffix(strings.TrimRight(f.lines[n-1], " \t\r"), string(f.escapeRune())) {
				break
			}
		}
	}
	text := f.lines[line-1]
	p.Column = columns(text) - columns(strings.TrimLeft(text, " \t")) + 1
	return p
}

// At is the position of word in the instruction that starts at line.
func (f *File) At(line int, word string) cairn.Position { return f.at(line, word) }

func (f *File) escapeRune() rune {
	if f.escape == 0 {
		return parser.DefaultEscapeToken
	}
	return f.escape
}

func columns(s string) int { return len([]rune(s)) }

func clip(s string) string {
	if len(s) <= 300 {
		return s
	}
	return s[:300] + "…"
}
