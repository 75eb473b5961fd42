package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Prefix is where the interface is mounted.
const Prefix = "/api/v1"

// API is the handler of everything below Prefix.
type API struct {
	o    Options
	mux  *http.ServeMux
	huma huma.API
}

// What operations need of their callers.
var (
	readers = auth.Need{Role: cairn.RoleReader, Jobs: true}
	writers = auth.Need{Role: cairn.RoleWriter}
	makers  = auth.Need{Role: cairn.RoleWriter, Jobs: true} // what jobs do too
	admins  = auth.Need{Role: cairn.RoleAdmin}
)

// What operations need of a job's permissions, where GitHub has a scope for it. What
// it has none for, artifacts, tracking and models, is always the job's.
var (
	writesPackages = permit{"packages", cairn.PermissionWrite}
	deploys        = permit{"deployments", cairn.PermissionWrite}
)

// New makes the handler.
func New(o Options) *API {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{o: o, mux: http.NewServeMux()}
	c := huma.DefaultConfig("Cairn", o.Version)
	c.Info.Description = "From a commit to a model API in production, and back. Errors have the form {code, message, hint, position, problems}."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "/openapi", "", ""
	c.CreateHooks = nil // no $schema in answers
	c.Transformers = append(c.Transformers, a.shapeError)
	c.Servers = []*huma.Server{{URL: Prefix}}
	a.huma = humago.NewWithPrefix(a.mux, Prefix, c)
	a.systemRoutes()
	a.runRoutes()
	a.assetRoutes()
	a.blobRoutes()
	a.jobRoutes()
	a.cacheRoutes()
	a.actionRoutes()
	a.trackingRoutes()
	a.imageRoutes()
	a.peopleRoutes()
	a.deployRoutes()
	a.predictionRoutes()
	a.pullRoutes()
	a.followRoutes()
	if o.Submissions != nil {
		a.submissionRoutes()
	}
	if o.EnvironmentMaps != nil {
		a.environmentMapRoutes()
	}
	if o.AzureNames != nil {
		a.azureNameRoutes()
	}
	if o.Computes != nil {
		a.computeRoutes()
	}
	if o.Endpoints != nil {
		a.endpointRoutes()
	}
	if o.Schedules != nil {
		a.scheduleRoutes()
	}
	a.streamRoutes()
	a.mux.HandleFunc(Prefix+"/", func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, cairn.Errorf(cairn.CodeNotFound, "there is no %s %s", r.Method, r.URL.Path).
			WithHint("%s/openapi.json lists what there is", Prefix))
	})
	return a
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	// Deadlines belong to the connection and outlive a request.
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patient{rc, r.Body}
	}
	a.mux.ServeHTTP(w, r)
}

// op describes an operation.
type op struct {
	method, path, id, summary string
	need                      auth.Need
	permit                    permit // what a job needs of its permissions beside that
	trusted                   bool   // not for a job of untrusted code
	limit                     int64  // bytes of a body; 0: 1 MiB
}

// permit is a scope of a job's token with the level that an operation asks of it.
type permit struct{ scope, level string }

// allow answers an error unless who acts in ctx may do the operation.
func (o *op) allow(ctx context.Context) error {
	if err := auth.Check(ctx, o.need); err != nil {
		return err
	}
	if o.trusted && auth.Actor(ctx).Untrusted {
		return cairn.Errorf(cairn.CodeForbidden, "the run is of untrusted code: it may not do this")
	}
	if o.permit.scope == "" {
		return nil
	}
	return auth.Permit(ctx, o.permit.scope, o.permit.level)
}

// route registers an operation with an answer.
func route[I, O any](a *API, o op, fn func(context.Context, *I) (O, error)) {
	type answer struct{ Body O }
	huma.Register(a.huma, operation(o, http.StatusOK), func(ctx context.Context, in *I) (*answer, error) {
		if err := o.allow(ctx); err != nil {
			return nil, a.edge(ctx, err)
		}
		if err := a.within(ctx, in); err != nil {
			return nil, a.edge(ctx, err)
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, a.edge(ctx, err)
		}
		return &answer{out}, nil
	})
}

// routeDo registers an operation whose answer is that it is done.
func routeDo[I any](a *API, o op, fn func(context.Context, *I) error) {
	huma.Register(a.huma, operation(o, http.StatusNoContent), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := o.allow(ctx); err != nil {
			return nil, a.edge(ctx, err)
		}
		if err := a.within(ctx, in); err != nil {
			return nil, a.edge(ctx, err)
		}
		if err := fn(ctx, in); err != nil {
			return nil, a.edge(ctx, err)
		}
		return nil, nil
	})
}

func operation(o op, status int) huma.Operation {
	return huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary, DefaultStatus: status,
		// The body has its own deadlines, see patient: huma would leave its one on the
		// connection, where it ends requests that take longer.
		MaxBodyBytes: o.limit, BodyReadTimeout: -1,
	}
}

// raw registers a handler of a stream, which the typed ones cannot be.
func (a *API) raw(o op, fn func(http.ResponseWriter, *http.Request) error) {
	a.huma.OpenAPI().AddOperation(&huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary,
		Responses: map[string]*huma.Response{"200": {Description: "a stream"}},
	})
	a.mux.HandleFunc(o.method+" "+Prefix+o.path, func(w http.ResponseWriter, r *http.Request) {
		err := o.allow(r.Context())
		if err == nil {
			err = a.within(r.Context(), named(&o, r))
		}
		if err == nil {
			err = fn(w, r)
		}
		if err != nil {
			WriteError(w, a.note(r.Context(), err))
		}
	})
}

func orEmpty[T any](xs []T, err error) ([]T, error) {
	if xs == nil {
		xs = []T{}
	}
	return xs, err
}
