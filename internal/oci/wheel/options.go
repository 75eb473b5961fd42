package wheel

import (
	"sort"
	"strings"

	"github.com/cairn-ml/cairn"
)

// pipOption says what an option of pip install means here. as "": nothing, since
// it changes how pip works and not what is installed; a word that option knows;
// else why it cannot be had.
type pipOption struct {
	value bool
	as    string
	long  string
}

const (
	needsBuild = "packages would have to be built"
	elsewhere  = "it installs into another place"
)

// pipOptions are the options of pip install and of requirements files.
var pipOptions = map[string]pipOption{
	"-r": {value: true, as: "include"}, "--requirement": {value: true, as: "include"},
	"-c": {value: true, as: "constrain"}, "--constraint": {value: true, as: "constrain"},
	"-i": {value: true, as: "index", long: "--index-url"}, "--index-url": {value: true, as: "index", long: "--index-url"},
	"--pypi-url":        {value: true, as: "index", long: "--index-url"},
	"--extra-index-url": {value: true, as: "index", long: "--extra-index-url"},
	"-f":                {value: true, as: "index", long: "--find-links"}, "--find-links": {value: true, as: "index", long: "--find-links"},
	"--no-index":     {as: "index", long: "--no-index"},
	"--trusted-host": {value: true, as: "host"},
	"--pre":          {as: "pre"}, "--no-deps": {as: "no-deps"}, "--no-dependencies": {as: "no-deps"}, "--require-hashes": {as: "hashes"},

	"--no-cache-dir": {}, "--cache-dir": {value: true}, "-q": {}, "--quiet": {}, "-v": {}, "--verbose": {}, "-qq": {}, "-U": {}, "--upgrade": {},
	"--upgrade-strategy": {value: true}, "--disable-pip-version-check": {}, "--no-input": {}, "--progress-bar": {value: true},
	"--root-user-action": {value: true}, "--no-warn-script-location": {}, "--no-warn-conflicts": {}, "--no-python-version-warning": {},
	"--no-compile": {}, "--compile": {}, "--prefer-binary": {}, "--only-binary": {value: true}, "--break-system-packages": {}, "--no-color": {},
	"-I": {}, "--ignore-installed": {}, "--force-reinstall": {}, "--timeout": {value: true}, "--default-timeout": {value: true},
	"--retries": {value: true}, "--exists-action": {value: true}, "--use-feature": {value: true}, "--use-deprecated": {value: true},
	"--no-build-isolation": {}, "--use-pep517": {}, "--debug": {}, "--no-clean": {}, "--ignore-requires-python": {as: "the index is asked for this Python"},

	"-e": {value: true, as: needsBuild}, "--editable": {value: true, as: needsBuild}, "--no-binary": {value: true, as: needsBuild},
	"-t": {value: true, as: elsewhere}, "--target": {value: true, as: elsewhere}, "--prefix": {value: true, as: elsewhere},
	"--root": {value: true, as: elsewhere}, "--user": {as: elsewhere}, "--src": {value: true, as: elsewhere},
	"--platform": {value: true, as: "it is for another machine"}, "--python-version": {value: true, as: "it is for another Python"},
}

// args reads the options of the command line; requirements of it are among the
// lines already.
func (rd *reqReader) args(args []string) error {
	at := cairn.Position{}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "-" || !strings.HasPrefix(a, "-") {
			return cairn.Errorf(cairn.CodeInvalid, "%q is no option of pip", a)
		}
		name, value, has := strings.Cut(a, "=")
		if !strings.HasPrefix(a, "--") && len(a) > 2 && pipOptions[a].as == "" {
			if _, known := pipOptions[a]; !known { // -rfile, -qU
				name, value, has = a[:2], strings.TrimPrefix(a[2:], "="), true
				if o, known := pipOptions[name]; known && !o.value {
					args = append(args[:i+1:i+1], append([]string{"-" + a[2:]}, args[i+1:]...)...)
					value, has = "", false
				}
			}
		}
		next := !has && i+1 < len(args) && pipOptions[name].value
		if next {
			value, has = args[i+1], true
			i++
		}
		if _, err := rd.option(name, value, has, at, false); err != nil {
			return err
		}
	}
	return nil
}

// env reads pip's variables as the image sets them; one that is not known could
// change what is installed, so it is refused like its option.
func (rd *reqReader) env(env map[string]string) error {
	names := make([]string, 0, len(env))
	for k := range env {
		if strings.HasPrefix(k, "PIP_") && env[k] != "" {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	for _, k := range names {
		if k == "PIP_CONFIG_FILE" || k == "PIP_REQUIRE_VIRTUALENV" || k == "PIP_LOG" || k == "PIP_CERT" || k == "PIP_PROXY" {
			continue
		}
		name := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(k, "PIP_"), "_", "-"))
		o, known := pipOptions[name]
		if !known {
			if strings.HasPrefix(k, "PIP_DEFAULT_") || k == "PIP_VERSION" || strings.HasPrefix(k, "PIP_SETUPTOOLS") {
				continue // of base images: they tell which pip was installed
			}
			if strings.HasPrefix(name, "--no-") || strings.HasPrefix(name, "--use-") {
				continue
			}
			return cairn.Errorf(cairn.CodeUnsupported, "the image's variable %s is not supported without an executor", k)
		}
		if !o.value {
			if falsy(env[k]) {
				continue
			}
			if _, err := rd.option(name, "", false, cairn.Position{}, false); err != nil {
				return err
			}
			continue
		}
		for _, v := range strings.Fields(env[k]) {
			if _, err := rd.option(name, v, true, cairn.Position{}, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func falsy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "0", "n", "no", "f", "false", "off":
		return true
	}
	return false
}
