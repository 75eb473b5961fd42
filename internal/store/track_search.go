package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// runFields are the attributes of runs as columns of ml_runs r.
var runFields = map[string]string{
	"run_id": "r.id", "run_name": "r.name", "status": "r.status", "user_id": "r.user_name",
	"artifact_uri": "r.root", "start_time": "r.start_time", "end_time": "r.end_time",
}

// query collects SQL and its arguments side by side.
type trackSQL struct {
	joins, where, order strings.Builder
	joinArgs, args      []any
}

// SearchMLRuns returns runs that meet all conditions. Numbers come before NaN
// and NaN before nothing, whichever way a metric is ordered.
func (s *Store) SearchMLRuns(ctx context.Context, q cairn.TrackQuery) ([]cairn.MLRun, error) {
	if len(q.Experiments) == 0 {
		return nil, nil
	}
	var b trackSQL
	b.where.WriteString(`r.experiment IN (`)
	for i, id := range q.Experiments {
		n, err := experimentKey(id)
		if err != nil {
			n = -1 // no run has it
		}
		if i > 0 {
			b.where.WriteString(`, `)
		}
		b.where.WriteString(`?`)
		b.args = append(b.args, n)
	}
	b.where.WriteString(`)`)
	switch q.View {
	case cairn.ViewDeleted:
		b.where.WriteString(` AND r.deleted = 1`)
	case cairn.ViewAll:
	default:
		b.where.WriteString(` AND r.deleted = 0`)
	}
	for _, c := range q.Where {
		if err := b.condition(c); err != nil {
			return nil, err
		}
	}
	started := false
	for i, o := range q.Order {
		if err := b.orderBy(i, o); err != nil {
			return nil, err
		}
		started = started || o.Subject == cairn.OfAttribute && o.Key == "start_time"
	}
	if !started {
		b.order.WriteString(`r.start_time DESC, `)
	}
	args := append(append(slices.Clone(b.joinArgs), b.args...), q.Limit, q.Offset)
	return s.mlRuns(ctx, `SELECT r.`+strings.ReplaceAll(runColumns, ", ", ", r.")+` FROM ml_runs r`+b.joins.String()+
		` WHERE `+b.where.String()+` ORDER BY `+b.order.String()+`r.id LIMIT ? OFFSET ?`, args...)
}

func (b *trackSQL) condition(c cairn.TrackCondition) error {
	switch c.Subject {
	case cairn.OfAttribute:
		col, ok := runFields[c.Key]
		if !ok {
			return cairn.Errorf(cairn.CodeInternal, "attribute %q has no column", c.Key)
		}
		b.where.WriteString(` AND `)
		return b.compare(col, c)
	case cairn.OfMetric:
		not := ``
		if c.Op == "IS NULL" {
			not = `NOT `
		}
		b.where.WriteString(` AND ` + not + `EXISTS (SELECT 1 FROM ml_latest x WHERE x.run = r.id AND x.key = ?`)
		b.args = append(b.args, c.Key)
		if c.Op != "IS NULL" && c.Op != "IS NOT NULL" {
			b.where.WriteString(` AND `)
			if c.Op == "!=" {
				b.where.WriteString(`(x.is_nan = 1 OR x.value <> ?)`)
				b.args = append(b.args, c.Number)
			} else {
				b.where.WriteString(`x.is_nan = 0 AND `)
				if err := b.compare(`x.value`, c); err != nil {
					return err
				}
			}
		}
		b.where.WriteString(`)`)
		return nil
	case cairn.OfParam, cairn.OfTag:
		table := map[cairn.TrackSubject]string{cairn.OfParam: "ml_params", cairn.OfTag: "ml_tags"}[c.Subject]
		not := ``
		if c.Op == "IS NULL" {
			not = `NOT `
		}
		b.where.WriteString(` AND ` + not + `EXISTS (SELECT 1 FROM ` + table + ` x WHERE x.run = r.id AND x.key = ?`)
		b.args = append(b.args, c.Key)
		if c.Op != "IS NULL" && c.Op != "IS NOT NULL" {
			b.where.WriteString(` AND `)
			if err := b.compare(`x.value`, c); err != nil {
				return err
			}
		}
		b.where.WriteString(`)`)
		return nil
	case cairn.OfDataset:
		col, ok := map[string]string{"name": "x.name", "digest": "x.digest", "context": "x.context"}[c.Key]
		if !ok {
			return cairn.Errorf(cairn.CodeInternal, "dataset attribute %q has no column", c.Key)
		}
		b.where.WriteString(` AND EXISTS (SELECT 1 FROM ml_inputs x WHERE x.run = r.id AND x.kind = 'dataset' AND `)
		if err := b.compare(col, c); err != nil {
			return err
		}
		b.where.WriteString(`)`)
		return nil
	}
	return cairn.Errorf(cairn.CodeInternal, "cannot search by %q", c.Subject)
}

