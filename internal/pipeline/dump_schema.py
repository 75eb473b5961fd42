"""Writes schema.txt: what the azure-ai-ml package (MIT licence) says of its files' keys.

In this folder, with the version of the package that make test-azureml compares with:

    $(../../scripts/python-with.sh azureml azure-ai-ml==1.35.2) dump_schema.py >schema.txt

Hooks of the package (pre_load, post_load, validates) are not in it: they are written out
in Go, in hooks.go and rules*.go.
"""
import importlib
import json
import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "true"

import marshmallow as m  # noqa: E402
from azure.ai.ml._schema.core import fields as F  # noqa: E402
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY  # noqa: E402

S = "azure.ai.ml._schema."
KINDS = {
    "command": S + "job.command_job:CommandJobSchema",
    "pipeline": S + "pipeline.pipeline_job:PipelineJobSchema",
    "sweep": S + "_sweep.sweep_job:SweepJobSchema",
    "parallel": S + "job.parallel_job:ParallelJobSchema",
    "spark": S + "job.spark_job:SparkJobSchema",
    "import": S + "job.import_job:ImportJobSchema",
    "data_transfer/copy_data": S + "job.data_transfer_job:DataTransferCopyJobSchema",
    "data_transfer/import_data": S + "job.data_transfer_job:DataTransferImportJobSchema",
    "data_transfer/export_data": S + "job.data_transfer_job:DataTransferExportJobSchema",
    "automl/classification": S + "automl.table_vertical.classification:AutoMLClassificationSchema",
    "automl/regression": S + "automl.table_vertical.regression:AutoMLRegressionSchema",
    "automl/forecasting": S + "automl.table_vertical.forecasting:AutoMLForecastingSchema",
    "automl/image_classification": S + "automl.image_vertical.image_classification:ImageClassificationSchema",
    "automl/image_classification_multilabel": S + "automl.image_vertical.image_classification:ImageClassificationMultilabelSchema",
    "automl/image_object_detection": S + "automl.image_vertical.image_object_detection:ImageObjectDetectionSchema",
    "automl/image_instance_segmentation": S + "automl.image_vertical.image_object_detection:ImageInstanceSegmentationSchema",
    "automl/text_classification": S + "automl.nlp_vertical.text_classification:TextClassificationSchema",
    "automl/text_classification_multilabel": S + "automl.nlp_vertical.text_classification_multilabel:TextClassificationMultilabelSchema",
    "automl/text_ner": S + "automl.nlp_vertical.text_ner:TextNerSchema",
    "component/command": S + "component.command_component:CommandComponentSchema",
    "component/pipeline": S + "pipeline.pipeline_component:PipelineComponentSchema",
    "component/parallel": S + "component.parallel_component:ParallelComponentSchema",
    "component/spark": S + "component.spark_component:SparkComponentSchema",
    "component/import": S + "component.import_component:ImportComponentSchema",
    "component/data_transfer/copy_data": S + "component.data_transfer_component:DataTransferCopyComponentSchema",
    "component/data_transfer/import_data": S + "component.data_transfer_component:DataTransferImportComponentSchema",
    "component/data_transfer/export_data": S + "component.data_transfer_component:DataTransferExportComponentSchema",
    "component/automl": S + "component.automl_component:AutoMLComponentSchema",
    "data": S + "assets.data:DataSchema",
    "model": S + "assets.model:ModelSchema",
    "environment": S + "assets.environment:EnvironmentSchema",
    "compute/amlcompute": S + "compute.aml_compute:AmlComputeSchema",
    "compute/computeinstance": S + "compute.compute_instance:ComputeInstanceSchema",
    "compute/kubernetes": S + "compute.kubernetes_compute:KubernetesComputeSchema",
    "compute/virtualmachine": S + "compute.virtual_machine_compute:VirtualMachineComputeSchema",
    "compute/synapsespark": S + "compute.synapsespark_compute:SynapseSparkComputeSchema",
    "datastore/azure_blob": S + "_datastore.azure_storage:AzureBlobSchema",
    "datastore/azure_file": S + "_datastore.azure_storage:AzureFileSchema",
    "datastore/azure_data_lake_gen1": S + "_datastore.adls_gen1:AzureDataLakeGen1Schema",
    "datastore/azure_data_lake_gen2": S + "_datastore.azure_storage:AzureDataLakeGen2Schema",
    "datastore/one_lake": S + "_datastore.one_lake:OneLakeSchema",
    "online_endpoint/managed": S + "_endpoint.online.online_endpoint:ManagedOnlineEndpointSchema",
    "online_endpoint/kubernetes": S + "_endpoint.online.online_endpoint:KubernetesOnlineEndpointSchema",
    "online_deployment/managed": S + "_deployment.online.online_deployment:ManagedOnlineDeploymentSchema",
    "online_deployment/kubernetes": S + "_deployment.online.online_deployment:KubernetesOnlineDeploymentSchema",
    "batch_endpoint": S + "_endpoint.batch.batch_endpoint:BatchEndpointSchema",
    "batch_deployment": S + "_deployment.batch.batch_deployment:BatchDeploymentSchema",
    "batch_deployment/model": S + "_deployment.batch.model_batch_deployment:ModelBatchDeploymentSchema",
    "batch_deployment/pipeline": S + "_deployment.batch.pipeline_component_batch_deployment_schema:PipelineComponentBatchDeploymentSchema",
    "schedule/create_job": S + "schedule.schedule:JobScheduleSchema",
    "schedule/create_monitor": S + "monitoring.schedule:MonitorScheduleSchema",
    "schedule/import_data": S + "_data_import.schedule:ImportDataScheduleSchema",
    "workspace": S + "workspace.workspace:WorkspaceSchema",
    "registry": S + "registry.registry:RegistrySchema",
    "connection": S + "workspace.connections.workspace_connection:WorkspaceConnectionSchema",
}
FLAGS = {"required": "req", "dump_only": "ro", "load_only": "lo", "allow_none": "none"}
schemas, building, stack = {}, {}, []


