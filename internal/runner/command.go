package runner

import (
	"strings"
)

// Command is one workflow command that a step printed.
type Command struct {
	Name  string // lower case
	Props map[string]string
	Data  string
}

// commandNames are the commands that are known; other lines that look like one
// are text.
func knownCommand(name string) bool {
	switch name {
	case "set-output", "save-state", "set-env", "add-path", "add-mask", "debug", "notice", "warning", "error",
		"group", "endgroup", "echo", "stop-commands", "add-matcher", "remove-matcher":
		return true
	}
	return false
}

// ParseCommand reads a line of output: "::name key=value,…::data", or the older
// "##[name key=value;…]data". token is the one that ends stop-commands, or "".
func ParseCommand(line, token string) (Command, bool) {
	line = strings.TrimRight(line, "\r\n")
	if s, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "::"); ok {
		info, data, ok := strings.Cut(s, "::")
		if !ok {
			return Command{}, false
		}
		return command(info, data, token, ",", unescapeProperty, unescapeData)
	}
	if s, ok := strings.CutPrefix(line, "##["); ok {
		info, data, ok := strings.Cut(s, "]")
		if !ok {
			return Command{}, false
		}
		return command(info, data, token, ";", unescapeOld, unescapeOld)
	}
	return Command{}, false
}

func command(info, data, token, sep string, prop, text func(string) string) (Command, bool) {
	name, props, _ := strings.Cut(info, " ")
	if token != "" && strings.EqualFold(name, token) {
		return Command{Name: token}, true
	}
	c := Command{Name: strings.ToLower(name), Data: text(data)}
	if !knownCommand(c.Name) {
		return Command{}, false
	}
	for p := range strings.SplitSeq(strings.TrimSpace(props), sep) {
		k, v, _ := strings.Cut(p, "=")
		if k = strings.ToLower(strings.TrimSpace(k)); k == "" || v == "" {
			continue
		}
		if c.Props == nil {
			c.Props = map[string]string{}
		}
		c.Props[k] = prop(v)
	}
	return c, true
}

// Each replacer goes through the text once, so "%250A" is "%0A", not a newline.
func unescapeData(s string) string {
	return unescape(s, "%0D", "\r", "%0A", "\n", "%25", "%")
}

func unescapeProperty(s string) string {
	return unescape(s, "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
}

func unescapeOld(s string) string {
	return unescape(s, "%0D", "\r", "%0A", "\n", "%3B", ";", "%5D", "]", "%25", "%")
}

func unescape(s string, pairs ...string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	// Upper and lower case digits are both written by people.
	all := make([]string, 0, 2*len(pairs))
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, pairs[i], pairs[i+1])
		if low := strings.ToLower(pairs[i]); low != pairs[i] {
			all = append(all, low, pairs[i+1])
		}
	}
	return strings.NewReplacer(all...).Replace(s)
}

// weakStopToken says why a token must not stop commands: anybody who can print
// a line could start them again.
func weakStopToken(token string) bool {
	return token == "" || strings.EqualFold(token, "pause-logging") || knownCommand(strings.ToLower(token))
}
