package github

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Bounds of what starts runs, as GitHub has them.
const (
	maxEventType   = 100
	maxPayloadKeys = 10
	maxPayload     = 65_535 // characters
)

func (h *handler) dispatchRoutes() {
	h.in("POST", "/dispatches", "contents", cairn.PermissionWrite, h.dispatch)
	h.in("POST", "/actions/workflows/{workflow}/dispatches", "actions", cairn.PermissionWrite, h.dispatchWorkflow)
	h.in("GET", "/actions/workflows", "actions", cairn.PermissionRead, h.workflows)
	h.in("GET", "/actions/workflows/{workflow}", "actions", cairn.PermissionRead, func(r *request) (answer, error) {
		w, err := h.workflow(r)
		if err != nil {
			return none(err)
		}
		return ok(workflowObject(r, w))
	})
	h.in("GET", "/actions/workflows/{workflow}/runs", "actions", cairn.PermissionRead, func(r *request) (answer, error) {
		w, err := h.workflow(r)
		if err != nil {
			return none(err)
		}
		return h.listRuns(r, w.Path)
	})
	for _, verb := range []string{"enable", "disable"} {
		h.refuse("PUT", "/actions/workflows/{workflow}/"+verb, "switch for workflows: remove its trigger, or the file")
	}
}

// dispatch raises a repository_dispatch.
func (h *handler) dispatch(r *request) (answer, error) {
	var in struct {
		EventType     string          `json:"event_type"`
		ClientPayload json.RawMessage `json:"client_payload"`
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	if n := utf8.RuneCountInString(in.EventType); n == 0 || n > maxEventType {
		return none(cairn.Errorf(cairn.CodeInvalid, "event_type has 1 to %d characters; this one has %d", maxEventType, n))
	}
	if len(in.ClientPayload) == 0 || bytes.Equal(bytes.TrimSpace(in.ClientPayload), []byte("null")) {
		in.ClientPayload = json.RawMessage("{}")
	}
	var keys map[string]json.RawMessage
	switch err := json.Unmarshal(in.ClientPayload, &keys); {
	case err != nil:
		return none(cairn.Errorf(cairn.CodeInvalid, "client_payload is a JSON object"))
	case len(keys) > maxPayloadKeys:
		return none(cairn.Errorf(cairn.CodeInvalid, "No more than %d properties are allowed; %d were supplied.", maxPayloadKeys, len(keys)).
			WithHint("put them into one object"))
	case utf8.RuneCount(in.ClientPayload) > maxPayload:
		return none(cairn.Errorf(cairn.CodeInvalid, "client_payload is too large: it has %d characters of at most %d", utf8.RuneCount(in.ClientPayload), maxPayload))
	}
	if err := h.o.Owner.Dispatch(r.Context(), r.repo.Name, in.EventType, in.ClientPayload); err != nil {
		return none(err)
	}
	return done(http.StatusNoContent)
}

// dispatchWorkflow starts a workflow by hand.
func (h *handler) dispatchWorkflow(r *request) (answer, error) {
	var in struct {
		Ref    string                     `json:"ref"`
		Inputs map[string]json.RawMessage `json:"inputs"`
		Return bool                       `json:"return_run_details"`
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	if in.Ref == "" {
		return none(cairn.Errorf(cairn.CodeInvalid, "Invalid request: ref is missing").WithHint("the branch or tag to run"))
	}
	file, err := h.workflowFile(r)
	if err != nil {
		return none(err)
	}
	inputs, err := inputTexts(in.Inputs)
	if err != nil {
		return none(err)
	}
	run, err := h.o.Owner.DispatchWorkflow(r.Context(), r.repo.Name, file, in.Ref, inputs)
	if err != nil {
		return none(err)
	}
	if !in.Return {
		return done(http.StatusNoContent)
	}
	return ok(map[string]any{
		"workflow_run_id": run.ID, "run_url": fmt.Sprintf("%s/actions/runs/%d", r.site.API, run.ID), "html_url": fmt.Sprintf("%s/runs/%d", r.base, run.ID),
	})
}

// inputTexts are inputs as text: a client may send them typed.
func inputTexts(in map[string]json.RawMessage) (map[string]string, error) {
	out := map[string]string{}
	for name, v := range in {
		var s string
		if json.Unmarshal(v, &s) == nil {
			out[name] = s
			continue
		}
		text := strings.TrimSpace(string(v))
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "input %q is neither text, a number nor true or false", clip(name))
		}
		if text != "null" {
			out[name] = text
		}
	}
	return out, nil
}

// workflowFile is the path of the workflow that a request names by its number or
// file name. One by file name need not be on the default branch.
func (h *handler) workflowFile(r *request) (string, error) {
	name := r.PathValue("workflow")
	if ext := path.Ext(name); ext == ".yml" || ext == ".yaml" {
		if strings.Contains(name, "/") && !strings.HasPrefix(name, ".github/workflows/") {
			return "", cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no workflow %q", clip(name))
		}
		return ".github/workflows/" + path.Base(name), nil
	}
	w, err := h.workflow(r)
	return w.Path, err
}

func (h *handler) workflow(r *request) (Workflow, error) {
	all, err := h.o.Owner.DefaultWorkflows(r.Context(), r.repo.Name)
	if err != nil {
		return Workflow{}, err
	}
	name := r.PathValue("workflow")
	var known []string
	for _, w := range all {
		if strconv.FormatInt(trigger.WorkflowID(r.repo.Name, w.Path), 10) == name || path.Base(w.Path) == name || w.Path == name {
			return w, nil
		}
		known = append(known, path.Base(w.Path))
	}
	e := cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no workflow %q on the default branch", clip(name))
	if near := cairn.Nearest(name, known); near != "" {
		return Workflow{}, e.WithHint("did you mean %s?", near)
	}
	return Workflow{}, e.WithHint("there are %s", strings.Join(known, ", "))
}

func workflowObject(r *request, w Workflow) map[string]any {
	id := trigger.WorkflowID(r.repo.Name, w.Path)
	name := w.Name
	if name == "" {
		name = w.Path
	}
	return map[string]any{
		"id": id, "node_id": fmt.Sprintf("workflow-%d", id), "name": name, "path": w.Path, "state": "active",
		"created_at": stamp(r.repo.CreatedAt), "updated_at": stamp(r.repo.CreatedAt), "url": fmt.Sprintf("%s/actions/workflows/%d", r.site.API, id),
		"html_url": r.site.HTML + "/blob/" + r.repo.DefaultBranch + "/" + w.Path, "badge_url": "",
	}
}

func (h *handler) workflows(r *request) (answer, error) {
	all, err := h.o.Owner.DefaultWorkflows(r.Context(), r.repo.Name)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, w := range page(r, all) {
		out = append(out, workflowObject(r, w))
	}
	return ok(map[string]any{"total_count": len(all), "workflows": out})
}
