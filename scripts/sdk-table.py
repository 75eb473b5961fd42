#!/usr/bin/env python3
"""Holds docs/reference/azureml-sdk-v1.md and the package that stands in for azureml
against each other: each public class, method and property is in the table, and each row
that says yes is there. --update writes the table."""

import importlib
import inspect
import os
import sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
lib = os.path.join(root, "internal", "runner", "azureml", "lib")
doc = os.path.join(root, "docs", "reference", "azureml-sdk-v1.md")
sys.path.insert(0, lib)
sys.dont_write_bytecode = True

MODULES = [
    "azureml.core.workspace", "azureml.core.authentication", "azureml.core.dataset", "azureml.core.datastore", "azureml.data.datapath",
    "azureml.core.experiment", "azureml.core.script_run_config", "azureml.core.run", "azureml.core.environment", "azureml.core.conda_dependencies",
    "azureml.core.runconfig", "azureml.core.compute", "azureml.core.model", "azureml.core.webservice", "azureml.core.image", "azureml.core.resource_configuration", "azureml.exceptions", "azureml.widgets",
]
# Those of runs that each kind of run has in its own way, and which kinds have them.
KINDS = {name: ("_Logged", "Submitted") for name in ("cancel", "download_file", "download_files", "get_children", "get_details", "get_file_names", "get_metrics", "get_tags", "tags", "wait_for_completion")}
KINDS.update({name: ("_Logged",) for name in ("child_run", "complete", "fail")}, get_portal_url=("Submitted",))
INTERNAL = {"Submitted", "MountContext", "Config", "Provisioning", "Status", "DataPathComputeBinding"}
HEAD = """# The first SDK: what scripts over `azureml.core` find

Scripts of Azure ML's first SDK (`azureml-sdk`, `azureml-core`) run as they are: in jobs a package of Cairn's comes first on
the import path, and `pip install azureml-sdk==1.36.0` and the like install wheels of it in the version that is asked for.
`azure: original` in `config.yaml` leaves the real package alone. By hand: `PYTHONPATH=$(cairn azure sdk) python script.py`.
`cairn azure sdk --wheels DIR --version 1.36.0` writes the wheels, for an environment of one's own.

What is not in the table raises an error that names it and says how it is done now. The table is written and checked by
`scripts/sdk-table.py`.

- A path of a datastore is data named after it: what is uploaded to `shapes/circle` of `workspaceblobstore` is
  `workspaceblobstore_shapes_circle`, in versions. Nothing is mounted: `mount()` and `as_mount()` give a copy.
- `ServicePrincipalAuthentication` checks that its values are there; a job's own rights, or the user's, count.
- `Experiment.submit` makes a command job of Cairn; one that is the same as an earlier one takes its results again.
- `Model.deploy` makes an online endpoint of that name with one deployment, called `default`; ACI, AKS and local web
  services are the same here, and each has keys.
- Wheels stand in for `azureml-core`, `-sdk`, `-defaults`, `-dataset-runtime`, `-dataprep` (`-native`, `-rslex`), `-pipeline`
  (`-core`, `-steps`), `-telemetry`, `-train` (`-core`, `-restclients-hyperdrive`, `-automl`, `-automl-client`), `-automl-core`,
  `-widgets`, `-interpret`, `-explain-model`, `-opendatasets` and `-contrib-{services,dataset,notebook,pipeline-steps}`. They hold
  the modules (`azureml-core`), or only ask for it: importing what is not in the table says so. `azureml-mlflow` and
  `azureml-inference-server-http` are left alone: they work by themselves.
- The packages of the SDK have one version, which all lines about them have to admit: what is pinned, else 1.60.0, else the
  highest that is named; `azureml-dataprep` and its parts count for themselves. Extras bring nothing. A line with a URL
  (`azureml-core @ https://…`) is left as it is, hashes (`--hash`) do not fit the wheels, and what a package that is installed
  with `pip install .` asks for is not looked at. conda files are treated alike, with uv, conda or micromamba; images are not:
  they are the same elsewhere.
- Any name of a workspace, group and subscription leads to the one workspace; `cairn azure map` refuses names
  ([command](cli.md#cairn-azure-map)).
- A table (`Dataset.Tabular`) is kept as the files that it is read from, with how to read them; columns are pandas' to change.
- Metrics go to the run that `MLFLOW_TRACKING_URI` leads to; without one they are printed, as by an offline run.
  A job of a workflow has a run once something is logged: in the experiment that the script names, else in that of its workflow.

| Name | There | |
|---|---|---|
"""


