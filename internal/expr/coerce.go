package expr

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Truthy reports whether v counts as true: everything save null, false, 0, NaN
// and ”.
func (v Value) Truthy() bool {
	switch v.kind {
	case KindNull:
		return false
	case KindBool:
		return v.num != 0
	case KindNumber:
		return v.num != 0 && !math.IsNaN(v.num)
	case KindString:
		return v.str != ""
	default:
		return true
	}
}

// ToString is the language's conversion to text: null is empty, arrays and
// objects give the name of their kind.
func (v Value) ToString() string {
	switch v.kind {
	case KindNull:
		return ""
	case KindBool:
		if v.num != 0 {
			return "true"
		}
		return "false"
	case KindNumber:
		return FormatNumber(v.num)
	case KindString:
		return v.str
	default:
		return v.kind.String()
	}
}

// ToNumber is the language's conversion to a number; NaN when there is none.
func (v Value) ToNumber() float64 {
	switch v.kind {
	case KindNull:
		return 0
	case KindBool, KindNumber:
		return v.num
	case KindString:
		return parseNumber(v.str)
	default:
		return math.NaN()
	}
}

// FormatNumber writes f as expressions show it: at most 15 digits behind the
// point, no negative zero.
func FormatNumber(f float64) string {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) >= 1e21 {
		return jsNumber(f)
	}
	if i := int64(f); float64(i) == f && i > -1e15 && i < 1e15 {
		return strconv.FormatInt(i, 10)
	}
	x := f
	// A value exactly between two of 15 digits goes away from zero, where Go
	// would round to even. Only odd multiples of 2^-16 can be such a value.
	if m := math.Abs(f) * 65536; m == math.Trunc(m) && math.Mod(m, 2) == 1 {
		x = math.Nextafter(f, math.Copysign(math.Inf(1), f))
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 15, 64), 64)
	if err != nil {
		return jsNumber(f)
	}
	return jsNumber(r)
}

// jsNumber writes f as ECMAScript's Number::toString does.
func jsNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	}
	if i := int64(f); float64(i) == f && i > -1e15 && i < 1e15 {
		return strconv.FormatInt(i, 10)
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], math.Abs(f), 'e', -1, 64)
	sign := ""
	if f < 0 {
		sign = "-"
	}
	mantissa, exponent, _ := strings.Cut(string(e), "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	exp, _ := strconv.Atoi(exponent)
	n, k := exp+1, len(digits) // value = 0.digits × 10^n
	switch {
	case k <= n && n <= 21:
		return sign + digits + strings.Repeat("0", n-k)
	case 0 < n && n <= 21:
		return sign + digits[:n] + "." + digits[n:]
	case -6 < n && n <= 0:
		return sign + "0." + strings.Repeat("0", -n) + digits
	}
	if k > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	if exp >= 0 {
		return sign + digits + "e+" + strconv.Itoa(exp)
	}
	return sign + digits + "e" + strconv.Itoa(exp)
}

// parseNumber converts text as the language does: blanks trimmed, ” is 0,
// decimal with exponent, 0x…, 0o…, Infinity; everything else is NaN.
func parseNumber(s string) float64 {
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			return parseDigits(s[2:], 16)
		case 'o', 'O':
			return parseDigits(s[2:], 8)
		}
	}
	switch s {
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if !decimalSyntax(s) {
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives ±Inf, as wanted
	return f
}

func parseDigits(s string, base uint64) float64 {
	if u, err := strconv.ParseUint(s, int(base), 64); err == nil && s[0] != '+' && s[0] != '-' {
		return float64(u)
	}
	f := 0.0
	for i := 0; i < len(s); i++ {
		d := uint64(99)
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = uint64(c-'A') + 10
		}
		if d >= base {
			return math.NaN()
		}
		f = f*float64(base) + float64(d)
	}
	return f
}

// decimalSyntax reports whether s is [+-] digits [. digits] [e [+-] digits]
// with a digit before the exponent: Go's own parser takes more.
func decimalSyntax(s string) bool {
	i := 0
	if s[i] == '+' || s[i] == '-' {
		i++
	}
	run := func() int {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i - from
	}
	n := run()
	if i < len(s) && s[i] == '.' {
		i++
		n += run()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if run() == 0 {
			return false
		}
	}
	return i == len(s)
}

// Equal is the language's ==: types are brought together through numbers,
// strings compare without case, arrays and objects by identity.
func Equal(a, b Value) bool {
	a, b = coerce(a, b)
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case KindNull:
		return true
	case KindBool, KindNumber:
		return a.num == b.num // NaN equals nothing
	case KindString:
		return compareFold(a.str, b.str) == 0
	default:
		return a.ref == b.ref
	}
}

// compare gives -1, 0 or 1, and false where the two have no order.
func compare(a, b Value) (int, bool) {
	a, b = coerce(a, b)
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case KindNull:
		return 0, true
	case KindBool, KindNumber:
		switch {
		case a.num < b.num:
			return -1, true
		case a.num > b.num:
			return 1, true
		default:
			return 0, a.num == b.num
		}
	case KindString:
		return compareFold(a.str, b.str), true
	default:
		return 0, a.ref == b.ref
	}
}

// coerce brings values of different kinds together: null and booleans become
// numbers, and a string beside a number becomes one.
func coerce(a, b Value) (Value, Value) {
	if a.kind == b.kind {
		return a, b
	}
	if a.kind <= KindBool {
		a = Number(a.ToNumber())
	}
	if b.kind <= KindBool {
		b = Number(b.ToNumber())
	}
	if a.kind == KindNumber && b.kind == KindString {
		b = Number(parseNumber(b.str))
	} else if a.kind == KindString && b.kind == KindNumber {
		a = Number(parseNumber(a.str))
	}
	return a, b
}

// upper folds one rune for comparison. The dotless i stays what it is.
func upper(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}
	if r == 'ı' {
		return r
	}
	return unicode.ToUpper(r)
}

// compareFold orders strings without case, by UTF-16 units as GitHub does.
func compareFold(a, b string) int {
	for a != "" && b != "" {
		x, n := rune(a[0]), 1
		if x >= utf8.RuneSelf {
			x, n = utf8.DecodeRuneInString(a)
		}
		y, m := rune(b[0]), 1
		if y >= utf8.RuneSelf {
			y, m = utf8.DecodeRuneInString(b)
		}
		a, b = a[n:], b[m:]
		if x = upper(x); x == y {
			continue
		}
		if y = upper(y); x == y {
			continue
		}
		// Runes beyond the basic plane are written with surrogates, which sort
		// below U+E000.
		if astral := x > 0xFFFF; astral != (y > 0xFFFF) {
			if astral && y >= 0xE000 || !astral && x < 0xE000 {
				return -1
			}
			return 1
		}
		if x < y {
			return -1
		}
		return 1
	}
	switch {
	case a != "":
		return 1
	case b != "":
		return -1
	default:
		return 0
	}
}

// upperString folds s for searching.
func upperString(s string) string { return strings.Map(upper, s) }
