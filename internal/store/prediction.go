package store

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// PutReport writes what somebody said of a prediction. The newest word counts;
// the earlier ones stay in the events.
func (s *Store) PutReport(ctx context.Context, r cairn.PredictionReport, ch cairn.Change) error {
	release, _, _, _, err := r.Prediction.Parts()
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		id, err := tx.Next("prediction_report", 1)
		if err != nil {
			return err
		}
		r.Data = "" // is known by its link
		text, err := toJSON(r)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO prediction_reports (id, prediction, repository, stage, release_id, input, at, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (prediction) DO UPDATE SET input = excluded.input, at = excluded.at, body = excluded.body`,
			id, string(r.Prediction), r.Repository, r.Stage, release, string(r.Input), Micros(r.At), text); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// Report is what was said of a prediction; CodeNotFound when nothing was.
func (s *Store) Report(ctx context.Context, id cairn.PredictionID) (cairn.PredictionReport, error) {
	r, err := body[cairn.PredictionReport](ctx, poolReader{s.reads}, `SELECT body FROM prediction_reports WHERE prediction = ?`, string(id))
	if err != nil {
		return r, notFound(err, "nobody reported the prediction %s", id)
	}
	rs := []cairn.PredictionReport{r}
	err = s.exported(ctx, rs)
	return rs[0], err
}

// Reports lists reports, newest first. Of the filter it looks at repository,
// stage, release and times.
func (s *Store) Reports(ctx context.Context, f cairn.PredictionFilter) ([]cairn.PredictionReport, error) {
	w := where{conds: []string{"1 = 1"}}
	w.add(f.Repository != "", "repository = ?", f.Repository)
	w.add(f.Stage != "", "stage = ?", f.Stage)
	if f.Release != "" {
		w.add(true, "release_id >= ?", f.Release)
		w.add(true, "release_id < ?", f.Release+"\U0010ffff")
	}
	w.add(!f.Since.IsZero(), "at >= ?", Micros(f.Since))
	w.add(!f.Until.IsZero(), "at < ?", Micros(f.Until))
	rs, err := bodies[cairn.PredictionReport](ctx, poolReader{s.reads}, `SELECT body FROM prediction_reports WHERE `+w.text()+
		` ORDER BY at DESC, id DESC LIMIT ?`, append(w.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, err
	}
	return rs, s.exported(ctx, rs)
}

// ReportsOf finds the reports of some predictions.
func (s *Store) ReportsOf(ctx context.Context, ids []cairn.PredictionID) (map[cairn.PredictionID]cairn.PredictionReport, error) {
	out := map[cairn.PredictionID]cairn.PredictionReport{}
	var all []cairn.PredictionReport
	for len(ids) > 0 {
		part := ids[:min(len(ids), linksChunk)]
		ids = ids[len(part):]
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = string(id)
		}
		rs, err := bodies[cairn.PredictionReport](ctx, poolReader{s.reads}, `SELECT body FROM prediction_reports
			WHERE prediction IN (?`+strings.Repeat(", ?", len(part)-1)+`)`, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, rs...)
	}
	if err := s.exported(ctx, all); err != nil {
		return nil, err
	}
	for _, r := range all {
		out[r.Prediction] = r
	}
	return out, nil
}

// ReportInputs visits the inputs that are kept for reports until visit says false.
func (s *Store) ReportInputs(ctx context.Context, visit func(id cairn.PredictionID, input cairn.Digest) bool) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT prediction, input FROM prediction_reports WHERE input <> ''`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id cairn.PredictionID
		var input cairn.Digest
		if err := rows.Scan(&id, &input); err != nil {
			return err
		}
		if !visit(id, input) {
			return nil
		}
	}
	return rows.Err()
}

// exported fills in which data version holds the reported inputs: the newest
// that is linked to them.
func (s *Store) exported(ctx context.Context, rs []cairn.PredictionReport) error {
	if len(rs) == 0 {
		return nil
	}
	refs := make([]cairn.Ref, len(rs))
	for i := range rs {
		refs[i] = rs[i].Prediction.Ref()
	}
	ls, err := s.LinksTo(ctx, refs...)
	if err != nil {
		return err
	}
	data := map[cairn.Ref]cairn.Ref{}
	for _, l := range ls { // ordered by time within what one query answers
		if l.Relation == cairn.RelDerived && l.From.Kind() == cairn.KindData {
			data[l.To] = l.From
		}
	}
	for i := range rs {
		rs[i].Data = data[refs[i]]
	}
	return nil
}