// compare writes col op value. LIKE is written with GLOB, which heeds case.
func (b *trackSQL) compare(col string, c cairn.TrackCondition) error {
	switch c.Op {
	case "=", "!=", "<", "<=", ">", ">=":
		b.where.WriteString(col + ` ` + strings.Replace(c.Op, "!=", "<>", 1) + ` ?`)
		if c.Numeric {
			b.args = append(b.args, c.Number)
		} else {
			b.args = append(b.args, c.Text)
		}
	case "LIKE":
		b.where.WriteString(col + ` GLOB ?`)
		b.args = append(b.args, globOf(c.Text))
	case "ILIKE":
		b.where.WriteString(`LOWER(` + col + `) GLOB ?`)
		b.args = append(b.args, globOf(strings.ToLower(c.Text)))
	case "IN", "NOT IN":
		if len(c.List) == 0 {
			return cairn.Errorf(cairn.CodeInternal, "an empty list cannot be searched for")
		}
		b.where.WriteString(col + ` ` + c.Op + ` (?` + strings.Repeat(`, ?`, len(c.List)-1) + `)`)
		for _, v := range c.List {
			b.args = append(b.args, v)
		}
	default:
		return cairn.Errorf(cairn.CodeInternal, "unknown operator %q", c.Op)
	}
	return nil
}

// globOf turns a LIKE pattern into one for GLOB.
func globOf(like string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]", "%", "*", "_", "?").Replace(like)
}

func (b *trackSQL) orderBy(i int, o cairn.TrackOrder) error {
	dir := ``
	if o.Desc {
		dir = ` DESC`
	}
	if o.Subject == cairn.OfAttribute {
		col, ok := runFields[o.Key]
		if !ok {
			return cairn.Errorf(cairn.CodeInternal, "attribute %q has no column", o.Key)
		}
		if o.Key == "end_time" { // 0 is "not ended", which comes last
			b.order.WriteString(`r.end_time = 0, `)
		}
		b.order.WriteString(col + dir + `, `)
		return nil
	}
	table, ok := map[cairn.TrackSubject]string{cairn.OfMetric: "ml_latest", cairn.OfParam: "ml_params", cairn.OfTag: "ml_tags"}[o.Subject]
	if !ok {
		return cairn.Errorf(cairn.CodeInternal, "cannot order by %q", o.Subject)
	}
	a := fmt.Sprintf("o%d", i)
	b.joins.WriteString(` LEFT JOIN ` + table + ` ` + a + ` ON ` + a + `.run = r.id AND ` + a + `.key = ?`)
	b.joinArgs = append(b.joinArgs, o.Key)
	b.order.WriteString(a + `.run IS NULL, `)
	if o.Subject == cairn.OfMetric {
		b.order.WriteString(a + `.is_nan, `)
	}
	b.order.WriteString(a + `.value` + dir + `, `)
	return nil
}
