package pipeline

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// What scalars without quotes mean in YAML 1.1, as PyYAML reads them.
var (
	yamlBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	yamlInt   = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	yamlNull  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlTime  = regexp.MustCompile(`^(?:\d\d\d\d-\d\d-\d\d|\d\d\d\d-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$`)
)

// plainScalar reads a scalar without quotes.
func plainScalar(v Value) Value {
	s := v.Raw
	if s != "" && strings.IndexByte("yYnNtTfFoO~.+-0123456789", s[0]) < 0 {
		return v // the patterns below are slow, and most texts begin otherwise
	}
	switch {
	case yamlNull.MatchString(s):
		v.Kind, v.Text = cairn.TemplateNull, ""
	case yamlBool.MatchString(s):
		v.Kind = cairn.TemplateBool
		switch strings.ToLower(s) {
		case "yes", "true", "on":
			v.Bool = true
		}
		v.Text = "False"
		if v.Bool {
			v.Text = "True"
		}
	case yamlInt.MatchString(s):
		v.Kind, v.Int = cairn.TemplateNumber, true
		v.Num, v.Text = yamlInteger(s)
	case yamlFloat.MatchString(s):
		v.Kind = cairn.TemplateNumber
		v.Num = yamlNumber(s)
		v.Text = pyFloat(v.Num)
	case yamlTime.MatchString(s):
		v.Time = true
	}
	return v
}

// yamlInteger reads an integer and says it in decimal, however long.
func yamlInteger(s string) (float64, string) {
	s = strings.ReplaceAll(s, "_", "")
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		if s[0] == '-' {
			sign = "-"
		}
		s = s[1:]
	}
	if strings.Contains(s, ":") {
		total := int64(0)
		for _, part := range strings.Split(s, ":") {
			n, _ := strconv.ParseInt(part, 10, 64) // digits by the pattern
			total = total*60 + n
		}
		s = strconv.FormatInt(total, 10)
	} else if len(s) > 1 && s[0] == '0' {
		base, digits := 8, s[1:]
		switch s[1] {
		case 'x', 'X':
			base, digits = 16, s[2:]
		case 'b', 'B':
			base, digits = 2, s[2:]
		}
		if n, err := strconv.ParseUint(digits, base, 64); err == nil {
			s = strconv.FormatUint(n, 10)
		}
	}
	if s == "0" {
		sign = ""
	}
	f, _ := strconv.ParseFloat(sign+s, 64) // too large is infinite
	return f, sign + s
}

func yamlNumber(s string) float64 {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	switch strings.TrimLeft(s, "+-") {
	case ".inf":
		if s[0] == '-' {
			return math.Inf(-1)
		}
		return math.Inf(1)
	case ".nan":
		return math.NaN()
	}
	if strings.Contains(s, ":") {
		sign := 1.0
		if s[0] == '-' {
			sign = -1
		}
		total := 0.0
		for _, part := range strings.Split(strings.TrimLeft(s, "+-"), ":") {
			n, _ := strconv.ParseFloat(part, 64) // digits by the pattern
			total = total*60 + n
		}
		return sign * total
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

// pyFloat says a number as Python's repr does, which is what the original sends.
func pyFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		return s
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
