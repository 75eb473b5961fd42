package command

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Address is where a server shall listen. Port may be a placeholder.
type Address struct{ Host, Port string }

// Command is what came of the command of an image.
type Command struct {
	Args []string
	// Server is the recognised one; "" when none was: Args are as they were.
	Server string
	// Listens is the port that the image's own command means; 0: not known.
	Listens int
	// Notes say in words what was changed.
	Notes []string
}

// Rewrite joins entry point and arguments as containers do and, where they start
// a server that it knows, puts that on the address to. What it does not know
// stays as it is.
func Rewrite(entrypoint, cmd []string, to Address) Command {
	all := slices.Concat(entrypoint, cmd)
	if c, ok := rewrite(all, to); ok {
		return c
	}
	// An entry point that is a script of the image mostly ends with exec "$@".
	if len(entrypoint) > 0 && len(cmd) > 0 && shellText(entrypoint) < 0 {
		if c, ok := rewrite(cmd, to); ok {
			c.Args = slices.Concat(entrypoint, c.Args)
			return c
		}
	}
	return Command{Args: all}
}

func rewrite(args []string, to Address) (Command, bool) {
	l, ok := newLine(args)
	if !ok {
		return Command{}, false
	}
	s, from := find(l.words)
	if s == nil {
		return Command{}, false
	}
	e := editor{line: l, server: s, from: from, to: to}
	e.run()
	return Command{Args: l.result(), Server: s.name, Listens: e.listens, Notes: e.notes}, true
}

var assignmentRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// find returns the server that words start and the index of the first word that
// is an argument of it.
func find(words []word) (*server, int) {
	i := 0
	for i < len(words) {
		w := words[i].text
		between, wraps := wrappers[base(w)]
		switch {
		case assignmentRE.MatchString(w):
			i++
		case wraps:
			for i++; i < len(words) && strings.HasPrefix(words[i].text, "-"); i++ {
			}
			for _, b := range between {
				if i >= len(words) || words[i].text != b {
					return nil, 0
				}
				i++
			}
			for i < len(words) && strings.HasPrefix(words[i].text, "-") {
				i++
			}
		default:
			return program(words, i)
		}
	}
	return nil, 0
}

var pythonRE = regexp.MustCompile(`^python[0-9.]*$`)

// program looks at the word that names a program.
func program(words []word, i int) (*server, int) {
	name := base(words[i].text)
	i++
	if pythonRE.MatchString(name) {
		for i < len(words) && words[i].text != "-m" {
			switch t := words[i].text; {
			case (t == "-X" || t == "-W") && i+1 < len(words):
				i += 2
			case len(t) > 1 && t[0] == '-' && t != "-c":
				i++
			default:
				return nil, 0 // a script
			}
		}
		if i+1 >= len(words) {
			return nil, 0
		}
		name = words[i+1].text
		if m, ok := modules[name]; ok {
			name = m
		}
		i += 2
	}
	for n := range servers {
		s := &servers[n]
		if s.name != name {
			continue
		}
		for _, any := range s.sub {
			for i < len(words) && !slices.Contains(any, words[i].text) {
				i++
			}
			if i >= len(words) {
				return nil, 0
			}
			i++
		}
		return s, i
	}
	return nil, 0
}

// editor puts one command line on another address.
type editor struct {
	*line
	server  *server
	from    int
	to      Address
	listens int
	notes   []string
}

func (e *editor) notef(format string, args ...any) {
	e.notes = append(e.notes, e.server.name+": "+fmt.Sprintf(format, args...))
}

