package asset

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/term"
)

// matrix is a confusion matrix with its classes.
type matrix struct {
	labels []string
	rows   [][]float64
}

// maxClasses bounds what is shown as a text table.
const maxClasses = 40

// parseMatrix reads a confusion matrix as training scripts write it: a list of
// rows, or an object with the rows under matrix, confusion_matrix, values or
// data and the classes under labels or classes. It returns nil for anything else.
func parseMatrix(b []byte) *matrix {
	var m matrix
	if json.Unmarshal(b, &m.rows) != nil {
		var obj map[string]json.RawMessage
		if json.Unmarshal(b, &obj) != nil {
			return nil
		}
		for _, key := range []string{"matrix", "confusion_matrix", "values", "data", "counts"} {
			if json.Unmarshal(obj[key], &m.rows) == nil {
				break
			}
			m.rows = nil
		}
		var labels []any
		for _, key := range []string{"labels", "classes", "class_names", "names"} {
			if json.Unmarshal(obj[key], &labels) == nil {
				break
			}
		}
		for _, l := range labels {
			m.labels = append(m.labels, term.Clean(fmt.Sprint(l)))
		}
	}
	n := len(m.rows)
	if n == 0 || n > maxClasses {
		return nil
	}
	for _, r := range m.rows {
		if len(r) != n {
			return nil
		}
	}
	if len(m.labels) != n {
		m.labels = nil
		for i := range n {
			m.labels = append(m.labels, strconv.Itoa(i))
		}
	}
	return &m
}

// text is the matrix as an aligned table: the diagonal bold, zeros as dots.
func (m *matrix) text(s term.Style) string {
	width, side := 1, 0
	cells := make([][]string, len(m.rows))
	for i, r := range m.rows {
		side = max(side, term.VisibleWidth(m.labels[i]))
		width = max(width, term.VisibleWidth(m.labels[i]))
		for _, v := range r {
			c := strconv.FormatFloat(v, 'f', -1, 64)
			if v != float64(int64(v)) {
				c = strconv.FormatFloat(v, 'f', 2, 64)
			}
			if v == 0 {
				c = "."
			}
			cells[i] = append(cells[i], c)
			width = max(width, len(c))
		}
	}
	pad := func(c string) string { return strings.Repeat(" ", max(0, width-term.VisibleWidth(c))) + c }
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", side+2))
	for _, l := range m.labels {
		b.WriteString(" " + s.Dim(pad(l)))
	}
	b.WriteByte('\n')
	for i, r := range cells {
		fmt.Fprintf(&b, "  %s%s", strings.Repeat(" ", side-term.VisibleWidth(m.labels[i])), s.Dim(m.labels[i]))
		for j, c := range r {
			text := pad(c)
			switch {
			case i == j:
				text = s.Bold(text)
			case c != ".":
				text = s.Red(text)
			default:
				text = s.Dim(text)
			}
			b.WriteString(" " + text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