def rows():
    from azureml import _missing

    out = []
    for m in MODULES:
        module = importlib.import_module(m)
        for name, cls in sorted(vars(module).items()):
            if name.startswith("_") or name in INTERNAL or getattr(cls, "__module__", None) != m:
                continue
            if inspect.isfunction(cls):
                if m == "azureml.core.run":
                    out.append((m, name, "yes", ""))
                continue
            if not inspect.isclass(cls):
                continue
            out.append((m, name, "yes", ""))
            for member, what in sorted(inspect.getmembers(cls)):
                if member.startswith("_") or member in ("with_traceback", "args", "add_note") or member not in dir(cls):
                    continue
                if not any(member in vars(b) for b in cls.__mro__ if b.__module__.startswith("azureml")):
                    continue
                text = refusal(what)
                out.append((m, name + "." + member, "refused" if text else "yes", text))
        if m == "azureml.core.run":
            for member in KINDS:
                out.append((m, "Run." + member, "yes", ""))
    for name in sorted(_missing.HOW):
        out.append((name, "", "refused", _missing.HOW[name]))
    return out


def refusal(what):
    """The text of the error of a method that does nothing else than raise one."""
    try:
        lines = [l.strip() for l in inspect.getsource(what).splitlines() if l.strip() and not l.strip().startswith(("@", "#", '"""'))]
    except (TypeError, OSError):
        return ""
    if len(lines) == 2 and lines[1].startswith("raise ") and " is not there: " in lines[1]:
        return lines[1].split(" is not there: ", 1)[1].split('"')[0]
    return ""


def text():
    out = HEAD
    for m, name, there, why in rows():
        out += "| `%s` | %s | %s |\n" % (m + ("." + name if name else ""), there, why.replace("|", "\\|"))
    return out


def wrong():
    """Rows of the table as it stands that are not so, and names that are asked for of kinds
    of runs and are not there."""
    from azureml.core._context import _Logged
    from azureml.core._submitted import Submitted

    out = []
    for name, kinds in sorted(KINDS.items()):
        out += ["%s has no %s" % (k.__name__, name) for k in (_Logged, Submitted) if k.__name__ in kinds and not hasattr(k, name)]
    with open(doc) as f:
        for line in f:
            if not line.startswith("| `azureml"):
                continue
            name, there = [c.strip(" `") for c in line.split("|")[1:3]]
            if there == "yes" and not resolves(name) and name.rsplit(".", 1)[-1] not in KINDS:
                out.append(name + " says yes, and is not there")
            if there == "refused" and resolves(name) and not refusal(resolves(name)):
                out.append(name + " says refused, and is there")
    return out


def resolves(name):
    """What a name leads to; None where it leads nowhere."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            at = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        if ".".join(parts[:n]) in HOLLOW:
            return None
        for p in parts[n:]:
            at = getattr(at, p, None)
        return at
    return None


if __name__ == "__main__":
    from azureml._missing import HOLLOW

    want = text()
    if "--update" in sys.argv:
        with open(doc, "w") as f:
            f.write(want)
    with open(doc) as f:
        if f.read() != want:
            sys.exit("docs/reference/azureml-sdk-v1.md is not what the package has: scripts/sdk-table.py --update")
    if wrong():
        sys.exit("\n".join(wrong()))
    print("%d names: %d yes, %d refused" % (len(rows()), sum(r[2] == "yes" for r in rows()), sum(r[2] == "refused" for r in rows())))
