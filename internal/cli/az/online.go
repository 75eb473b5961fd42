package az

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func onlineCommands() []command {
	name := nameArg(true, "online endpoint")
	local := arg{flags: []string{"--local"}, dest: "local", kind: switched, help: "Says nothing here: all of them are on this machine."}
	endpoint := arg{flags: []string{"--endpoint-name", "--endpoint", "-e"}, dest: "endpoint_name", required: true, help: "Name of the online endpoint."}
	ofFile := endpoint
	ofFile.required = false
	dep := nameArg(true, "deployment")
	return []command{
		{path: "ml online-endpoint create", short: "Create an endpoint.", run: createEndpoint, args: scoped(fileArg(false, "Local path to the YAML file."), setArg(),
			nameArg(false, "online endpoint"), noWaitArg(), local, webArg(),
			arg{flags: []string{"--auth-mode"}, dest: "auth_mode", choices: []string{"key", "aml_token", "aad_token", "Key", "AMLToken", "AADToken"}, help: "How callers show that they may call."})},
		{path: "ml online-endpoint update", short: "Change traffic, tags and description of an endpoint.", run: updateEndpoint, args: scoped(append(updateArgs(), name, fileArg(false, "Local path to the YAML file."),
			noWaitArg(), local, webArg(),
			arg{flags: []string{"--traffic", "-r"}, dest: "traffic", kind: manyMore, help: "Space-separated NAME=PERCENT of deployments."},
			arg{flags: []string{"--mirror-traffic"}, dest: "mirror_traffic", kind: manyMore, help: "NAME=PERCENT of the deployment that gets copies."},
			arg{flags: []string{"--defaults"}, dest: "defaults", help: "Says nothing here."})...)},
		{path: "ml online-endpoint show", short: "Show an endpoint.", args: scoped(name, local, webArg()), run: func(ctx context.Context, c *call) (any, error) {
			e, _, err := c.endpoint(ctx, "name")
			if err != nil {
				return nil, err
			}
			return endpointObject(c, e), nil
		}},
		{path: "ml online-endpoint list", short: "List the endpoints.", args: scoped(local), run: listEndpoints},
		{path: "ml online-endpoint delete", short: "Delete an endpoint with its deployments.", args: scoped(name, yesArg(), noWaitArg(), local), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			if err := c.sure("endpoint " + c.get("name")); err != nil {
				return nil, err
			}
			return nil, cl.DeleteEndpoint(ctx, c.get("name"))
		}},
		{path: "ml online-endpoint invoke", short: "Send a request to an endpoint.", run: invokeEndpoint, args: scoped(name, local,
			arg{flags: []string{"--request-file", "-r"}, dest: "request_file", required: true, help: "Local path to the file with the request."},
			arg{flags: []string{"--deployment-name", "--deployment", "-d"}, dest: "deployment_name", help: "The deployment; default: as the traffic says."})},
		{path: "ml online-endpoint get-credentials", short: "Show the keys of an endpoint, or a token for it.", args: scoped(name), run: credentials("")},
		{path: "ml online-endpoint regenerate-keys", short: "Make a key anew.", args: scoped(name, yesArg(), noWaitArg(),
			arg{flags: []string{"--key-type"}, dest: "key_type", def: "primary", choices: []string{"primary", "secondary"}, help: "Which of them."}), run: credentials("key_type")},
		{path: "ml online-deployment create", short: "Put a model behind an endpoint.", run: createDeployment, args: scoped(fileArg(true, "Local path to the YAML file."), setArg(), ofFile, nameArg(false, "deployment"),
			noWaitArg(), local, deploymentWeb(),
			arg{flags: []string{"--all-traffic"}, dest: "all_traffic", kind: switched, help: "All requests go to it from then on."},
			arg{flags: []string{"--skip-script-validation"}, dest: "skip_script_validation", kind: switched, help: "Says nothing here."},
			arg{flags: []string{"--package-model"}, dest: "package_model", kind: switched, help: "Says nothing here: models are always packed into an image."})},
		{path: "ml online-deployment update", short: "Put another version of a deployment in the place of one.", run: createDeployment, args: scoped(append(updateArgs(), fileArg(true, "Local path to the YAML file."), ofFile,
			nameArg(false, "deployment"), noWaitArg(), local, deploymentWeb())...)},
		{path: "ml online-deployment show", short: "Show a deployment.", args: scoped(endpoint, dep, local, deploymentWeb()), run: func(ctx context.Context, c *call) (any, error) {
			e, d, err := c.deployment(ctx)
			if err != nil {
				return nil, err
			}
			return deploymentObject(c, e, d), nil
		}},
		{path: "ml online-deployment list", short: "List the deployments of an endpoint.", args: scoped(endpoint, local), run: func(ctx context.Context, c *call) (any, error) {
			e, _, err := c.endpoint(ctx, "endpoint_name")
			if err != nil {
				return nil, err
			}
			out := []any{}
			for i := range e.Deployments {
				out = append(out, deploymentObject(c, e, &e.Deployments[i]))
			}
			return out, nil
		}},
		{path: "ml online-deployment delete", short: "Take a deployment from behind its endpoint.", args: scoped(endpoint, dep, yesArg(), noWaitArg(), local), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			if err := c.sure("deployment " + c.get("name")); err != nil {
				return nil, err
			}
			return nil, cl.RemoveFromEndpoint(ctx, c.get("endpoint_name"), c.get("name"))
		}},
		{path: "ml online-deployment get-logs", short: "Show what a deployment printed.", run: deploymentLogs, args: scoped(endpoint, dep, local,
			arg{flags: []string{"--lines", "-l"}, dest: "lines", def: "5000", help: "How many of the last lines."},
			arg{flags: []string{"--container", "-c"}, dest: "container", choices: []string{"inference-server", "storage-initializer"}, help: "There is one program here: its lines are shown."})},
	}
}

