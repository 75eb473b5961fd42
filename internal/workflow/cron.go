package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cronField is one of the five fields of a time table.
type cronField struct {
	name     string
	min, max int
	words    string // that stand for min, min+1, …
}

var cronFields = [5]cronField{
	{"minute", 0, 59, ""}, {"hour", 0, 23, ""}, {"day of month", 1, 31, ""},
	{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"}, {"day of week", 0, 6, "sun mon tue wed thu fri sat"},
}

// CronReason says why a time table is refused; "" when it is one. The rules are
// GitHub's: no names such as @daily, no ?, and 7 is not Sunday.
func CronReason(table string) string {
	parts := strings.Split(table, " ")
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if len(parts) != len(cronFields) || strings.HasPrefix(table, " ") || strings.HasSuffix(table, " ") {
		return fmt.Sprintf("there are %d fields", len(parts))
	}
	for i, f := range cronFields {
		for _, item := range strings.Split(parts[i], ",") {
			if !f.accepts(item) {
				return fmt.Sprintf("%s cannot be %s", f.name, quote(parts[i]))
			}
		}
	}
	return ""
}

// accepts checks one item: *, 5, 1-5, and any of them with /step.
func (f *cronField) accepts(item string) bool {
	base, step, stepped := strings.Cut(item, "/")
	if n, ok := f.number(step); stepped && (!ok || n == 0) {
		return false
	}
	if base == "*" {
		return true
	}
	from, to, ranged := strings.Cut(base, "-")
	lo, ok := f.number(from)
	if !ranged || !ok {
		return ok
	}
	hi, ok := f.number(to)
	return ok && lo <= hi
}

func (f *cronField) number(s string) (int, bool) {
	if i := slices.Index(strings.Fields(f.words), strings.ToLower(s)); i >= 0 {
		return f.min + i, true
	}
	if s == "" || strings.TrimLeft(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= f.min && n <= f.max
}
