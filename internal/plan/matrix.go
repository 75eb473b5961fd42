package plan

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Limits of a matrix.
const (
	MaxInstances = 256
	maxProduct   = 100_000 // before exclude
)

// ExpandMatrix gives the combinations of an evaluated matrix in GitHub's order:
// the product of the lists, the last one turning fastest, without what exclude
// matches; include adds values to the combinations that it fits, and what fits
// none becomes a combination of its own. Values keep their types.
func ExpandMatrix(matrix expr.Value) ([]cairn.Instance, error) {
	if matrix.Kind() != expr.KindObject {
		return nil, invalid("a matrix is a map of lists, but the value is "+describe(matrix), "build it with fromJSON('{…}')")
	}
	m := expander{}
	for _, f := range matrix.Fields() {
		var err error
		switch {
		case strings.EqualFold(f.Name, "include"):
			m.include, err = filters(f)
		case strings.EqualFold(f.Name, "exclude"):
			m.exclude, err = filters(f)
		case f.Value.Kind() != expr.KindArray:
			err = invalid(fmt.Sprintf("matrix.%s is not a list: it is %s", f.Name, describe(f.Value)), "write a list, or fromJSON('[…]')")
		case f.Value.Len() == 0:
			err = invalid(fmt.Sprintf("matrix.%s is an empty list", f.Name), "the job would have no combination; skip it with an if instead")
		default:
			m.vectors = append(m.vectors, f)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := m.checkExclude(); err != nil {
		return nil, err
	}
	return m.expand()
}

func invalid(message, hint string) error {
	return &cairn.Error{Code: cairn.CodeInvalid, Message: message, Hint: hint}
}

// filters reads include or exclude: a list of maps.
func filters(f expr.Field) ([]expr.Value, error) {
	if f.Value.IsNull() {
		return nil, nil
	}
	if f.Value.Kind() != expr.KindArray {
		return nil, invalid(fmt.Sprintf("matrix.%s is not a list: it is %s", f.Name, describe(f.Value)), "write a list of maps")
	}
	for i, item := range f.Value.Items() {
		if item.Kind() != expr.KindObject || item.Len() == 0 {
			return nil, invalid(fmt.Sprintf("item %d of matrix.%s is not a map with values: it is %s", i+1, f.Name, describe(item)), "write - key: value")
		}
	}
	return f.Value.Items(), nil
}

type expander struct {
	vectors          []expr.Field
	include, exclude []expr.Value
	seen             map[string]int
	out              []cairn.Instance
}

func (m *expander) has(name string) bool {
	for _, v := range m.vectors {
		if strings.EqualFold(v.Name, name) {
			return true
		}
	}
	return false
}

func (m *expander) checkExclude() error {
	names := make([]string, len(m.vectors))
	for i, v := range m.vectors {
		names[i] = v.Name
	}
	for _, x := range m.exclude {
		for _, key := range x.Keys() {
			if m.has(key) {
				continue
			}
			hint := "keys of the matrix: " + strings.Join(names, ", ")
			if near := cairn.Nearest(key, names); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return invalid(fmt.Sprintf("matrix.exclude names %s, which is not a key of the matrix", show(key)), hint)
		}
	}
	return nil
}

func (m *expander) expand() ([]cairn.Instance, error) {
	product := 0
	if len(m.vectors) > 0 {
		product = 1
		for _, v := range m.vectors {
			if product *= v.Value.Len(); product > maxProduct {
				return nil, invalid(fmt.Sprintf("the matrix has more than %d combinations", maxProduct), fmt.Sprintf("at most %d jobs are allowed", MaxInstances))
			}
		}
	}
	m.seen = map[string]int{}
	matched := make([]bool, len(m.include))
	for i := range product {
		combination := make([]expr.Field, len(m.vectors))
		block := product
		for k, v := range m.vectors {
			block /= v.Value.Len()
			combination[k] = expr.Field{Name: v.Name, Value: v.Value.Items()[i/block%v.Value.Len()]}
		}
		own := expr.Object(combination...)
		if m.excluded(own) {
			continue
		}
		full := own
		for k, inc := range m.include {
			if !m.fits(inc, own) {
				continue
			}
			matched[k] = true
			for _, f := range inc.Fields() {
				if !m.has(f.Name) {
					full = full.With(f.Name, f.Value)
				}
			}
		}
		if err := m.add(own, full); err != nil {
			return nil, err
		}
	}
	for k, inc := range m.include {
		if matched[k] {
			continue
		}
		// Keys of the matrix come first, then what the item adds.
		var fields, extra []expr.Field
		for _, f := range inc.Fields() {
			if m.has(f.Name) {
				fields = append(fields, f)
			} else {
				extra = append(extra, f)
			}
		}
		v := expr.Object(append(fields, extra...)...)
		if err := m.add(v, v); err != nil {
			return nil, err
		}
	}
	if len(m.out) == 0 {
		return nil, invalid("the matrix has no combination left", "exclude takes all of them away, or nothing is listed; skip the job with an if instead")
	}
	return m.out, nil
}

func (m *expander) excluded(combination expr.Value) bool {
	for _, x := range m.exclude {
		if matches(x, combination) {
			return true
		}
	}
	return false
}

// fits reports whether the keys that an include item shares with the matrix
// have the values of a combination.
func (m *expander) fits(item, combination expr.Value) bool {
	for _, f := range item.Fields() {
		if !m.has(f.Name) {
			continue
		}
		if v, _ := combination.Get(f.Name); !matches(f.Value, v) {
			return false
		}
	}
	return true
}

// matches compares a filter with a value leaf by leaf, with the language's ==:
// a map in a filter need not name every key.
func matches(filter, v expr.Value) bool {
	switch filter.Kind() {
	case expr.KindObject:
		for _, f := range filter.Fields() {
			if item, _ := v.Get(f.Name); !matches(f.Value, item) {
				return false
			}
		}
		return true
	case expr.KindArray:
		for i, f := range filter.Items() {
			var item expr.Value
			if v.Kind() == expr.KindArray && i < v.Len() {
				item = v.Items()[i]
			}
			if !matches(f, item) {
				return false
			}
		}
		return true
	default:
		return expr.Equal(v, filter)
	}
}

// add appends a combination. own gives its name, full its values.
func (m *expander) add(own, full expr.Value) error {
	if len(m.out) == MaxInstances {
		return invalid(fmt.Sprintf("the matrix gives more than %d jobs", MaxInstances), "")
	}
	var segments []string
	leaves(own, &segments)
	key := strings.Join(segments, ", ")
	if key == "" {
		key = "#" + expr.FormatNumber(float64(len(m.out)+1))
	}
	// Two combinations may look alike (10 and '10'): paths must not.
	m.seen[key]++
	if n := m.seen[key]; n > 1 {
		key += " #" + expr.FormatNumber(float64(n))
	}
	m.out = append(m.out, cairn.Instance{Key: key, Matrix: full.JSON()})
	return nil
}

// leaves collects the texts of all scalars in v, as GitHub names a job by them.
func leaves(v expr.Value, out *[]string) {
	if v.Primitive() {
		if s := v.ToString(); s != "" {
			*out = append(*out, s)
		}
		return
	}
	for _, item := range v.Items() {
		leaves(item, out)
	}
}