func (e *editor) run() {
	var hosts, ports, binds, before int
	end := len(e.words)
	moved := false
	for i := e.from; i < len(e.words); i++ {
		if e.words[i].text == "--" {
			end = i
			break
		}
		flag, value, attached := e.split(i)
		last := i
		if !attached {
			last = i + 1
		}
		s := e.server
		switch {
		case slices.Contains(s.drop, e.words[i].text):
			e.remove(i)
			e.notef("%s is left out", e.words[i].text)
			continue
		case slices.Contains(s.value, flag):
			e.removeTo(i, last)
			e.notef("%s is left out", flag)
		case slices.Contains(s.lose, flag):
			if flag == "--listen" {
				e.sees(value)
			}
			e.removeTo(i, last)
			e.notef("%s %s is left out: it listens on %s only", flag, value, e.to.Host)
			moved = true
		case slices.Contains(s.host, flag):
			moved = e.set(&hosts, i, last, flag, value, e.to.Host) || moved
		case slices.Contains(s.port, flag):
			e.sees(value)
			moved = e.set(&ports, i, last, flag, value, e.to.Port) || moved
		case slices.Contains(s.bind, flag):
			e.sees(value)
			moved = e.set(&binds, i, last, flag, value, e.to.Host+":"+e.to.Port) || moved
		default:
			continue
		}
		i = last
	}
	var add []string
	if len(e.server.bind) > 0 && binds == 0 {
		add = append(add, e.server.bind[0], e.to.Host+":"+e.to.Port)
	}
	if len(e.server.host) > 0 && hosts == 0 {
		add = append(add, e.server.host[0], e.to.Host)
	}
	if len(e.server.port) > 0 && ports == 0 {
		add = append(add, e.server.port[0], e.to.Port)
	}
	if e.server.name == "fastapi" && e.words[e.from-1].text == "dev" {
		add = append(add, "--no-reload") // dev reloads unless told otherwise
		e.notef("its reloading is switched off")
	}
	if before = end; e.server.first {
		before = e.from
	}
	if e.listens == 0 && ports+binds == 0 {
		e.listens = e.server.listens
	}
	if len(add) > 0 {
		e.insert(before, add...)
	}
	if moved || len(add) > 0 {
		switch {
		case e.listens != 0:
			e.notef("listens on %s, on a port that the stage chooses instead of %d", e.to.Host, e.listens)
		default:
			e.notef("listens on %s, on a port that the stage chooses", e.to.Host)
		}
	}
}

// split cuts a flag from its value, which may be the next word.
func (e *editor) split(i int) (flag, value string, attached bool) {
	t := e.words[i].text
	if strings.HasPrefix(t, "--") {
		if f, v, ok := strings.Cut(t, "="); ok {
			return f, v, true
		}
	} else if len(t) > 2 && t[0] == '-' {
		switch {
		case t[1] == 'b', t[1] == 'p' && (t[2] >= '0' && t[2] <= '9' || t[2] == '$' || t[2] == '{'):
			return t[:2], strings.TrimPrefix(t[2:], "="), true
		}
	}
	if i+1 < len(e.words) {
		value = e.words[i+1].text
	}
	return t, value, false
}

// set puts a value in the place of the one that words i to last give; a flag
// that was there before goes. It reports whether anything became different.
func (e *editor) set(seen *int, i, last int, flag, value, to string) bool {
	*seen++
	if *seen > 1 {
		e.removeTo(i, last)
		return true
	}
	if value == to || viaPort(value, to, e.shell >= 0) {
		return false
	}
	switch {
	case last >= len(e.words): // the value is missing: the server would say so
		e.insert(len(e.words), to)
	case last > i:
		e.replace(last, to)
	case strings.HasPrefix(flag, "--"):
		e.replace(i, flag+"="+to)
	default:
		e.replace(i, flag+to)
	}
	return true
}

func (e *editor) removeTo(i, last int) {
	for ; i <= last && i < len(e.words); i++ {
		e.remove(i)
	}
}

var portVariableRE = regexp.MustCompile(`^\$(PORT|\{PORT(:?[-=?+][^}]*)?\})$`)

// viaPort reports whether a shell will put the variable PORT there, which is the
// port that the stage chooses.
func viaPort(value, to string, shell bool) bool {
	host, _, both := strings.Cut(to, ":")
	if both {
		v, ok := strings.CutPrefix(value, host+":")
		return ok && shell && portVariableRE.MatchString(v)
	}
	return shell && portVariableRE.MatchString(value)
}

var portRE = regexp.MustCompile(`(?:^|:|[-=])([0-9]{1,5})\}?$`)

// sees remembers the port that a value names.
func (e *editor) sees(value string) {
	if m := portRE.FindStringSubmatch(value); m != nil {
		if n, _ := strconv.Atoi(m[1]); n > 0 && n < 65536 {
			e.listens = n
		}
	}
}
