package internal_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/pipeline"
)

const azureTable = "../docs/reference/azure-ml.md"

// executed are the kinds whose keys are told one by one, in the order of the page.
var executed = []string{
	"command", "pipeline", "sweep", "node/command", "node/pipeline", "node/sweep", "node/parallel", "node/if_else", "node/do_while", "node/parallel_for",
	"component/command", "component/pipeline", "component/parallel", "data", "model", "environment", "schedule/create_job",
}

const (
	spark    = "refused; run the script in a command job with pyspark in its environment"
	automl   = "refused; use a sweep over a script of your own, or an AutoML library in a command job"
	transfer = "refused; copy the data in a command job"
	imported = "refused; fetch the data in a command job and register its output"
	serving  = "kept: read and checked; serve with `.cairn/stages.yml` and `cairn deploy`"
	machines = "read and checked; amlcompute and computeinstance are made with `cairn compute create`, and jobs run on this machine"
	places   = "kept: read and checked"
	watching = "refused; run a command job on a schedule"
)

// wholeKinds are kinds of which every key has the same fate.
var wholeKinds = map[string]string{
	"spark": spark, "component/spark": spark, "automl": automl, "component/automl": automl, "data_transfer": transfer, "component/data_transfer": transfer,
	"import": imported, "component/import": imported, "compute": machines, "datastore": places, "workspace": places, "registry": places, "connection": places,
	"online_endpoint": serving, "online_deployment": serving, "batch_endpoint": "kept: read and checked; run a parallel component in a pipeline",
	"batch_deployment": "kept: read and checked; run a parallel component in a pipeline", "schedule/create_monitor": watching, "schedule/import_data": imported,
	"parallel": "refused; a parallel job stands in a pipeline, as a node or a component",
}

// fates say what becomes of a key. One of a kind ("sweep limits.timeout") goes before one
// of all kinds, a longer path before a shorter one.
var fates = map[string]string{
	"$schema": "kept: it says nothing", "additional_includes": "yes", "additional_includes.*": "refused; name a path", "allowed_deployment_templates": "kept",
	"auto_delete_setting": "kept", "body": "yes", "build": "yes: built by a Docker engine, and the command runs in a container of it", "code": "yes: a folder, a file, or a registered snapshot; `git+https` is refused", "command": "yes",
	"comment": "kept", "component": "yes", "compute": "yes: jobs run on this machine, and `cairn compute` bounds how many at once", "conda_file": "yes", "condition": "yes", "create_job": "yes",
	"datastore": "kept", "default_deployment_template": "kept", "description": "yes", "display_name": "yes",
	"distribution": "yes: several processes of this machine", "distribution.address": "refused; call ray.init() in the command", "distribution.dashboard_port": "refused", "distribution.port": "refused",
	"distribution.head_node_additional_args": "refused", "distribution.include_dashboard": "refused", "distribution.worker_node_additional_args": "refused",
	"distribution.type": "pytorch, mpi, tensorflow: yes; ray: refused", "early_termination": "yes", "environment": "yes", "environment_variables": "yes", "environment_variables.value": "kept",
	"error_threshold": "yes", "experiment_name": "yes", "false_block": "yes", "true_block": "yes", "flavors": "yes", "id": "kept", "identity": "kept: a job has the rights of its token",
	"image": "yes, in a container: `cairn environment map NAME --docker`; else commands run on this machine, with the Python that its tag names", "inference_config": "kept", "input_data": "yes", "inputs": "yes", "inputs.*.datastore": "kept", "inputs.*.mode": "kept: each mode gives a copy of its own, also direct and eval_*", "outputs.*.mode": "kept: what is written is kept when the command has ended", "inputs.*.path_on_compute": "kept",
	"inputs.*.intellectual_property": "kept", "outputs.*.intellectual_property": "kept", "intellectual_property": "kept", "is_deterministic": "yes: false is never reused", "items": "yes", "jobs": "yes",
	"limits": "yes", "logging_level": "yes", "mapping": "yes", "max_concurrency": "yes", "max_concurrency_per_instance": "yes", "mini_batch_error_threshold": "yes", "mini_batch_size": "yes",
	"name": "yes", "objective": "yes", "os_type": "kept", "outputs": "yes", "outputs.*.early_available": "kept", "parent_job_name": "kept", "partition_keys": "yes", "path": "yes", "properties": "yes",
	"queue_settings": "kept: no queue of a service", "resources": "kept", "resources.docker_args": "yes, in a container", "resources.shm_size": "yes, in a container", "resources.instance_count": "yes: with distribution, that many times its processes", "retry_settings": "yes", "sampling_algorithm": "yes",
	"search_space": "yes", "services": "kept, with a warning: they are not started", "settings": "yes", "settings.default_compute": "yes, as `compute`", "settings.default_datastore": "kept: outputs lie in Cairn's store",
	"stage": "yes", "system_metadata": "kept", "tags": "yes", "task": "yes", "task.model": "refused; type: run_function", "task.type": "run_function, function: yes; model: refused", "trial": "yes", "trigger": "yes",
	"trigger.event": "yes: beyond the original", "trigger.name": "yes: of an event, beyond the original", "type": "yes", "version": "yes",
	"component/parallel resources.instance_count": "kept: max_concurrency_per_instance says how many at a time", "node/parallel resources.instance_count": "kept: max_concurrency_per_instance says how many at a time",
	"sweep resources.instance_count": "kept", "node/sweep resources.instance_count": "kept", "schedule/create_job properties": "kept",
	"component/command properties": "kept",
}