def base(field):
    out = {}
    for attr, flag in FLAGS.items():
        if getattr(field, attr, False):
            out[flag] = True
    if field.data_key:
        out["key"] = field.data_key
    if isinstance(field.load_default, (bool, int, float, str, list, dict)):  # objects have no text that stays the same
        out["def"] = field.load_default
    for v in field.validators:
        if isinstance(v, m.validate.Regexp):
            out["re"] = v.regex.pattern
        elif isinstance(v, m.validate.Range):
            out["range"] = [v.min, v.max, v.min_inclusive, v.max_inclusive]
        elif isinstance(v, m.validate.Length):
            out["len"] = [v.min, v.max, v.equal]
        elif isinstance(v, m.validate.OneOf):
            out["one"] = list(v.choices)
        elif type(v).__name__ not in ("URL",):
            out.setdefault("check", []).append(getattr(v, "__name__", type(v).__name__))
    return out


def node(field):
    name = type(field).__name__
    mro = [c.__name__ for c in type(field).__mro__]
    out = base(field)
    if isinstance(field, F.ExperimentalField):
        inner = node(field.experimental_field)
        inner.update(out)
        return inner
    if isinstance(field, F.StringTransformedEnum):
        out["t"] = "enum"
        out["vals"] = [v for v in field.allowed_values]
        out["case"] = probe_case(field.casing_transform)
    elif isinstance(field, F.UnionField):
        out["t"] = "union"
        out["of"] = [node(f) for f in field._union_fields]
        if name == "TypeSensitiveUnionField":
            out["by"] = field.type_field_name
            out["types"] = field.allowed_types
    elif isinstance(field, m.fields.Nested):
        out["t"] = "nested"
        out["s"] = schema(field.schema)
        if field.many:
            out["t"], out["of"] = "list", [{"t": "nested", "s": out.pop("s")}]
        unknown = field.unknown or field.schema.unknown
        out["u"] = unknown
    elif isinstance(field, m.fields.List):
        out["t"], out["of"] = "list", [node(field.inner)]
    elif isinstance(field, m.fields.Mapping):
        out["t"] = "dict"
        if field.value_field is not None:
            out["of"] = [node(field.value_field)]
        if field.key_field is not None and type(field.key_field).__name__ not in ("String", "Str"):
            out["keys"] = node(field.key_field)
    elif isinstance(field, m.fields.Constant):
        out["t"], out["vals"] = "const", [field.constant]
    else:
        out["t"] = name
        for attr in ("allow_dir", "allow_file", "_allow_dir", "_allow_file", "azureml_type", "allow_default_version", "strict", "pattern", "format"):
            if hasattr(field, attr) and isinstance(getattr(field, attr), (bool, str)):
                out[attr.strip("_")] = getattr(field, attr)
        out["is"] = [c for c in mro[1:] if c in ("String", "Integer", "Float", "Number", "Boolean", "ArmStr", "RegistryStr", "LocalPathField", "DataBindingStr", "PythonFuncNameStr", "PipelineNodeNameStr")]
    return out


