// Package web renders the pages for browsers: on the server, without scripts,
// under a strict content security policy, with nothing fetched from elsewhere.
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

//go:embed templates
var files embed.FS

// Rows are what pages show; *store.Store satisfies it.
type Rows interface {
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Runs(ctx context.Context, f cairn.RunFilter) ([]cairn.Run, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
}

// Assets lists models and artifacts.
type Assets interface {
	Names(ctx context.Context, f cairn.AssetFilter) ([]cairn.Asset, int64, error)
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
}

// Logs reads the logs of steps.
type Logs interface {
	StepLog(ctx context.Context, job cairn.Job, step int, offset int64) (io.ReadCloser, error)
}

// Options are what the pages stand on.
type Options struct {
	Rows      Rows
	Assets    Assets
	Logs      Logs
	Served    Served // nil: nothing is
	Workspace string
	Version   string
	Home      string
	URL       func() string
	// Allowed says whether who asks may look; nil: everybody.
	Allowed func(context.Context) error
	Now     func() time.Time
}

// Pages is the handler of all pages.
type Pages struct {
	o     Options
	pages map[string]*template.Template
	mux   *http.ServeMux
}

// New prepares the pages. It panics when a template of the program itself is
// broken, which its test finds.
func New(o Options) *Pages {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Pages{o: o, pages: map[string]*template.Template{}, mux: http.NewServeMux()}
	for _, name := range []string{"home", "run", "log", "stage", "trace", "error"} {
		p.pages[name] = template.Must(template.New("frame.html").Funcs(p.funcs()).
			ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+name+".html"))
	}
	p.mux.HandleFunc("GET /{$}", p.page(p.home))
	p.mux.HandleFunc("GET /runs/{id}", p.page(p.run))
	p.mux.HandleFunc("GET /jobs/{id}/steps/{step}", p.page(p.log))
	p.mux.HandleFunc("GET /stages/{owner}/{name}/{stage...}", p.page(p.stage))
	p.mux.HandleFunc("GET /trace", p.page(p.trace))
	p.mux.HandleFunc("GET /style.css", p.style)
	p.mux.HandleFunc("/", p.page(func(r *http.Request) (string, any, error) {
		return "", nil, cairn.Errorf(cairn.CodeNotFound, "there is no page %s", r.URL.Path)
	}))
	return p
}

func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// policy lets a page load its own style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (p *Pages) page(fn func(*http.Request) (string, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		name, data, err := "", any(nil), error(nil)
		if p.o.Allowed != nil {
			err = p.o.Allowed(r.Context())
		}
		if err == nil {
			name, data, err = fn(r)
		}
		status := http.StatusOK
		if err != nil {
			e := cairn.AsError(err)
			status = statusOf(e.Code)
			if status == http.StatusUnauthorized {
				h.Set("WWW-Authenticate", `Basic realm="Cairn: any user name, a token as the password"`)
			}
			name, data = "error", errorPage{frame{Title: "Not shown"}, e.Message, e.Hint}
		}
		var b bytes.Buffer
		if err := p.pages[name].Execute(&b, data); err != nil {
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		// The status is sent: a failure to write has nowhere to be told.
		_, _ = b.WriteTo(w)
	}
}

