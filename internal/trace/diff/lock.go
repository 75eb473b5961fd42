package diff

import (
	"bufio"
	"bytes"
	"regexp"
	"strings"
)

// packagesLimit bounds the packages of one lock.
const packagesLimit = 20_000

var (
	lockKey   = regexp.MustCompile(`^(name|version)\s*=\s*"([^"\\]+)"\s*$`)
	lockPin   = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;\\#]+)`)
	runsOfDot = regexp.MustCompile(`[-_.]+`)
)

// Packages reads the names and versions out of the lock of an environment: a
// pylock.toml, or lines of NAME==VERSION. What it cannot read it leaves out.
func Packages(lock []byte) map[string]string {
	out := map[string]string{}
	toml := bytes.Contains(lock, []byte("[[packages]]"))
	name := ""
	sc := bufio.NewScanner(bytes.NewReader(lock))
	sc.Buffer(nil, 1<<20)
	inPackage := false
	for sc.Scan() && len(out) < packagesLimit {
		line := strings.TrimSpace(sc.Text())
		if !toml {
			if m := lockPin.FindStringSubmatch(line); m != nil {
				out[normal(m[1])] = m[2]
			}
			continue
		}
		if strings.HasPrefix(line, "[") {
			// A package's own keys come before the tables inside of it.
			inPackage = line == "[[packages]]"
			if inPackage {
				name = ""
			}
			continue
		}
		m := lockKey.FindStringSubmatch(line)
		if !inPackage || m == nil || len(m[2]) > 200 {
			continue
		}
		if m[1] == "name" {
			name = normal(m[2])
			out[name] = "?" // until its version is read: one from a folder has none
		} else if name != "" {
			out[name] = m[2]
		}
	}
	return out
}

// normal is the one spelling of a package's name that all indexes agree on.
func normal(name string) string { return strings.ToLower(runsOfDot.ReplaceAllString(name, "-")) }