def probe_case(f):
    probe = {"lower": ("ABc", "abc"), "upper": ("aBc", "ABC")}
    for name, (a, b) in probe.items():
        try:
            if f(a) == b and f(f(a)) == f(a):
                return name
        except Exception:
            pass
    try:
        if f("abCd") == "ab_cd":
            return "snake"
        if f("ab_cd") in ("abCd", "AbCd"):
            return "camel" if f("ab_cd") == "abCd" else "pascal"
    except Exception:
        pass
    return ""


def schema(s):
    if id(s) in building:
        return building[id(s)][0]
    name = type(s).__name__
    # Pipelines hold pipelines, each an object of its own: the one around stands for it.
    mark = (name, getattr(s, "_data_binding_supported", False))
    for around, placeholder in reversed(stack):
        if around == mark:
            return placeholder
    placeholder = f"{name}#{len(building)}"
    building[id(s)] = (placeholder, s)
    stack.append((mark, placeholder))
    body = {"unknown": s.unknown, "fields": {}, "mro": [c.__name__ for c in type(s).__mro__[:-1] if c.__name__.endswith("Schema") and c.__name__ not in ("Schema", "PatchedBaseSchema")]}
    for attr, f in s.load_fields.items():
        body["fields"][f.data_key or attr] = node(f)
    for attr, f in s.fields.items():
        if attr not in s.load_fields:
            body["fields"][f.data_key or attr] = {"t": "ro", "ro": True}
    schemas[placeholder] = body
    stack.pop()
    return placeholder


def main():
    context = {BASE_PATH_CONTEXT_KEY: "./"}
    kinds = {}
    for kind, path in KINDS.items():
        module, cls = path.split(":")
        try:
            kinds[kind] = schema(getattr(importlib.import_module(module), cls)(context=dict(context)))
        except Exception as err:
            print(f"{kind}: {type(err).__name__}: {err}", file=sys.stderr)
    # Schemas of the same content get one name.
    names = {k: k for k in schemas}
    while True:
        seen, merged = {}, False
        for k in list(schemas):
            text = json.dumps(schemas[k], sort_keys=True)
            if text in seen:
                names[k], merged = seen[text], True
                del schemas[k]
            else:
                seen[text] = k

        def rename(v):
            if isinstance(v, dict):
                for a, b in v.items():
                    if a == "s" and isinstance(b, str):
                        while names.get(b, b) != b:
                            b = names[b]
                        v[a] = b
                    else:
                        rename(b)
            elif isinstance(v, list):
                for b in v:
                    rename(b)

        rename(schemas)
        for kind, k in kinds.items():
            while names.get(k, k) != k:
                k = names[k]
            kinds[kind] = k
        if not merged:
            break
    short, used = {}, {}
    for k in schemas:
        name = k.split("#")[0]
        used[name] = used.get(name, 0) + 1
        short[k] = name if used[name] == 1 else f"{name}.{used[name]}"

    def final(v):
        if isinstance(v, dict):
            return {a: short.get(b, b) if a == "s" else final(b) for a, b in v.items()}
        return [final(b) for b in v] if isinstance(v, list) else v

    version = importlib.import_module("azure.ai.ml._version").VERSION
    print(f"# azure-ai-ml {version}; generated by dump_schema.py; DO NOT EDIT.")
    print(json.dumps({k: short[v] for k, v in kinds.items()}, separators=(",", ":")))
    # One line for each: what a file needs is found without reading the rest.
    for name, body in sorted((short[k], final(v)) for k, v in schemas.items()):
        print(name + "\t" + json.dumps(body, separators=(",", ":")))


main()
