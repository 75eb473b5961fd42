package python

import (
	"regexp"
	"strings"
)

// PipPlan is what becomes of one call of pip.
type PipPlan struct {
	// UV is the command line for uv behind `uv pip install`; nil means that pip
	// itself is run.
	UV []string
	// Env are further variables for uv.
	Env map[string]string
	// Why says what keeps the call from uv; "" for commands that uv is never asked
	// to do (list, freeze, download …).
	Why string
}

// pipFlag says what an option of `pip install` becomes.
type pipFlag struct {
	value bool   // takes a value
	uv    string // uv's name of it; "" drops it
	env   string // uv takes it as this variable
	pip   bool   // only pip can do it
}

// pipFlags are the options of pip and of pip install, by long name.
var pipFlags = map[string]pipFlag{
	"--requirement": {value: true, uv: "--requirements"}, "--constraint": {value: true, uv: "--constraints"},
	"--editable": {value: true, uv: "--editable"}, "--group": {value: true, uv: "--group"},
	"--index-url": {value: true, uv: "--index-url"}, "--pypi-url": {value: true, uv: "--index-url"},
	"--extra-index-url": {value: true, uv: "--extra-index-url"}, "--find-links": {value: true, uv: "--find-links"},
	"--no-index": {uv: "--no-index"}, "--no-binary": {value: true, uv: "--no-binary"}, "--only-binary": {value: true, uv: "--only-binary"},
	"--trusted-host": {value: true, uv: "--allow-insecure-host"}, "--config-settings": {value: true, uv: "--config-setting"},
	"--no-deps": {uv: "--no-deps"}, "--no-dependencies": {uv: "--no-deps"}, "--pre": {uv: "--prerelease=allow"},
	"--force-reinstall": {uv: "--reinstall"}, "--ignore-installed": {uv: "--reinstall"}, "--dry-run": {uv: "--dry-run"},
	"--require-hashes": {uv: "--require-hashes"}, "--no-build-isolation": {uv: "--no-build-isolation"},
	"--compile": {uv: "--compile-bytecode"}, "--no-compile": {}, "--no-cache-dir": {uv: "--no-cache"},
	"--quiet": {uv: "--quiet"}, "--verbose": {uv: "--verbose"}, "--no-color": {uv: "--color=never"},
	"--target": {value: true, uv: "--target"}, "--upgrade": {uv: "--upgrade"}, "--upgrade-strategy": {value: true},
	"--cert": {value: true, env: "SSL_CERT_FILE"}, "--client-cert": {value: true, env: "SSL_CLIENT_CERT"},
	"--proxy": {value: true, env: "HTTPS_PROXY"}, "--timeout": {value: true, env: "UV_HTTP_TIMEOUT"},
	"--default-timeout": {value: true, env: "UV_HTTP_TIMEOUT"}, "--retries": {value: true, env: "UV_HTTP_RETRIES"},
	"--cache-dir": {value: true}, "--exists-action": {value: true}, "--progress-bar": {value: true}, "--root-user-action": {value: true},
	"--use-feature": {value: true}, "--use-deprecated": {value: true}, "--disable-pip-version-check": {}, "--no-input": {},
	"--no-warn-script-location": {}, "--no-warn-conflicts": {}, "--no-python-version-warning": {}, "--break-system-packages": {},
	"--use-pep517": {}, "--require-virtualenv": {}, "--debug": {}, "--no-clean": {},
	"--user":   {}, // the environment is the job's own already
	"--prefix": {value: true, pip: true}, "--root": {value: true, pip: true}, "--src": {value: true, pip: true},
	"--platform": {value: true, pip: true}, "--python-version": {value: true, pip: true}, "--implementation": {value: true, pip: true},
	"--abi": {value: true, pip: true}, "--report": {value: true, pip: true}, "--log": {value: true, pip: true},
	"--global-option": {value: true, pip: true}, "--install-option": {value: true, pip: true}, "--isolated": {pip: true},
	"--prefer-binary": {pip: true}, "--no-use-pep517": {pip: true}, "--python": {value: true, pip: true},
	"--keyring-provider": {value: true, pip: true}, "--help": {pip: true}, "--version": {pip: true},
}

