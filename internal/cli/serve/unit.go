package serve

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Unit is a systemd service that keeps the owner of a home.
type Unit struct {
	Exe    string // absolute
	Home   string // absolute
	Listen string // "": the usual address
	System bool   // for the machine, not for a user who has logged in
	User   string // whom a system service runs as
	// Env are further variables: PATH, where jobs and services find their tools.
	Env []cairn.NamedText
}

// Text is the unit file.
func (u Unit) Text() (string, error) {
	if strings.ContainsAny(u.Exe, `"'\`) {
		return "", cairn.Errorf(cairn.CodeInvalid, "systemd starts no program with a quote or a backslash in its path: %s", u.Exe).
			WithHint("put cairn elsewhere, such as /usr/local/bin")
	}
	exec := word(u.Exe, false) + " serve" // no variables in the name of a program
	if u.Listen != "" {
		exec += " --listen " + word(u.Listen, true)
	}
	for _, s := range append([]cairn.NamedText{{Name: "the program", Value: u.Exe}, {Name: "CAIRN_HOME", Value: u.Home}, {Name: "the address", Value: u.Listen},
		{Name: "the user", Value: u.User}}, u.Env...) {
		if i := strings.IndexFunc(s.Value, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }); i >= 0 {
			return "", cairn.Errorf(cairn.CodeInvalid, "%s is %q: a unit file cannot hold that", s.Name, s.Value)
		}
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by cairn serve --install; cairn serve --uninstall removes it.")
	line("[Unit]")
	line("Description=Cairn, from a commit to a model API in production")
	line("After=network.target")
	line("StartLimitIntervalSec=0")
	line("")
	line("[Service]")
	line("Type=exec")
	line("ExecStart=%s", exec)
	line("Environment=%s", word("CAIRN_HOME="+u.Home, false))
	for _, v := range u.Env {
		line("Environment=%s", word(v.Name+"="+v.Value, false))
	}
	if u.System && u.User != "" {
		line("User=%s", strings.ReplaceAll(u.User, "%", "%%"))
	}
	line("Restart=always")
	line("RestartSec=1")
	line("# Jobs and stages have processes of their own: they outlive a restart.")
	line("KillMode=process")
	line("# One of them that is too large must not take the others along.")
	line("OOMPolicy=continue")
	line("LimitNOFILE=65536")
	line("")
	line("[Install]")
	if u.System {
		line("WantedBy=multi-user.target")
	} else {
		line("WantedBy=default.target")
	}
	return b.String(), nil
}

// word quotes one word of a unit file: for systemd, % begins a specifier, a
// backslash an escape and, in commands, $ a variable.
func word(s string, command bool) string {
	s = strings.NewReplacer(`%`, `%%`, `\`, `\\`, `"`, `\"`).Replace(s)
	if command {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	if strings.ContainsAny(s, " \t'\"\\;#") || s == "" {
		return `"` + s + `"`
	}
	return s
}

// Loop is what keeps the owner where there is no systemd: lines for a script that
// the machine runs when it starts.
func (u Unit) Loop() string {
	exec := quote(u.Exe) + " serve"
	if u.Listen != "" {
		exec += " --listen " + quote(u.Listen)
	}
	return "export CAIRN_HOME=" + quote(u.Home) + "\nwhile true; do " + exec + "; sleep 1; done &\n"
}

// quote makes one word for a shell.
func quote(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:,+@", r))
	}) < 0
	if plain && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
