package wheel

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// compatible lists the tags of wheels that run on the target, the best first, in
// the order of PyPA's packaging.tags.
func (t *target) compatible() []string {
	plats := t.platforms()
	cp := fmt.Sprintf("cp%d%d", t.major, t.minor)
	var out []string
	add := func(py, abi string, ps []string) {
		for _, p := range ps {
			out = append(out, py+"-"+abi+"-"+p)
		}
	}
	abi := cp
	switch {
	case t.threaded:
		abi += "t"
	case t.minor < 8:
		abi += "m"
	}
	add(cp, abi, plats)
	if !t.threaded {
		add(cp, "abi3", plats)
	}
	add(cp, "none", plats)
	if !t.threaded {
		for m := t.minor - 1; m >= 2; m-- {
			add(fmt.Sprintf("cp%d%d", t.major, m), "abi3", plats)
		}
	}
	var pys []string
	pys = append(pys, fmt.Sprintf("py%d%d", t.major, t.minor), fmt.Sprintf("py%d", t.major))
	for m := t.minor - 1; m >= 0; m-- {
		pys = append(pys, fmt.Sprintf("py%d%d", t.major, m))
	}
	for _, py := range pys {
		add(py, "none", plats)
	}
	add(cp, "none", []string{"any"})
	for _, py := range pys {
		add(py, "none", []string{"any"})
	}
	return out
}

// platforms lists platform tags, the best first.
func (t *target) platforms() []string {
	var out []string
	if t.musl {
		for m := t.libcMinor; m >= 0; m-- {
			out = append(out, fmt.Sprintf("musllinux_%d_%d_%s", t.libcMajor, m, t.arch))
		}
		return append(out, "linux_"+t.arch)
	}
	lowest := 17
	if t.arch == "x86_64" {
		lowest = 5
	}
	legacy := map[int]string{17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
	for m := t.libcMinor; m >= lowest; m-- {
		out = append(out, fmt.Sprintf("manylinux_2_%d_%s", m, t.arch))
		if l := legacy[m]; l != "" {
			out = append(out, l+"_"+t.arch)
		}
	}
	return append(out, "linux_"+t.arch)
}

// wheelName is the file name of a wheel, taken apart.
type wheelName struct {
	name, version string // as written; name with _ for -
	build         int
	buildRest     string
	tags          []string
}

// parseWheelName reads {name}-{version}(-{build})?-{python}-{abi}-{platform}.whl.
func parseWheelName(file string) (wheelName, bool) {
	base, ok := strings.CutSuffix(path.Base(file), ".whl")
	parts := strings.Split(base, "-")
	if !ok || len(file) > 500 || len(parts) < 5 || len(parts) > 6 {
		return wheelName{}, false
	}
	w := wheelName{name: parts[0], version: parts[1]}
	if !projectRE.MatchString(w.name) || w.version == "" || strings.ContainsAny(base, "/\\\x00 ") {
		return wheelName{}, false
	}
	if len(parts) == 6 {
		i := 0
		for i < len(parts[2]) && parts[2][i] >= '0' && parts[2][i] <= '9' {
			i++
		}
		if i == 0 {
			return wheelName{}, false
		}
		w.build, _ = strconv.Atoi(parts[2][:i])
		w.buildRest = parts[2][i:]
	}
	n := len(parts)
	for _, py := range strings.Split(parts[n-3], ".") {
		for _, abi := range strings.Split(parts[n-2], ".") {
			for _, plat := range strings.Split(parts[n-1], ".") {
				if w.tags = append(w.tags, py+"-"+abi+"-"+plat); len(w.tags) > 2000 {
					return wheelName{}, false
				}
			}
		}
	}
	return w, true
}

// rank is how good a wheel is for the target; false: it does not run there.
func (t *target) rank(w wheelName) (int, bool) {
	best, ok := 0, false
	for _, tag := range w.tags {
		if i, fits := t.tags[tag]; fits && (!ok || i < best) {
			best, ok = i, true
		}
	}
	return best, ok
}

// choose picks the wheel that an installer would take.
func (t *target) choose(ws []Package) (Package, bool) {
	var best Package
	var bestName wheelName
	bestRank, found := 0, false
	for _, w := range ws {
		n, ok := parseWheelName(w.File)
		if !ok {
			continue
		}
		r, ok := t.rank(n)
		if !ok {
			continue
		}
		better := !found || r < bestRank || r == bestRank && (n.build > bestName.build ||
			n.build == bestName.build && (n.buildRest > bestName.buildRest || n.buildRest == bestName.buildRest && w.SHA256 < best.SHA256))
		if better {
			best, bestName, bestRank, found = w, n, r, true
		}
	}
	return best, found
}