// pipShort are pip's one-letter options; letters in one word may be joined.
var pipShort = map[byte]string{
	'r': "--requirement", 'c': "--constraint", 'e': "--editable", 'i': "--index-url", 'f': "--find-links", 't': "--target",
	'C': "--config-settings", 'U': "--upgrade", 'I': "--ignore-installed", 'q': "--quiet", 'v': "--verbose", 'h': "--help", 'V': "--version",
}

var nameRE = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[<>=!~;@ ]|$)`)

// PlanPip decides what becomes of `pip args...`.
func PlanPip(args []string) PipPlan {
	p := &pipParse{env: map[string]string{}}
	command := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case !command && a != "" && a[0] != '-':
			if a != "install" {
				return PipPlan{}
			}
			command = true
		case a == "--":
			for _, t := range args[i+1:] {
				p.target(t)
			}
			i = len(args)
		case strings.HasPrefix(a, "--"):
			name, value, has := strings.Cut(a, "=")
			f, ok := pipFlags[name]
			if !ok {
				return PipPlan{Why: name}
			}
			if f.value && !has {
				if i++; i == len(args) {
					return PipPlan{Why: name + " without a value"} // pip says it best
				}
				value = args[i]
			}
			if f.pip {
				return PipPlan{Why: name}
			}
			p.flag(name, f, value)
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				name, ok := pipShort[a[j]]
				if !ok {
					return PipPlan{Why: "-" + a[j:j+1]}
				}
				f := pipFlags[name]
				if f.pip {
					return PipPlan{Why: name}
				}
				value := ""
				if f.value {
					if value = strings.TrimPrefix(a[j+1:], "="); value == "" {
						if i++; i == len(args) {
							return PipPlan{Why: name + " without a value"}
						}
						value = args[i]
					}
					j = len(a)
				}
				p.flag(name, f, value)
			}
		default:
			p.target(a)
		}
	}
	if !command {
		return PipPlan{}
	}
	return p.plan()
}

type pipParse struct {
	out     []string
	targets []string
	env     map[string]string
	upgrade bool
	eager   bool
	files   bool // requirements or editables are given, whose names are not known here
	extra   bool
	self    bool
}

func (p *pipParse) flag(name string, f pipFlag, value string) {
	switch name {
	case "--upgrade":
		p.upgrade = true
		return
	case "--upgrade-strategy":
		p.eager = value == "eager"
		return
	case "--requirement", "--editable", "--group":
		p.files = true
	case "--extra-index-url":
		p.extra = true
	case "--proxy":
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		p.env["HTTP_PROXY"] = value
	case "--timeout", "--default-timeout", "--retries":
		value = wholeNumber(value)
	}
	switch {
	case f.env != "":
		p.env[f.env] = value
	case f.uv != "" && f.value:
		p.out = append(p.out, f.uv, value)
	case f.uv != "":
		p.out = append(p.out, f.uv)
	}
}

func (p *pipParse) target(t string) {
	if m := nameRE.FindStringSubmatch(t); m != nil && strings.EqualFold(m[1], "pip") {
		p.self = true
	}
	p.targets = append(p.targets, t)
}

func (p *pipParse) plan() PipPlan {
	switch {
	case p.self:
		return PipPlan{Why: "pip itself"}
	case len(p.targets) == 0 && !p.files:
		return PipPlan{Why: "nothing to install"} // pip's own message
	}
	if p.upgrade {
		// pip upgrades what is named and leaves what it needs alone if it fits; uv's
		// --upgrade would move those too.
		names := make([]string, 0, len(p.targets))
		for _, t := range p.targets {
			if m := nameRE.FindStringSubmatch(t); m != nil {
				names = append(names, m[1])
			}
		}
		if p.files || p.eager || len(names) < len(p.targets) {
			p.out = append(p.out, "--upgrade")
		} else {
			for _, n := range names {
				p.out = append(p.out, "--upgrade-package", n)
			}
		}
	}
	if p.extra {
		p.out = append(p.out, "--index-strategy", "unsafe-best-match")
	}
	if len(p.targets) > 0 {
		p.out = append(append(p.out, "--"), p.targets...)
	}
	return PipPlan{UV: p.out, Env: p.env}
}