func statusOf(c cairn.Code) int {
	switch c {
	case cairn.CodeNotFound:
		return http.StatusNotFound
	case cairn.CodeUnauthenticated:
		return http.StatusUnauthorized
	case cairn.CodeForbidden:
		return http.StatusForbidden
	case cairn.CodeInvalid, cairn.CodeTooLarge:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (p *Pages) style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("templates/style.css")
	if err != nil {
		http.Error(w, "no style", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(b) // as for pages
}

// frame is what every page has.
type frame struct {
	Title string
	// Refresh is in how many seconds the page loads itself anew; 0: never.
	Refresh int
}

type homePage struct {
	frame
	Stages    []cairn.StageInfo
	Approvals []cairn.PendingApproval
	Runs      []cairn.Run
	Models    []cairn.Asset
	Data      []cairn.Asset
	URL       string
	Home      string
	Version   string
}

func (p *Pages) home(r *http.Request) (string, any, error) {
	ctx := r.Context()
	rs, err := p.o.Rows.Runs(ctx, cairn.RunFilter{Workspace: p.o.Workspace, Limit: 30})
	if err != nil {
		return "", nil, err
	}
	d := homePage{frame: frame{Title: "Cairn"}, Runs: rs, URL: p.o.URL(), Home: p.o.Home, Version: p.o.Version}
	for _, x := range rs {
		if x.Status != cairn.StatusCompleted {
			d.Refresh = 3
		}
	}
	if p.o.Served != nil {
		if d.Stages, err = p.o.Served.Stages(ctx, ""); err != nil {
			return "", nil, err
		}
		if d.Approvals, err = p.o.Served.PendingApprovals(ctx); err != nil {
			return "", nil, err
		}
		if waiting(d.Stages) && d.Refresh == 0 {
			d.Refresh = refreshStages
		}
	}
	if d.Models, _, err = p.o.Assets.Names(ctx, cairn.AssetFilter{Kind: cairn.AssetModel, Limit: 30}); err != nil {
		return "", nil, err
	}
	d.Data, _, err = p.o.Assets.Names(ctx, cairn.AssetFilter{Kind: cairn.AssetData, Limit: 30})
	return "home", d, err
}

type runPage struct {
	frame
	Run       cairn.Run
	Jobs      []cairn.Job
	Artifacts []cairn.Artifact
	Failure   *failure
}

// failure is the first thing that went wrong, quoted at the top.
type failure struct {
	Job  cairn.Job
	Step cairn.StepRow
	Tail string
}

func (p *Pages) run(r *http.Request) (string, any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return "", nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a run", r.PathValue("id"))
	}
	row, err := p.o.Rows.Run(r.Context(), cairn.RunID(id))
	if err != nil {
		return "", nil, err
	}
	d := runPage{frame: frame{Title: fmt.Sprintf("Run %d: %s", row.ID, row.Title)}, Run: row}
	if row.Status != cairn.StatusCompleted {
		d.Refresh = 2
	}
	if d.Jobs, err = p.o.Rows.Jobs(r.Context(), row.ID, row.Attempt, true); err != nil {
		return "", nil, err
	}
	if d.Artifacts, err = p.o.Assets.Artifacts(r.Context(), row.ID); err != nil {
		return "", nil, err
	}
	d.Failure, err = p.firstFailure(r.Context(), d.Jobs)
	return "run", d, err
}

func (p *Pages) firstFailure(ctx context.Context, jobs []cairn.Job) (*failure, error) {
	for _, j := range jobs {
		for _, s := range j.Steps {
			if s.Conclusion.Bad() {
				text, err := p.tail(ctx, j, s, 10)
				return &failure{j, s, text}, err
			}
		}
	}
	return nil, nil
}

// tailBytes is how much of the end of a log is read for its last lines.
const tailBytes = 64 << 10

// tail reads the last lines of a log, without their times.
func (p *Pages) tail(ctx context.Context, j cairn.Job, s cairn.StepRow, lines int) (string, error) {
	text, err := p.readLog(ctx, j, s.Number, max(0, s.LogSize-tailBytes), tailBytes)
	if err != nil {
		return "", err
	}
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	for i, l := range all {
		if at, rest, ok := strings.Cut(l, " "); ok {
			if _, err := time.Parse(time.RFC3339Nano, at); err == nil {
				all[i] = rest
			}
		}
	}
	return strings.Join(all, "\n"), nil
}

func (p *Pages) readLog(ctx context.Context, j cairn.Job, step int, offset, limit int64) (string, error) {
	f, err := p.o.Logs.StepLog(ctx, j, step, offset)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return "", nil
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

type logPage struct {
	frame
	Job       cairn.Job
	Step      int
	Text      string
	Truncated bool
}

// pageBytes bounds the log that one page shows: its end.
const pageBytes = 1 << 20

func (p *Pages) log(r *http.Request) (string, any, error) {
	id, err1 := strconv.ParseInt(r.PathValue("id"), 10, 64)
	step, err2 := strconv.Atoi(r.PathValue("step"))
	if errors.Join(err1, err2) != nil || step < 1 {
		return "", nil, cairn.Errorf(cairn.CodeInvalid, "there is no such step")
	}
	j, err := p.o.Rows.Job(r.Context(), cairn.JobID(id))
	if err != nil {
		return "", nil, err
	}
	d := logPage{frame: frame{Title: fmt.Sprintf("Log of %s, step %d", j.Name, step)}, Job: j, Step: step}
	if j.Status != cairn.StatusCompleted {
		d.Refresh = 3
	}
	if d.Text, err = p.readLog(r.Context(), j, step, 0, 64<<20); err != nil {
		return "", nil, err
	}
	if len(d.Text) > pageBytes {
		d.Text, d.Truncated = d.Text[len(d.Text)-pageBytes:], true
	}
	return "log", d, nil
}

type errorPage struct {
	frame
	Message, Hint string
}
