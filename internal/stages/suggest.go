package stages

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Seen is what a repository shows of its API, for a first file.
type Seen struct {
	Service      string   // the repository's name
	Branch       string   // the default branch
	Environments []string // that its workflows name
	Dockerfile   string   // its text
	Python       []string // texts of scripts that may hold the API, likeliest first
	Samples      []string // files that could be sent: pictures, text
}

// guess is what is read out of Seen.
type guess struct {
	port   int
	health string
	post   string // path of the first POST route
	field  string // of its form, where it takes a file
	sample string
}

var (
	exposeLine = lazily(`(?im)^\s*EXPOSE\s+(\d{1,5})`)
	portFlag   = lazily(`--(?:port|bind)[\s=",]+(?:[\w.]*:)?(\d{1,5})`)
	routeLine  = lazily(`(?m)^\s*@\w+\.(get|post|put|route|api_route)\(\s*["'](/[^"'\s]*)["']([^\n]*)`)
	uploadArg  = lazily(`(\w+)\s*:\s*(?:Annotated\[\s*)?(?:List\[|list\[)?(?:UploadFile|bytes)`)
	flaskFile  = lazily(`request\.files(?:\.get\(|\[)\s*["']([^"'\s]+)["']`)
)

func (s *Seen) guess() guess {
	var g guess
	for _, re := range []*regexp.Regexp{portFlag(), exposeLine()} {
		if m := re.FindStringSubmatch(s.Dockerfile); m != nil && g.port == 0 {
			if v, err := strconv.Atoi(m[1]); err == nil && v > 0 && v <= 65535 {
				g.port = v
			}
		}
	}
	usual := []string{"/health", "/healthz", "/api/health", "/health/ready", "/healthcheck", "/ready", "/readyz", "/livez", "/ping", "/status", "/version"}
	best := len(usual)
	for _, text := range s.Python {
		for _, m := range routeLine().FindAllStringSubmatchIndex(text, -1) {
			verb, at, rest := text[m[2]:m[3]], text[m[4]:m[5]], text[m[6]:m[7]]
			post := verb == "post" || strings.Contains(verb, "route") && strings.Contains(strings.ToUpper(rest), "POST")
			if !post {
				if i := slices.Index(usual, strings.TrimSuffix(at, "/")); i >= 0 && i < best {
					best, g.health = i, at
				}
				continue
			}
			if g.post != "" || strings.ContainsAny(at, "{<") {
				continue
			}
			g.post = at
			// The function below the route: up to the next decorator.
			body := text[m[1]:]
			if next := strings.Index(body, "\n@"); next >= 0 {
				body = body[:next]
			}
			if m := uploadArg().FindStringSubmatch(body); m != nil {
				g.field = m[1]
			} else if m := flaskFile().FindStringSubmatch(body); m != nil {
				g.field = m[1]
			}
		}
	}
	for _, p := range s.Samples {
		if g.field != "" && g.sample == "" && path.Clean(p) == p && !strings.HasPrefix(p, "../") {
			g.sample = p
		}
	}
	return g
}

// names are the stages to write, what comes last at the end.
func (s *Seen) names() []string {
	var out []string
	for _, n := range s.Environments {
		if nameHint(n) == "" && !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, n) }) {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return []string{"staging", "production"}
	}
	slices.SortStableFunc(out, func(a, b string) int { return rank(a) - rank(b) })
	return out
}

func rank(name string) int {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "prod"), name == "live":
		return 2
	case strings.HasPrefix(name, "dev"), strings.HasPrefix(name, "test"):
		return 0
	}
	return 1
}

// Suggest writes a first file: what was found, and a line of explanation for
// what can be added. It holds only what is safe to begin with.
func Suggest(s Seen) []byte {
	g := s.guess()
	var b strings.Builder
	line := func(indent int, format string, args ...any) {
		b.WriteString(strings.Repeat("  ", indent))
		fmt.Fprintf(&b, format, args...)
		b.WriteByte('\n')
	}
	line(0, "# The stages that releases of this API go through. Everything here is optional.")
	line(0, "# All keys: docs/reference/stages.md of Cairn. Check this file: cairn workflow lint")
	if serviceName().MatchString(s.Service) {
		line(0, "service: %s", scalar(s.Service))
	}
	line(0, "stages:")
	names := s.names()
	for i, name := range names {
		if i > 0 {
			b.WriteByte('\n')
		}
		line(1, "%s:  # the workflow's environment of that name", scalar(name))
		if g.port > 0 {
			line(2, "port: %d  # that the API listens on, as the Dockerfile says", g.port)
		}
		if g.health != "" {
			line(2, "health: %s  # answers when the API is ready", scalar(g.health))
		} else {
			line(2, "# health: /health  # answers when the API is ready; without it the usual paths are tried, then the port")
		}
		g.smoke(line)
		line(2, "# variables: { LOG_LEVEL: info }  # no secrets: this file is in git")
		last := i == len(names)-1
		if last && i == 0 {
			line(2, "# rules: { reviewers: [ana] }  # continuous delivery: one of these approves each release")
			line(2, "# rules: { checks: [metrics.accuracy >= 0.9] }  # continuous deployment: checks alone decide")
		}
		if !last || i == 0 {
			continue
		}
		line(2, "rules:")
		line(3, "after: %s  # only what was live there", scalar(names[i-1]))
		if s.Branch != "" && !strings.ContainsAny(s.Branch, "*?[]!{}()+|'\"") {
			line(3, "branches: [%s]  # only code of this branch", scalar(s.Branch))
		}
		line(3, "# Continuous delivery, a person decides: one of these approves each release.")
		line(3, "# reviewers: [ana]")
		line(3, "# Continuous deployment, checks alone decide: conditions over the model's metrics.")
		line(3, "# checks: [metrics.accuracy >= 0.9]")
	}
	return []byte(b.String())
}

func (g *guess) smoke(line func(indent int, format string, args ...any)) {
	switch {
	case g.post == "":
		line(2, "# smoke: { request: GET /, expect: { status: 200 } }  # must be answered before anybody is served")
	case g.field != "" && g.sample != "":
		line(2, "smoke:  # must be answered so before anybody is served")
		line(3, "request: %s", scalar("POST "+g.post))
		line(3, "file: %s  # of this repository, as the commit has it", scalar(g.sample))
		line(3, "field: %s", scalar(g.field))
		line(3, "expect: { status: 200 }  # also: contains: text, json: { digit: 7 }")
	case g.field != "":
		line(2, "# smoke:  # must be answered so before anybody is served")
		line(2, "#   request: POST %s", g.post)
		line(2, "#   file: samples/one.png  # commit one")
		line(2, "#   field: %s", g.field)
		line(2, "#   expect: { status: 200 }")
	default:
		line(2, "# smoke:  # must be answered so before anybody is served")
		line(2, "#   request: POST %s", g.post)
		line(2, "#   json: { x: 1 }  # what your API takes")
		line(2, "#   expect: { status: 200 }")
	}
}

var plainScalar = lazily(`^[A-Za-z/][A-Za-z0-9/._-]*(?: /[A-Za-z0-9/._-]*)?$`)

// scalar writes text so that YAML reads it as text.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainScalar().MatchString(s) {
			return s
		}
	}
	b, err := json.Marshal(s) // a JSON text is a YAML text
	if err != nil {
		panic(err) // texts always encode
	}
	return string(b)
}