// sure asks before something is deleted, on a terminal and without --yes.
func (c *call) sure(what string) error {
	if c.on("yes") {
		return nil
	}
	if !c.k.Term.InTTY {
		return cairn.Errorf(cairn.CodeInvalid, "Unable to prompt for confirmation as no tty available. Use --yes.")
	}
	fmt.Fprintf(c.k.Term.Err, "Are you sure you want to perform this operation? This deletes %s. (y/n): ", what)
	var word string
	if _, err := fmt.Fscanln(c.k.Term.In, &word); err == nil && strings.HasPrefix(strings.ToLower(word), "y") {
		return nil
	}
	return cairn.Errorf(cairn.CodeCanceled, "Operation cancelled.")
}

func (c *call) endpoint(ctx context.Context, dest string) (*cairn.Endpoint, *kit.Client, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, nil, err
	}
	e, err := cl.Endpoint(ctx, c.get(dest))
	return e, cl, err
}

// weights reads NAME=PERCENT.
func weights(words []string) (map[string]int, error) {
	if words == nil {
		return nil, nil
	}
	out := map[string]int{}
	for _, w := range words {
		for _, one := range strings.Fields(strings.ReplaceAll(w, ",", " ")) {
			name, n, ok := strings.Cut(one, "=")
			v, err := strconv.Atoi(n)
			if !ok || err != nil || name == "" {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not NAME=PERCENT", one).WithHint(`for example --traffic "blue=90 green=10"`)
			}
			out[name] = v
		}
	}
	return out, nil
}

func weightsOf(v pipeline.Value, key string) map[string]int {
	f, ok := v.Field(key)
	if !ok || !f.Given() {
		return nil
	}
	out := map[string]int{}
	for _, p := range f.Pairs {
		if n, err := strconv.Atoi(p.Value.Text); err == nil {
			out[p.Key.Value] = n
		}
	}
	return out
}

// authMode is how the original's YAML and flags name it.
func authMode(s string) string {
	switch strings.ToLower(strings.ReplaceAll(s, "_", "")) {
	case "amltoken":
		return cairn.EndpointToken
	case "aadtoken":
		return cairn.EndpointAADAuth
	}
	return strings.ToLower(s)
}

func createEndpoint(ctx context.Context, c *call) (any, error) {
	r := api.EndpointRequest{Auth: c.get("auth_mode")}
	name := c.get("name")
	if c.given["file"] {
		_, doc, err := c.load(pipeline.KindOnlineEndpoint, pipeline.NamedValue{Name: "name", Value: name}, pipeline.NamedValue{Name: "auth_mode", Value: c.get("auth_mode")})
		if err != nil {
			return nil, err
		}
		v := doc.Value
		name = textOf(v, "name")
		r = api.EndpointRequest{Auth: textOf(v, "auth_mode"), Traffic: weightsOf(v, "traffic"), Mirror: weightsOf(v, "mirror_traffic"),
			Description: textOf(v, "description"), Tags: textsOf(v, "tags"), Properties: textsOf(v, "properties")}
	}
	if name == "" {
		return nil, misuse("the following arguments are required: --name/-n")
	}
	r.Auth = authMode(r.Auth)
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	e, err := cl.PutEndpoint(ctx, name, r)
	if err != nil {
		return nil, err
	}
	return endpointObject(c, e), nil
}

