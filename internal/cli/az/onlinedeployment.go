package az

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// deploymentWeb is --web without -e, which names the endpoint.
func deploymentWeb() arg {
	return arg{flags: []string{"--web"}, dest: "web", kind: bare, help: "Says nothing here."}
}

func (c *call) deployment(ctx context.Context) (*cairn.Endpoint, *cairn.EndpointDeployment, error) {
	e, _, err := c.endpoint(ctx, "endpoint_name")
	if err != nil {
		return nil, nil, err
	}
	d := e.Find(c.get("name"))
	if d == nil {
		return nil, nil, cairn.Errorf(cairn.CodeNotFound, "endpoint %s has no deployment %s", e.Name, c.get("name"))
	}
	return e, d, nil
}

func deploymentLogs(ctx context.Context, c *call) (any, error) {
	lines, err := number(c.get("lines"), "--lines/-l")
	if err != nil {
		return nil, err
	}
	_, d, err := c.deployment(ctx)
	if err != nil {
		return nil, err
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	r, err := cl.StageLog(ctx, api.StageLogRequest{Repository: d.Repository, Stage: d.Stage, Lines: lines})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := io.Copy(c.k.Term.Out, r); err != nil { // lines as they are, whatever -o says
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the log broke off: %w", err)
	}
	return nil, nil
}

// deploymentObject is a deployment as the original answers it.
func deploymentObject(c *call, e *cairn.Endpoint, d *cairn.EndpointDeployment) *query.Object {
	x := &d.Spec
	vars := query.NewObject()
	for _, v := range x.Variables {
		vars.Set(v.Name, v.Value)
	}
	o := object("name", d.Name, "endpoint_name", e.Name, "type", "managed", "description", text(x.Description), "creation_context", created(d.By, d.At),
		"environment", text(x.Environment), "environment_variables", vars, "id", c.armID("onlineEndpoints/"+e.Name+"/deployments/"+d.Name),
		"instance_count", x.Instances, "instance_type", text(x.InstanceType), "provisioning_state", "Succeeded", "resourceGroup", c.group(),
		"request_settings", object("max_concurrent_requests_per_instance", x.Concurrent, "max_queue_wait_ms", int(x.Wait), "request_timeout_ms", int(x.Timeout)),
		"scale_settings", object("type", "default"), "tags", texts(x.Tags),
		"properties", object("cairn.deployment", int(d.Deployment), "cairn.image", string(d.Image), "cairn.stage", d.Stage))
	if d.Model != "" {
		name, version := d.Model.NameVersion()
		o.Set("model", "azureml:"+c.armID("models/"+name+"/versions/"+version))
	}
	return o
}
