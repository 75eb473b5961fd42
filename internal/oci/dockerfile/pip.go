package dockerfile

import (
	"regexp"
	"slices"
	"strings"
)

// pipFlags are the flags of pip install that change nothing here: 0 takes no
// value, 1 takes one.
var pipFlags = map[string]int{
	"--no-cache-dir": 0, "--no-cache": 0, "--upgrade": 0, "-U": 0, "--quiet": 0, "-q": 0, "-qq": 0, "-qqq": 0, "--verbose": 0, "-v": 0, "-vv": 0, "-vvv": 0,
	"--disable-pip-version-check": 0, "--no-input": 0, "--no-warn-script-location": 0, "--no-warn-conflicts": 0, "--break-system-packages": 0, "--no-color": 0,
	"--no-compile": 0, "--compile": 0, "--compile-bytecode": 0, "--force-reinstall": 0, "--ignore-installed": 0, "-I": 0, "--prefer-binary": 0, "--no-python-version-warning": 0,
	"--root-user-action": 1, "--progress-bar": 1, "--timeout": 1, "--default-timeout": 1, "--retries": 1, "--cache-dir": 1, "--upgrade-strategy": 1, "--log": 1,
}

// pipArgs are the flags that choose what is installed and from where.
var pipArgs = map[string]int{
	"--index-url": 1, "-i": 1, "--extra-index-url": 1, "--trusted-host": 1, "--only-binary": 1, "--pre": 0, "--require-hashes": 0, "--no-deps": 0, "--no-index": 0,
	"--cert": 1, "--use-pep517": 0, "--index-strategy": 1,
}

// pip takes the words behind pip; python is the version that its name says.
func (r *recogniser) pip(python string, args []string, env map[string]string) string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && pipFlags[flagName(args[0])] == 0 {
		if _, known := pipFlags[args[0]]; !known {
			break
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return "pip is not told what to do"
	}
	switch args[0] {
	case "install":
	case "--version", "-V", "check", "list", "freeze", "debug":
		return ""
	case "cache":
		return ""
	default:
		return "it runs pip " + clip(args[0])
	}
	if u := r.s.Image.Config.User; u != "" && u != "root" && u != "0" && !strings.HasPrefix(u, "0:") && !strings.HasPrefix(u, "root:") {
		return "pip runs as the user " + clip(u) + " and installs into its home; before USER it needs no executor"
	}
	p := &Pip{Env: map[string]string{}, Mounts: r.mounts, Python: python, Path: r.value("PATH", nil), VirtualEnv: r.value("VIRTUAL_ENV", nil)}
	upgrade, reason := r.install(p, args[1:])
	if reason != "" {
		return reason
	}
	if len(p.Files) == 0 && upgrade && ownTools(p.Packages) {
		return "" // pip itself does nothing in an image whose packages are laid in
	}
	p.Packages = slices.DeleteFunc(p.Packages, func(s string) bool { return s == "pip" })
	if len(p.Files)+len(p.Packages) == 0 {
		return ""
	}
	for _, k := range r.s.env.keys {
		if strings.HasPrefix(k, "PIP_") || proxyArg(k) {
			p.Env[k] = r.s.env.vals[k]
		}
	}
	for k, v := range env {
		p.Env[k] = v
	}
	r.ops = append(r.ops, Op{Pip: p})
	return ""
}

func (r *recogniser) install(p *Pip, args []string) (upgrade bool, reason string) {
	dir := r.s.Image.Config.WorkingDir
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			if reason := packageWord(a); reason != "" {
				return false, reason
			}
			p.Packages = append(p.Packages, a)
			continue
		}
		name, value, has := a, "", false
		switch {
		case strings.HasPrefix(a, "--"):
			name, value, has = strings.Cut(a, "=")
		case len(a) > 2 && strings.ContainsRune("rci", rune(a[1])):
			name, value, has = a[:2], a[2:], true // -rrequirements.txt
		}
		take := func() bool {
			if has {
				return true
			}
			if i++; i >= len(args) {
				return false
			}
			value = args[i]
			return true
		}
		n, harmless := pipFlags[name]
		m, chooses := pipArgs[name]
		switch {
		case name == "-r" || name == "--requirement" || name == "-c" || name == "--constraint":
			if !take() || value == "" {
				return false, "pip install " + name + " names no file"
			}
			if strings.Contains(value, "://") {
				return false, "its requirements are fetched from an address"
			}
			if f := absolute(dir, value); strings.Contains(name, "c") && name != "--requirement" {
				p.Constraints = append(p.Constraints, f)
			} else {
				p.Files = append(p.Files, f)
			}
		case harmless:
			upgrade = upgrade || name == "-U" || name == "--upgrade"
			if n == 1 && !take() {
				return false, "pip install " + name + " has no value"
			}
		case chooses:
			if m == 0 {
				p.Args = append(p.Args, name)
			} else if !take() {
				return false, "pip install " + name + " has no value"
			} else {
				p.Args = append(p.Args, name, value)
			}
		case name == "-e" || name == "--editable":
			return false, "it installs a package in development mode"
		case name == "--user" || name == "--target" || name == "-t" || name == "--prefix" || name == "--root":
			return false, "pip install " + name + " installs to another place"
		case name == "--no-binary":
			return false, "it compiles packages"
		default:
			return false, "pip install " + clip(name) + " is not one of the flags that need no executor"
		}
	}
	return upgrade, ""
}

func flagName(a string) string { n, _, _ := strings.Cut(a, "="); return n }

var packageRE = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9._, -]*\])?\s*(?:(?:===|==|~=|!=|<=|>=|<|>)[^;@]*)?(?:;.*)?$`)

// packageWord says why a package cannot be had as a wheel.
func packageWord(a string) string {
	switch {
	case a == "." || strings.HasPrefix(a, "./") || strings.HasPrefix(a, "../") || strings.HasPrefix(a, "/") || strings.HasPrefix(a, ".["):
		return "it builds the package " + clip(a)
	case strings.Contains(a, "://") || strings.HasPrefix(a, "git+"):
		return "it builds a package from an address"
	case !packageRE.MatchString(a) || strings.ContainsAny(a, "\n\r"):
		return "pip install " + clip(a) + " is not a package of an index"
	}
	return ""
}

// ownTools reports whether only pip itself and its helpers are named.
func ownTools(packages []string) bool {
	for _, p := range packages {
		if p != "pip" && p != "setuptools" && p != "wheel" && p != "uv" {
			return false
		}
	}
	return len(packages) > 0
}

// RequirementLine reads one line of a requirements file: what it includes, or a
// requirement. Comments and white space are taken off.
func RequirementLine(line string) (kind, value string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	if i := strings.Index(line, " #"); i >= 0 {
		line = strings.TrimSpace(line[:i])
	}
	if line == "" {
		return "", ""
	}
	for _, f := range []struct{ flag, kind string }{{"--requirement", "requirement"}, {"--constraint", "constraint"}, {"-r", "requirement"}, {"-c", "constraint"}} {
		rest, ok := strings.CutPrefix(line, f.flag)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == '=' || rest[0] == '\t' || len(f.flag) == 2) {
			return f.kind, strings.Trim(strings.TrimSpace(rest), `="' `)
		}
	}
	return "package", line
}
