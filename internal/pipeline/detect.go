package pipeline

import (
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// detect finds out what a file describes, and which of the schemas it is held against.
// The original is told by its caller; here type, then $schema, then the keys say it.
func detect(v Value, asked Kind) (Kind, string) {
	text := func(key string) string {
		x, _ := v.Field(key)
		if x.Kind != cairn.TemplateString {
			return ""
		}
		return strings.ToLower(x.Text)
	}
	kind := asked
	if kind == "" {
		kind = guess(v, text)
	}
	t := text("type")
	switch kind {
	case "job":
		switch t {
		case "":
			return KindCommand, "command"
		case "data_transfer":
			return KindDataTransfer, "none" // stands in a pipeline only
		case "automl":
			return KindAutoML, "automl/" + text("task")
		}
		if raw, _ := v.Field("type"); raw.Text != t {
			return Kind(t), "none" // the original compares jobs' types as they are written
		}
		return Kind(t), jobSchema(t)
	case "component":
		switch t {
		case "":
			return KindCommandComponent, "component/command"
		case "data_transfer":
			return "component/data_transfer", "component/data_transfer/" + text("task")
		}
		return Kind("component/" + t), "component/" + t
	case KindCompute:
		return kind, "compute/" + t
	case KindDatastore:
		return kind, "datastore/" + t
	case KindOnlineEndpoint:
		if _, ok := v.Field("compute"); ok {
			return kind, "online_endpoint/kubernetes"
		}
		return kind, "online_endpoint/managed"
	case KindOnlineDeployment:
		if t == "kubernetes" {
			return kind, "online_deployment/kubernetes"
		}
		return kind, "online_deployment/managed"
	case KindBatchDeployment:
		switch t {
		case "model", "pipeline":
			return kind, "batch_deployment/" + t
		}
		return kind, "batch_deployment"
	case KindSchedule:
		for _, action := range []string{"create_monitor", "import_data"} {
			if _, ok := v.Field(action); ok {
				return kind, "schedule/" + action
			}
		}
		return kind, "schedule/create_job"
	case KindCommand, KindPipeline, KindSweep, KindParallel, KindSpark, KindImport:
		return kind, jobSchema(string(kind))
	}
	return kind, string(kind)
}

func jobSchema(t string) string {
	if t == "parallel" {
		return "none" // a parallel job stands in a pipeline only
	}
	return t
}

// guess finds the kind of a file that nobody says anything about.
func guess(v Value, text func(string) string) Kind {
	has := func(keys ...string) bool {
		for _, k := range keys {
			if _, ok := v.Field(k); ok {
				return true
			}
		}
		return false
	}
	schema := strings.TrimSuffix(path.Base(text("$schema")), ".schema.json")
	switch {
	case strings.Contains(schema, "component"):
		return "component"
	case strings.HasSuffix(schema, "job"):
		return "job"
	case strings.Contains(schema, "onlineendpoint"):
		return KindOnlineEndpoint
	case strings.Contains(schema, "onlinedeployment"):
		return KindOnlineDeployment
	case strings.Contains(schema, "batchendpoint"):
		return KindBatchEndpoint
	case strings.Contains(schema, "batchdeployment"):
		return KindBatchDeployment
	case strings.Contains(schema, "schedule"):
		return KindSchedule
	case strings.Contains(schema, "environment"):
		return KindEnvironment
	case strings.Contains(schema, "connection"):
		return KindConnection
	case strings.Contains(schema, "registry"):
		return KindRegistry
	case strings.Contains(schema, "workspace"):
		return KindWorkspace
	case strings.Contains(schema, "compute") || strings.Contains(schema, "vmcompute"):
		return KindCompute
	case strings.HasPrefix(schema, "azureblob") || strings.HasPrefix(schema, "azurefile") || strings.HasPrefix(schema, "azuredatalake") || strings.Contains(schema, "datastore"):
		return KindDatastore
	case schema == "model":
		return KindModel
	case schema == "data":
		return KindData
	}
	switch text("type") {
	case "uri_file", "uri_folder", "mltable":
		return KindData
	case "custom_model", "mlflow_model", "triton_model":
		return KindModel
	case "amlcompute", "computeinstance", "virtualmachine", "synapsespark":
		return KindCompute
	case "kubernetes":
		if has("endpoint_name", "model", "code_configuration", "environment") {
			return KindOnlineDeployment
		}
		return KindCompute
	case "managed":
		return KindOnlineDeployment
	case "azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake":
		return KindDatastore
	case "model":
		return KindBatchDeployment
	}
	switch {
	case has("trigger") && has("create_job", "create_monitor", "import_data"):
		return KindSchedule
	case has("code_configuration", "endpoint_name", "scoring_script", "instance_type", "mini_batch_size", "output_action"):
		if has("compute", "mini_batch_size", "output_action", "settings") {
			return KindBatchDeployment
		}
		return KindOnlineDeployment
	case has("traffic", "auth_mode", "mirror_traffic"):
		return KindOnlineEndpoint
	case has("defaults") && !has("jobs"):
		return KindBatchEndpoint
	case has("conda_file") || has("image", "build") && !has("command", "jobs"):
		return KindEnvironment
	case has("replication_locations"):
		return KindRegistry
	case has("target") && has("credentials"):
		return KindConnection
	case has("path") && !has("command", "jobs", "trial", "type"):
		return KindData
	case has("is_deterministic"), componentPorts(v) && !has("experiment_name", "compute", "settings", "limits"):
		return "component"
	}
	return "job"
}

// componentPorts reports whether the inputs declare ports instead of giving values.
func componentPorts(v Value) bool {
	for _, key := range []string{"inputs", "outputs"} {
		ports, _ := v.Field(key)
		for _, p := range ports.Pairs {
			if p.Value.Kind != cairn.TemplateMap {
				continue
			}
			if key == "inputs" {
				_, hasPath := p.Value.Field("path")
				_, hasType := p.Value.Field("type")
				_, hasValue := p.Value.Field("value")
				return hasType && !hasPath && !hasValue
			}
		}
	}
	_, named := v.Field("name")
	_, shown := v.Field("experiment_name")
	_, version := v.Field("version")
	return named && version && !shown
}
