package dockerfile

import (
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// ports are those of EXPOSE: "80/tcp" each. Ranges are written out.
func (e *evaluation) ports(s *Stage, x *instructions.ExposeCommand, line int) ([]string, error) {
	var out []string
	for _, word := range x.Ports {
		ps, err := s.env.expandWords(e.f.escapeRune(), word)
		if err != nil {
			return nil, e.at(err, line, word)
		}
		for _, p := range ps {
			list, ok := portRange(p)
			if !ok {
				return nil, e.f.errorf(line, word, "%q is not a port", clip(p)).WithHint("a port is 80, 80/tcp, 53/udp or a range 8000-8010")
			}
			if out = append(out, list...); len(out) > 1<<16 {
				return nil, e.f.errorf(line, word, "EXPOSE names more ports than there are")
			}
		}
	}
	return out, nil
}

// portRange reads [[ip:]host:]port[-port][/proto]; what is before the container's
// port is only for running.
func portRange(s string) ([]string, bool) {
	s = s[strings.LastIndexByte(s, ':')+1:]
	ports, proto, _ := strings.Cut(s, "/")
	proto = strings.ToLower(proto)
	switch proto {
	case "":
		proto = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return nil, false
	}
	from, to, isRange := strings.Cut(ports, "-")
	a, ok := port(from)
	b := a
	if isRange && ok {
		b, ok = port(to)
	}
	if !ok || b < a {
		return nil, false
	}
	out := make([]string, 0, b-a+1)
	for p := a; p <= b; p++ {
		out = append(out, strconv.Itoa(p)+"/"+proto)
	}
	return out, true
}

func port(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 65535 && s[0] != '+' && s[0] != '-'
}

// signals are the names that STOPSIGNAL takes, without SIG.
const signals = "HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CLD CONT STOP TSTP TTIN TTOU " +
	"URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS RTMIN RTMAX"

func checkSignal(s string) error {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= 64 {
		return nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	base := name
	for _, rt := range []string{"RTMIN+", "RTMAX-"} {
		if rest, ok := strings.CutPrefix(name, rt); ok {
			if n, err := strconv.Atoi(rest); err == nil && n > 0 && n < 31 {
				base = rt[:5]
			}
		}
	}
	var names []string
	for n := range strings.FieldsSeq(signals) {
		if n == base {
			return nil
		}
		names = append(names, "SIG"+n)
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%q is not a signal", clip(s))
	if near := cairn.Nearest("SIG"+name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("a signal is a number or a name: SIGTERM, SIGINT, SIGQUIT")
}
