package action

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// helper renders one name of a template: its arguments, and its options by name.
type helper func(args []string, options map[string]string) (string, error)

var (
	mustache  = lazily(`\{\{\{?([^{}]*)\}?\}\}`)
	mustacheA = lazily(`^\s*(?:(\w+)=)?(?:'([^']*)'|"([^"]*)"|([^\s'"]+))`)
)

// renderTemplate fills in {{name}} and {{name 'argument' option='x'}}, the part
// of Handlebars that docker/metadata-action uses. A name that is not there is
// empty, as it is there.
func renderTemplate(text string, helpers map[string]helper) (string, error) {
	var failed error
	out := mustache().ReplaceAllStringFunc(text, func(found string) string {
		inner := strings.TrimSpace(mustache().FindStringSubmatch(found)[1])
		if strings.HasPrefix(inner, "#") || strings.HasPrefix(inner, "/") || strings.HasPrefix(inner, ">") || strings.HasPrefix(inner, "!") {
			failed = cairn.Errorf(cairn.CodeUnsupported, "%s: blocks are not built in", found).WithHint("built in are {{name}} and {{name 'argument'}}")
			return ""
		}
		var words []string
		options := map[string]string{}
		for rest := inner; strings.TrimSpace(rest) != ""; {
			m := mustacheA().FindStringSubmatch(rest)
			if m == nil {
				failed = cairn.Errorf(cairn.CodeInvalid, "%s cannot be read", found)
				return ""
			}
			value := m[2] + m[3] + m[4]
			if m[1] != "" {
				options[m[1]] = value
			} else {
				words = append(words, value)
			}
			rest = rest[len(m[0]):]
		}
		if len(words) == 0 {
			return ""
		}
		h := helpers[words[0]]
		if h == nil {
			if len(words) > 1 || len(options) > 0 {
				failed = cairn.Errorf(cairn.CodeInvalid, "%s: there is no %q", found, words[0])
			}
			return ""
		}
		v, err := h(words[1:], options)
		if err != nil && failed == nil {
			failed = err
		}
		return v
	})
	if failed != nil {
		return "", failed
	}
	return out, nil
}

func constant(s string) helper {
	return func([]string, map[string]string) (string, error) { return s, nil }
}

// dated renders a time by a format of moment.js, in UTC or the zone of option tz.
func dated(at time.Time) helper {
	return func(args []string, options map[string]string) (string, error) {
		zone := time.UTC
		for name, v := range options {
			if name != "tz" {
				return "", cairn.Errorf(cairn.CodeInvalid, "Unknown %s attribute", name)
			}
			var err error
			if zone, err = time.LoadLocation(v); err != nil {
				return "", cairn.Errorf(cairn.CodeInvalid, "there is no time zone %q", v).WithHint("for example Europe/Berlin")
			}
		}
		format := "YYYY-MM-DDTHH:mm:ssZ"
		if len(args) > 0 {
			format = args[0]
		}
		return moment(at.In(zone), format), nil
	}
}

var momentToken = lazily(`\[[^\]]*\]|YYYY|YY|Q|MMMM|MMM|MM|M|Do|DDDD|DDD|DD|D|dddd|ddd|d|E|GGGG|WW|W|HH|H|hh|h|mm|m|ss|s|SSS|SS|S|A|a|ZZ|Z|X|x`)

// moment writes a time by the tokens of moment.js.
func moment(t time.Time, format string) string {
	return momentToken().ReplaceAllStringFunc(format, func(token string) string {
		year, week := t.ISOWeek()
		hour12 := (t.Hour()+11)%12 + 1
		switch token {
		case "YYYY":
			return fmt.Sprintf("%04d", t.Year())
		case "YY":
			return t.Format("06")
		case "Q":
			return strconv.Itoa((int(t.Month())-1)/3 + 1)
		case "MMMM":
			return t.Format("January")
		case "MMM":
			return t.Format("Jan")
		case "MM":
			return t.Format("01")
		case "M":
			return t.Format("1")
		case "Do":
			return ordinal(t.Day())
		case "DDDD":
			return fmt.Sprintf("%03d", t.YearDay())
		case "DDD":
			return strconv.Itoa(t.YearDay())
		case "DD":
			return t.Format("02")
		case "D":
			return t.Format("2")
		case "dddd":
			return t.Format("Monday")
		case "ddd":
			return t.Format("Mon")
		case "d":
			return strconv.Itoa(int(t.Weekday()))
		case "E":
			return strconv.Itoa((int(t.Weekday())+6)%7 + 1)
		case "GGGG":
			return strconv.Itoa(year)
		case "WW":
			return fmt.Sprintf("%02d", week)
		case "W":
			return strconv.Itoa(week)
		case "HH":
			return t.Format("15")
		case "H":
			return strconv.Itoa(t.Hour())
		case "hh":
			return fmt.Sprintf("%02d", hour12)
		case "h":
			return strconv.Itoa(hour12)
		case "mm":
			return t.Format("04")
		case "m":
			return strconv.Itoa(t.Minute())
		case "ss":
			return t.Format("05")
		case "s":
			return strconv.Itoa(t.Second())
		case "SSS":
			return fmt.Sprintf("%03d", t.Nanosecond()/1e6)
		case "SS":
			return fmt.Sprintf("%02d", t.Nanosecond()/1e7)
		case "S":
			return strconv.Itoa(t.Nanosecond() / 1e8)
		case "A":
			return t.Format("PM")
		case "a":
			return t.Format("pm")
		case "ZZ":
			return t.Format("-0700")
		case "Z":
			return t.Format("-07:00")
		case "X":
			return strconv.FormatInt(t.Unix(), 10)
		case "x":
			return strconv.FormatInt(t.UnixMilli(), 10)
		}
		return strings.Trim(token, "[]")
	})
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// lazily compiles a pattern when it is first used: most runs of the program use
// none of them.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
