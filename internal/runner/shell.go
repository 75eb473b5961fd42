package runner

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// shell is how a script is run: a command line with {0} for the script's file.
type shell struct {
	args   []string
	ext    string
	before string // lines put around the script
	after  string
	// shown is the line that the log gives.
	shown string
}

// findShell resolves what `shell:` says; "" is the default, which differs from
// "bash" in its flags.
func findShell(name string, look func(string) (string, error)) (shell, error) {
	switch name {
	case "":
		if _, err := look("bash"); err != nil {
			return builtinShell("sh -e {0}", ".sh"), nil
		}
		return builtinShell("bash -e {0}", ".sh"), nil
	case "bash":
		return builtinShell("bash --noprofile --norc -e -o pipefail {0}", ".sh"), nil
	case "sh":
		return builtinShell("sh -e {0}", ".sh"), nil
	case "python":
		return builtinShell("python {0}", ".py"), nil
	case "pwsh":
		return shell{
			args:   []string{"pwsh", "-command", ". '{0}'"},
			ext:    ".ps1",
			before: "$ErrorActionPreference = 'stop'\n",
			after:  "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n",
			shown:  "pwsh -command \". '{0}'\"",
		}, nil
	case "cmd", "powershell":
		return shell{}, cairn.Errorf(cairn.CodeUnsupported, "the shell %q is there on Windows only", name).
			WithHint("use bash, sh, python or pwsh")
	}
	if !strings.Contains(name, "{0}") {
		e := cairn.Errorf(cairn.CodeInvalid, "Invalid shell option %q. Shell must be a valid built-in (bash, sh, python, pwsh) or a format string containing '{0}'", name)
		if near := cairn.Nearest(name, []string{"bash", "sh", "python", "pwsh"}); near != "" {
			e = e.WithHint("did you mean %s?", near)
		}
		return shell{}, e
	}
	args, err := splitWords(name)
	if err != nil {
		return shell{}, err
	}
	ext := ""
	switch base := args[0][strings.LastIndexByte(args[0], '/')+1:]; {
	case base == "bash" || base == "sh":
		ext = ".sh"
	case strings.HasPrefix(base, "python"):
		ext = ".py"
	case base == "pwsh":
		ext = ".ps1"
	}
	return shell{args: args, ext: ext, shown: name}, nil
}

func builtinShell(line, ext string) shell {
	return shell{args: strings.Fields(line), ext: ext, shown: line}
}

// command puts the script's path into the command line.
func (s shell) command(script string) []string {
	out := make([]string, len(s.args))
	for i, a := range s.args {
		out[i] = strings.ReplaceAll(a, "{0}", script)
	}
	return out
}

// splitWords splits a command line at spaces outside of quotes.
func splitWords(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	var quote byte
	open := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t':
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
		return nil, cairn.Errorf(cairn.CodeInvalid, "the shell %q has an open quote", s)
	}
	if open {
		out = append(out, word.String())
	}
	if len(out) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the shell is empty")
	}
	return out, nil
}
