package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// nodesOnly are types of jobs that have no file of their own.
var nodesOnly = []string{"parallel", "data_transfer", "if_else", "do_while", "parallel_for"}

// typesOf are the types that files of a kind have.
func typesOf(asked Kind) []string {
	switch asked {
	case "job":
		return []string{"command", "pipeline", "sweep", "spark", "automl", "import"}
	case "component":
		return []string{"command", "pipeline", "parallel", "spark", "import", "data_transfer", "automl"}
	case KindCompute:
		return []string{"amlcompute", "computeinstance", "kubernetes", "virtualmachine", "synapsespark"}
	case KindDatastore:
		return []string{"azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake"}
	}
	return []string{"command", "pipeline", "sweep", "parallel", "uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model",
		"amlcompute", "computeinstance", "kubernetes", "virtualmachine", "azure_blob", "azure_file"}
}

// tasks are those of jobs and components that are told apart by task.
var tasks = map[string][]string{
	"automl": {"classification", "regression", "forecasting", "image_classification", "image_classification_multilabel", "image_object_detection",
		"image_instance_segmentation", "text_classification", "text_classification_multilabel", "text_ner"},
	"data_transfer": {"copy_data", "import_data", "export_data"},
}

// unknownKind says why a file is of no kind.
func unknownKind(root Value, asked Kind) cairn.Problem {
	t, ok := root.Field("type")
	p := cairn.Problem{Position: root.Pos, Severity: cairn.SeverityError, Code: "pipeline.kind", Path: "type", Value: found(t)}
	names := typesOf(asked)
	alone := (asked == "job" || asked == "") && slices.Contains(nodesOnly, t.Text)
	of := tasks[strings.ToLower(t.Text)]
	switch {
	case !ok:
		p.Message = "type is missing: it has to be " + oneOf(names)
	case alone:
		p.Position, p.Message = t.Pos, fmt.Sprintf("type: %s has no file of its own: it stands among the jobs of a pipeline", shown(t))
	case of != nil && (asked == "job" || asked == "component"):
		task, ok := root.Field("task")
		p.Path, p.Value = "task", found(task)
		if !ok {
			p.Message = "task is missing: it has to be " + oneOf(of)
			break
		}
		p.Position, p.Hint = task.Pos, didYouMean(task.Text, of)
		p.Message = fmt.Sprintf("task: %s; it has to be %s", shown(task), oneOf(of))
	default:
		p.Position, p.Hint = t.Pos, didYouMean(t.Text, names)
		p.Message = fmt.Sprintf("type: %s; it has to be %s", shown(t), oneOf(names))
	}
	return p
}
