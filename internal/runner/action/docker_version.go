package action

import (
	"strconv"
	"strings"
)

var semverForm = lazily(`^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
	`(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?` +
	`(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$`)

// versionParts are what patterns of semver and pep440 can name.
type versionParts struct {
	raw, version, major, minor, patch string
	// unfinal says that it is no final release: then only the whole version makes a
	// tag, and never latest.
	unfinal bool
}

func (v versionParts) helpers() map[string]helper {
	return map[string]helper{
		"raw": constant(v.raw), "version": constant(v.version), "major": constant(v.major),
		"minor": constant(v.minor), "patch": constant(v.patch),
	}
}

// parseSemver reads a version as the npm package semver does.
func parseSemver(s string) (versionParts, bool) {
	m := semverForm().FindStringSubmatch(strings.TrimSpace(s))
	if m == nil || len(s) > 256 {
		return versionParts{}, false
	}
	v := versionParts{raw: s, major: m[1], minor: m[2], patch: m[3], version: m[1] + "." + m[2] + "." + m[3]}
	if m[4] != "" {
		v.version += "-" + m[4]
		v.unfinal = true
	}
	return v, true
}

var pep440Form = lazily(`(?i)^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d+)?)?` +
	`((?:-(\d+))|(?:[-_.]?(?:post|rev|r)[-_.]?(\d+)?))?` +
	`([-_.]?dev[-_.]?(\d+)?)?` +
	`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$`)

// parsePep440 reads a version of Python packages and writes it in its normal form.
func parsePep440(s string) (versionParts, bool) {
	m := pep440Form().FindStringSubmatch(s)
	if m == nil || len(s) > 256 {
		return versionParts{}, false
	}
	trim := func(n string) string {
		if n = strings.TrimLeft(n, "0"); n == "" {
			return "0"
		}
		return n
	}
	var release []string
	for _, n := range strings.Split(m[2], ".") {
		release = append(release, trim(n))
	}
	v := versionParts{raw: s, major: release[0], minor: "0", patch: "0", version: strings.Join(release, ".")}
	if len(release) > 1 {
		v.minor = release[1]
	}
	if len(release) > 2 {
		v.patch = release[2]
	}
	if m[1] != "" && trim(m[1]) != "0" {
		v.version = trim(m[1]) + "!" + v.version
	}
	if kind := strings.ToLower(m[3]); kind != "" {
		v.version += map[string]string{"a": "a", "alpha": "a", "b": "b", "beta": "b"}[kind]
		if kind != "a" && kind != "alpha" && kind != "b" && kind != "beta" {
			v.version += "rc"
		}
		v.version += trim(m[4])
		v.unfinal = true
	}
	if m[5] != "" {
		v.version += ".post" + trim(m[6]+m[7])
		v.unfinal = true
	}
	if m[8] != "" {
		v.version += ".dev" + trim(m[9])
		v.unfinal = true
	}
	if m[10] != "" {
		local := strings.FieldsFunc(strings.ToLower(m[10]), func(c rune) bool { return strings.ContainsRune("-_.", c) })
		for i, part := range local {
			if _, err := strconv.Atoi(part); err == nil {
				local[i] = trim(part)
			}
		}
		v.version += "+" + strings.Join(local, ".")
	}
	return v, true
}
