package query

import (
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// number reads a number as Python does: whole ones stay whole.
func number(s string) any {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		return json.Number(s)
	}
	f, _ := strconv.ParseFloat(s, 64) // too large is infinite, as there
	return f
}

// FloatText writes a float as Python's repr does.
func FloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	_, exp, _ := strings.Cut(s, "e")
	if e, err := strconv.Atoi(exp); err == nil && (e < -4 || e >= 16) {
		return s
	}
	if s = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// isNumber reports whether a value is a number.
func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, json.Number:
		return true
	}
	return false
}

// arithmetic is a value as a number: for Python true is 1.
func arithmetic(v any) (any, bool) {
	if b, ok := v.(bool); ok {
		if b {
			return int64(1), true
		}
		return int64(0), true
	}
	return v, isNumber(v)
}

// whole is a whole number of any size.
func whole(v any) (*big.Int, bool) {
	switch n := v.(type) {
	case int64:
		return big.NewInt(n), true
	case json.Number:
		return new(big.Int).SetString(string(n), 10)
	}
	return nil, false
}

// shrunk is a whole number as a value.
func shrunk(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return json.Number(n.String())
}

// compareNumbers compares by the exact values, as Python does; what is no number (NaN) is
// equal to all, since nothing is smaller and nothing greater.
func compareNumbers(a, b any) int {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	}
	f, isF := a.(float64)
	g, isG := b.(float64)
	if isF && isG {
		switch {
		case f < g:
			return -1
		case f > g:
			return 1
		}
		return 0
	}
	if math.IsNaN(f) || math.IsNaN(g) {
		return 0
	}
	exact := func(v any, f float64) *big.Float {
		if n, ok := whole(v); ok {
			return new(big.Float).SetInt(n)
		}
		return big.NewFloat(f)
	}
	return exact(a, f).Cmp(exact(b, g))
}

// nan reports whether a value is the float that is no number.
func nan(v any) bool {
	f, ok := v.(float64)
	return ok && math.IsNaN(f)
}

// sum adds exactly up to the first number that is not whole, and from there on as Python
// up to 3.11 does, which keeps no track of what rounding loses.
func sum(list []any) any {
	n, i := new(big.Int), 0
	for ; i < len(list); i++ {
		m, ok := whole(list[i])
		if !ok {
			break
		}
		n.Add(n, m)
	}
	if i == len(list) {
		return shrunk(n)
	}
	f, _ := pyFloat(shrunk(n))
	for _, x := range list[i:] {
		g, _ := pyFloat(x)
		f += g
	}
	return f
}

// pyFloat is float() of a number.
func pyFloat(v any) (float64, error) {
	if f, ok := v.(float64); ok {
		return f, nil
	}
	n, _ := whole(v)
	f, _ := new(big.Float).SetInt(n).Float64()
	if math.IsInf(f, 0) {
		return f, wrong("int too large to convert to float")
	}
	return f, nil
}

func magnitude(v any) any {
	if n, ok := whole(v); ok {
		return shrunk(n.Abs(n))
	}
	return math.Abs(v.(float64))
}

// rounded is the whole number that a rounding makes of a number.
func rounded(v any, round func(float64) float64) (any, error) {
	f, ok := v.(float64)
	switch {
	case !ok:
		return v, nil
	case math.IsNaN(f):
		return nil, wrong("cannot convert float NaN to integer")
	case math.IsInf(f, 0):
		return nil, wrong("cannot convert float infinity to integer")
	}
	n, _ := big.NewFloat(round(f)).Int(nil)
	return shrunk(n), nil
}

// IsSpace reports what Python's str.strip takes away.
func IsSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// toNumber reads a text as Python's int, else float, do; digits of other scripts are no
// digits here.
func toNumber(v any) (any, error) {
	s, ok := v.(string)
	if _, is := v.(expr); is {
		return nil, wrong("int() argument must be a string, a bytes-like object or a real number, not '_Expression'")
	}
	if !ok {
		if isNumber(v) {
			return v, nil
		}
		return nil, nil
	}
	s = strings.TrimFunc(s, IsSpace)
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !digit(s[i-1]) || !digit(s[i+1])) {
			return nil, nil
		}
	}
	s = strings.ReplaceAll(s, "_", "")
	digits := strings.TrimLeft(s, "+-")
	if digits == "" || len(s)-len(digits) > 1 || strings.ContainsAny(s, "xXpP") {
		return nil, nil
	}
	if strings.Trim(digits, "0123456789") == "" {
		n, _ := new(big.Int).SetString(s, 10)
		return shrunk(n), nil
	}
	if strings.EqualFold(digits, "nan") {
		return math.NaN(), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, nil
	}
	return f, nil
}
