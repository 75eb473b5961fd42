package track

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// row gives the value of a subject's key, as text or number as the grammar has
// it; ok is false where there is none.
type row func(s cairn.TrackSubject, key string) (text string, number float64, ok bool)

// tagPrompt marks registered models that are prompts. Clients leave them out by
// asking that it is not 'true', and mean those without the tag too.
const tagPrompt = "mlflow.prompt.is_prompt"

// matches is the search of rows that are few enough to be looked at one by one.
// What is not there meets no condition, whichever way it is put.
func matches(where []cairn.TrackCondition, r row) bool {
	for _, c := range where {
		text, number, ok := r(c.Subject, c.Key)
		if !ok {
			switch {
			case c.Op == "IS NULL":
				continue
			case c.Subject == cairn.OfTag && c.Key == tagPrompt && c.Op == "!=":
				continue
			}
			return false
		}
		if !holds(c, text, number) {
			return false
		}
	}
	return true
}

func holds(c cairn.TrackCondition, text string, number float64) bool {
	var d int
	if c.Numeric {
		d = cmp.Compare(number, c.Number)
	} else {
		d = cmp.Compare(text, c.Text)
	}
	switch c.Op {
	case "=":
		return d == 0
	case "!=":
		return d != 0
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	case "LIKE":
		return like(c.Text, text)
	case "ILIKE":
		return like(strings.ToLower(c.Text), strings.ToLower(text))
	case "IN":
		return slices.Contains(c.List, text)
	case "NOT IN":
		return !slices.Contains(c.List, text)
	case "IS NOT NULL":
		return true
	}
	return false
}

// like matches % (any run of characters) and _ (one character) in linear time.
func like(pattern, text string) bool {
	p, s := []rune(pattern), []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '%':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '_' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}

// compareBy orders two rows; what is not there comes last, either way.
func compareBy(order []cairn.TrackOrder, g grammar, a, b row) int {
	for _, o := range order {
		at, an, aok := a(o.Subject, o.Key)
		bt, bn, bok := b(o.Subject, o.Key)
		if aok != bok {
			if aok {
				return -1
			}
			return 1
		}
		d := cmp.Compare(at, bt)
		if o.Subject == cairn.OfMetric || o.Subject == cairn.OfAttribute && g.attrs[o.Key] {
			d = cmp.Compare(an, bn)
		}
		if o.Desc {
			d = -d
		}
		if d != 0 {
			return d
		}
	}
	return 0
}
