// Package feedback is what people say of answers: it lists and shows predictions,
// keeps reports of wrong ones with the input that was sent, and makes data of
// them, so that production finds its way back to training.
package feedback

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Log reads and erases the predictions of one stage; gateway/predlog does that
// below the folder of the stage.
type Log interface {
	Read(ctx context.Context, stage int64, id cairn.PredictionID) (*cairn.Prediction, error)
	List(ctx context.Context, stage int64, f cairn.PredictionFilter, visit func(cairn.Prediction) error) error
	Erase(ctx context.Context, stage int64, id cairn.PredictionID) error
}

// Rows are stages and reports; *store.Store satisfies it.
type Rows interface {
	Stage(ctx context.Context, id int64) (cairn.Stage, error)
	Stages(ctx context.Context, repository string) ([]cairn.Stage, error)
	PutReport(ctx context.Context, r cairn.PredictionReport, ch cairn.Change) error
	Report(ctx context.Context, id cairn.PredictionID) (cairn.PredictionReport, error)
	Reports(ctx context.Context, f cairn.PredictionFilter) ([]cairn.PredictionReport, error)
	ReportsOf(ctx context.Context, ids []cairn.PredictionID) (map[cairn.PredictionID]cairn.PredictionReport, error)
}

// Blobs keeps inputs; *cas.Store satisfies it.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (cairn.Digest, error)
	ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error)
	Stat(ctx context.Context, d cairn.Digest) (int64, error)
	PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error)
}

// NewData asks for a data version of what Tree holds, which was made of answers.
type NewData struct {
	Name        string
	Tree        cairn.Digest
	Description string
	Tags        map[string]string
	// Of are the answers, each with its path in the tree.
	Of []Exported
}

// Exported is one answer in a data version.
type Exported struct {
	Prediction cairn.PredictionID
	Path       string
}

// Options are what a Service stands on.
type Options struct {
	Log   Log
	Rows  Rows
	Blobs Blobs
	// CreateData registers a data version with its links in one transaction.
	CreateData func(ctx context.Context, n NewData, actor cairn.Principal) (*cairn.AssetVersion, error)
	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger
}

// Service is safe for concurrent use.
type Service struct{ o Options }

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o}
}

// Bounds of listings.
const (
	listDefault = 50
	listMost    = 1000
)

// List lists predictions of one stage, of a repository or of all, newest first,
// without bodies.
func (s *Service) List(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error) {
	if f.Limit <= 0 {
		f.Limit = listDefault
	}
	f.Limit = min(f.Limit, listMost)
	sts, err := s.stages(ctx, f.Repository, f.Stage)
	if err != nil {
		return nil, err
	}
	if f.Reported {
		return s.reported(ctx, f)
	}
	var out []cairn.Prediction
	for _, st := range sts {
		err := s.o.Log.List(ctx, st.ID, f, func(p cairn.Prediction) error {
			p.Repository, p.Stage = st.Repository, st.Name
			out = append(out, p)
			return nil
		})
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			if ctx.Err() != nil || cairn.CodeOf(err) != cairn.CodeFailed {
				return nil, err
			}
			// A damaged segment does not hide the others.
			s.o.Logger.WarnContext(ctx, "part of a prediction log cannot be read", "stage", st.Ref(), "error", err)
		}
	}
	slices.SortStableFunc(out, func(a, b cairn.Prediction) int { return b.At.Compare(a.At) })
	out = out[:min(len(out), f.Limit)]
	ids := make([]cairn.PredictionID, len(out))
	for i := range out {
		ids[i] = out[i].ID
	}
	said, err := s.o.Rows.ReportsOf(ctx, ids)
	for i := range out {
		if r, ok := said[out[i].ID]; ok {
			out[i].Report = &r
		}
	}
	return out, err
}