// fate is what becomes of a field; "" for one that nobody decided about.
func fate(f pipeline.Field) (what, decided string) {
	for path := f.Path; ; {
		for _, key := range []string{f.Kind + " " + path, path} {
			if s, ok := fates[key]; ok {
				return s, key
			}
		}
		i := strings.LastIndex(path, ".")
		if i < 0 {
			return "", ""
		}
		path = path[:i]
	}
}

// TestAzureReference holds the tables of docs/reference/azure-ml.md against the keys that
// are read. make docs writes them anew.
func TestAzureReference(t *testing.T) {
	t.Parallel()
	fields, err := pipeline.Fields()
	if err != nil {
		t.Fatal(err)
	}
	byKind := map[string][]pipeline.Field{}
	var kinds []string
	for _, f := range fields {
		if byKind[f.Kind] == nil {
			kinds = append(kinds, f.Kind)
		}
		byKind[f.Kind] = append(byKind[f.Kind], f)
	}
	used := map[string]bool{}
	var single, whole strings.Builder
	for _, kind := range executed {
		fmt.Fprintf(&single, "### %s\n\n| Field | Takes | Cairn |\n|---|---|---|\n", kind)
		for _, f := range byKind[kind] {
			what, key := fate(f)
			if what == "" {
				t.Errorf("%s: nobody said what becomes of %s", kind, f.Path)
			}
			used[key] = true
			required := ""
			if f.Required {
				required = " (needed)"
			}
			fmt.Fprintf(&single, "| `%s`%s | %s | %s |\n", f.Path, required, cell(f.Takes), what)
		}
		single.WriteString("\n")
	}
	whole.WriteString("| Kind | Cairn | Fields |\n|---|---|---|\n")
	for _, kind := range kinds {
		if slices.Contains(executed, kind) {
			continue
		}
		group, _, _ := strings.Cut(kind, "/")
		what, ok := wholeKinds[kind]
		for _, key := range []string{strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(kind, "/copy_data"), "/import_data"), "/export_data"), group} {
			if !ok {
				what, ok = wholeKinds[key]
			}
		}
		if !ok {
			t.Errorf("nobody said what becomes of files of kind %s", kind)
		}
		var names []string
		for _, f := range byKind[kind] {
			if !strings.Contains(f.Path, ".") {
				names = append(names, "`"+f.Path+"`")
			}
		}
		fmt.Fprintf(&whole, "| %s | %s | %s |\n", kind, what, strings.Join(names, ", "))
	}
	for key := range fates {
		if !used[key] {
			t.Errorf("no field is %q", key)
		}
	}
	rewrite(t, azureTable, map[string]string{"fields": single.String(), "kinds": whole.String()})
}

func cell(s string) string {
	s = strings.ReplaceAll(s, "|", "\\|")
	if r := []rune(s); len(r) > 140 {
		s = string(r[:140]) + "…"
	}
	return s
}

// rewrite holds the generated parts of a page against the code.
func rewrite(t *testing.T, page string, parts map[string]string) {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, part := range parts {
		begin, end := "<!-- "+name+": written by make docs -->\n", "<!-- end of "+name+" -->\n"
		head, rest, ok := strings.Cut(text, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the table of %s", page, name)
		}
		text = head + begin + part + end + tail
	}
	if text == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says: make docs", page)
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