func updateEndpoint(ctx context.Context, c *call) (any, error) {
	var u api.EndpointUpdate
	var err error
	if c.given["file"] {
		_, doc, err := c.load(pipeline.KindOnlineEndpoint, pipeline.NamedValue{Name: "name", Value: c.get("name")})
		if err != nil {
			return nil, err
		}
		u.Traffic, u.Mirror, u.Tags = weightsOf(doc.Value, "traffic"), weightsOf(doc.Value, "mirror_traffic"), textsOf(doc.Value, "tags")
	}
	e, cl, err := c.endpoint(ctx, "name")
	if err != nil {
		return nil, err
	}
	tags := e.Tags
	for _, kv := range slices.Concat(c.list("set"), c.list("add")) {
		key, v, ok := strings.Cut(kv, "=")
		head, rest, _ := strings.Cut(key, ".")
		n, nerr := strconv.Atoi(v)
		switch {
		case ok && head == "tags" && rest != "":
			if tags == nil {
				tags = map[string]string{}
			}
			tags[rest] = v
			u.Tags = tags
		case ok && head == "traffic" && rest != "" && nerr == nil:
			if u.Traffic == nil {
				u.Traffic, u.Merge = map[string]int{}, true
			}
			u.Traffic[rest] = n
		case ok && key == "description":
			u.Description = &v
		default:
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be changed", kv).WithHint("traffic.NAME=PERCENT, tags.NAME=VALUE and description=TEXT can")
		}
	}
	if t, err := weights(c.list("traffic")); err != nil {
		return nil, err
	} else if t != nil {
		u.Traffic, u.Merge = t, true
	}
	if m, err := weights(c.list("mirror_traffic")); err != nil {
		return nil, err
	} else if m != nil {
		u.Mirror = m
	}
	if e, err = cl.UpdateEndpoint(ctx, e.Name, u); err != nil {
		return nil, err
	}
	return endpointObject(c, e), nil
}

func listEndpoints(ctx context.Context, c *call) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cl.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range all {
		out = append(out, endpointObject(c, &all[i]))
	}
	return out, nil
}

func credentials(which string) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		cl, err := c.client(ctx)
		if err != nil {
			return nil, err
		}
		if which != "" {
			_, err := cl.EndpointCredentials(ctx, c.get("name"), c.get(which))
			return nil, err // as the original: it answers nothing
		}
		k, err := cl.EndpointCredentials(ctx, c.get("name"), "")
		if err != nil {
			return nil, err
		}
		if k.Token != "" {
			return object("accessToken", k.Token, "expiryTimeUtc", k.Expires.Unix(), "refreshAfterTimeUtc", k.Refresh.Unix(), "tokenType", "Bearer"), nil
		}
		return object("primaryKey", k.Primary, "secondaryKey", k.Secondary), nil
	}
}

// invokeTime bounds a request that a command sends: longer than any that an endpoint allows.
const invokeTime = 4 * time.Minute

// okStatus is that of an answer.
const okStatus = 200

// maxRequest bounds a file with a request, and an answer.
const maxRequest = 32 << 20

func invokeEndpoint(ctx context.Context, c *call) (any, error) {
	body, err := c.k.ReadFile(c.get("request_file"), maxRequest)
	if err != nil {
		return nil, err
	}
	e, cl, err := c.endpoint(ctx, "name")
	if err != nil {
		return nil, err
	}
	k, err := cl.EndpointCredentials(ctx, e.Name, "")
	if err != nil {
		return nil, err
	}
	status, answer, err := cl.Invoke(ctx, e, k, c.get("deployment_name"), body, invokeTime)
	if err != nil {
		return nil, err
	}
	if status != okStatus {
		return nil, cairn.Errorf(cairn.CodeFailed, "The endpoint answered %d: %s", status, strings.TrimSpace(string(answer))).
			WithHint("az ml online-deployment get-logs --endpoint-name %s --name DEPLOYMENT shows what it printed", e.Name)
	}
	return string(answer), nil
}

// endpointObject is an endpoint as the original answers it.
func endpointObject(c *call, e *cairn.Endpoint) *query.Object {
	return object("auth_mode", e.Auth, "creation_context", created(e.By, e.CreatedAt), "description", text(e.Description), "id", c.armID("onlineEndpoints/"+e.Name),
		"kind", "Managed", "location", c.named("location", "location", defaultLocation), "mirror_traffic", numbers(e.Mirror), "name", e.Name,
		"properties", texts(e.Properties), "provisioning_state", "Succeeded", "public_network_access", "enabled", "resourceGroup", c.group(),
		"scoring_uri", e.ScoringURI(), "tags", texts(e.Tags), "traffic", numbers(e.Traffic))
}

func numbers(m map[string]int) *query.Object {
	out := query.NewObject()
	for _, k := range sortedKeys(m) {
		out.Set(k, m[k])
	}
	return out
}