// reported lists by what was said: what the log has forgotten is still there.
func (s *Service) reported(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error) {
	// What the rows do not know is looked at below: more than asked for is read.
	ask := f
	ask.Limit = listMost
	rs, err := s.o.Rows.Reports(ctx, ask)
	if err != nil {
		return nil, err
	}
	var out []cairn.Prediction
	for i := range rs {
		p, err := s.of(ctx, rs[i].Prediction)
		if err != nil {
			return nil, err
		}
		p.Report = &rs[i]
		p.Request.Body, p.Response.Body = nil, nil
		path, _, _ := strings.Cut(p.Path, "?")
		if f.Status != 0 && p.Status != f.Status || f.Path != "" && !cairn.PathMatches(f.Path, path) {
			continue
		}
		if out = append(out, *p); len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

// of reads a prediction that was reported; of one that the log has no more only
// the report tells.
func (s *Service) of(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
	p, err := s.read(ctx, id)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return p, err
	}
	release, stage, _, _, err := id.Parts()
	if err != nil {
		return nil, err
	}
	p = &cairn.Prediction{ID: id, Release: release}
	if st, err := s.o.Rows.Stage(ctx, stage); err == nil {
		p.Repository, p.Stage = st.Repository, st.Name
	}
	return p, nil
}

func (s *Service) stages(ctx context.Context, repository, name string) ([]cairn.Stage, error) {
	sts, err := s.o.Rows.Stages(ctx, repository)
	if err != nil || name == "" {
		return sts, err
	}
	var names []string
	var out []cairn.Stage
	for _, st := range sts {
		names = append(names, st.Name)
		if strings.EqualFold(st.Name, name) {
			out = append(out, st)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	where := ""
	if repository != "" {
		where = " of " + repository
	}
	e := cairn.Errorf(cairn.CodeNotFound, "nothing was put on a stage %q%s", clip(name, 60), where)
	if near := cairn.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	if len(names) == 0 {
		return nil, e.WithHint("cairn deploy IMAGE --to STAGE puts something there")
	}
	return nil, e.WithHint("there are %s", strings.Join(names, ", "))
}

// Show is one prediction with its bodies and what was said of it.
func (s *Service) Show(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
	r, err := s.o.Rows.Report(ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return s.read(ctx, id)
	} else if err != nil {
		return nil, err
	}
	p, err := s.of(ctx, id)
	if err == nil {
		p.Report = &r
	}
	return p, err
}

// inputBytes bounds an input that is read whole.
const inputBytes = 64 << 20

// Input is what was sent with a prediction, taken out of its request: from the
// log, or from what its report kept.
func (s *Service) Input(ctx context.Context, id cairn.PredictionID) (*cairn.PredictionInput, error) {
	p, err := s.read(ctx, id)
	if err == nil {
		return InputOf(p)
	} else if cairn.CodeOf(err) != cairn.CodeNotFound {
		return nil, err
	}
	r, rerr := s.o.Rows.Report(ctx, id)
	if rerr != nil || r.Input == "" {
		return nil, err
	}
	b, err := s.o.Blobs.ReadBlob(ctx, r.Input, inputBytes)
	return &cairn.PredictionInput{Name: r.Name, Ext: Ext(r.Name, "", b), Body: b}, err
}

func (s *Service) read(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
	_, stage, _, _, err := id.Parts()
	if err != nil {
		return nil, err
	}
	st, err := s.o.Rows.Stage(ctx, stage)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no prediction %s: no stage has the number %d", id, stage).
			WithHint("cairn prediction list shows the newest")
	} else if err != nil {
		return nil, err
	}
	p, err := s.o.Log.Read(ctx, st.ID, id)
	if err != nil {
		return nil, err
	}
	p.Repository, p.Stage = st.Repository, st.Name
	return p, nil
}

// Bounds of what people say.
const (
	expectedLimit = 200
	commentLimit  = 2000
	answerLimit   = 4 << 10
)

// Report keeps what somebody expected instead of an answer, and the input that
// was sent. The newest word counts.
func (s *Service) Report(ctx context.Context, id cairn.PredictionID, expected, comment string, actor cairn.Principal) (*cairn.PredictionReport, error) {
	expected, comment = strings.TrimSpace(expected), strings.TrimSpace(comment)
	if err := checkSaid("expected", expected, expectedLimit); err != nil {
		return nil, err
	}
	if expected == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "what was expected is not said").WithHint("--expected 7, or whatever the right answer is")
	}
	if err := checkSaid("the comment", comment, commentLimit); err != nil {
		return nil, err
	}
	p, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.Deleted {
		return nil, cairn.Errorf(cairn.CodeConflict, "the bodies of %s were erased: there is nothing left to learn from", id).
			WithHint("report another answer; cairn prediction list shows the newest")
	}
	r := cairn.PredictionReport{
		Prediction: id, Repository: p.Repository, Stage: p.Stage, Expected: expected, Comment: comment,
		Answer: answerText(p), By: actor.Name, At: s.o.Now().UTC(),
	}
	if in, err := InputOf(p); err == nil {
		// On disk before the row that names it.
		if r.Input, err = s.o.Blobs.PutBytes(ctx, in.Body); err != nil {
			return nil, err
		}
		if r.Name = in.Name; r.Name == "" {
			r.Name = "input" + in.Ext
		}
	}
	if err := s.put(ctx, r); err != nil {
		return nil, err
	}
	return &r, nil
}

func (s *Service) put(ctx context.Context, r cairn.PredictionReport) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.o.Rows.PutReport(ctx, r, cairn.Change{By: r.By,
		Events: []cairn.Event{{Kind: cairn.EvReport, Subject: r.Prediction.Ref(), By: r.By, Data: body}}})
}

func checkSaid(what, text string, limit int) error {
	switch {
	case len(text) > limit:
		return cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes; at most %d are kept", what, len(text), limit)
	case !utf8.ValidString(text):
		return cairn.Errorf(cairn.CodeInvalid, "%s is not UTF-8 text", what)
	case strings.ContainsFunc(text, unicode.IsControl):
		return cairn.Errorf(cairn.CodeInvalid, "%s holds control characters, such as line ends", what).WithHint("write it in one line")
	}
	return nil
}

// answerText is the answer where it is text.
func answerText(p *cairn.Prediction) string {
	b := p.Response.Body
	b = b[:min(len(b), answerLimit)]
	for len(b) > 0 && !utf8.Valid(b) && len(p.Response.Body) > len(b) {
		// Cut within a character.
		if b = b[:len(b)-1]; answerLimit-len(b) > utf8.UTFMax {
			return ""
		}
	}
	if !utf8.Valid(b) || strings.ContainsRune(string(b), 0) {
		return ""
	}
	return string(b)
}

// Delete erases the bodies of a prediction on disk and what its report kept of
// them; that it was, and what was expected, stays.
func (s *Service) Delete(ctx context.Context, id cairn.PredictionID, actor cairn.Principal) (*cairn.PredictionErased, error) {
	if _, err := s.read(ctx, id); err != nil {
		return nil, err
	}
	_, stage, _, _, err := id.Parts()
	if err != nil {
		return nil, err
	}
	if err := s.o.Log.Erase(ctx, stage, id); err != nil {
		return nil, err
	}
	out := &cairn.PredictionErased{Prediction: id}
	r, err := s.o.Rows.Report(ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	out.Data = r.Data
	r.Input, r.Name, r.Answer = "", "", ""
	// The report is still that of who made it; the event says who erased.
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return out, s.o.Rows.PutReport(ctx, r, cairn.Change{By: actor.Name,
		Events: []cairn.Event{{Kind: cairn.EvReport, Subject: id.Ref(), By: actor.Name, Data: body}}})
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
