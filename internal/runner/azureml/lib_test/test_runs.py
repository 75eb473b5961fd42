import contextlib
import io
import json
import os
import subprocess
import sys

from fakes import LIB, Case

from azureml.core import Environment, Experiment, Run, ScriptRunConfig, Workspace
from azureml.exceptions import ActivityFailedException, UserErrorException


def quiet(f):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        f()
    return out.getvalue()


class Offline(Case):
    def test_prints_as_the_original(self):
        run = Run.get_context()
        self.assertTrue(run.id.startswith("OfflineRun_"))
        self.assertEqual(quiet(lambda: run.log("acc", 0.9)), "Attempted to log scalar metric acc:\n0.9\n")

    def test_uploads_lie_in_outputs(self):
        self.write("a.txt", "a")
        quiet(lambda: Run.get_context().upload_file("x/a.txt", "a.txt"))
        self.assertTrue(os.path.isfile("outputs/x/a.txt"))
        with self.assertRaisesRegex(UserErrorException, "no file"):
            Run.get_context().upload_file("b", "b.txt")

    def test_known_by_its_class(self):
        from azureml.core.run import _OfflineRun

        self.assertIs(type(Run.get_context()), _OfflineRun)
        self.assertFalse(hasattr(Run.get_context(), "experiment"))

    def test_refused(self):
        with self.assertRaisesRegex(UserErrorException, "not allowed"):
            Run.get_context(allow_offline=False)


class Logged(Case):
    def setUp(self):
        super(Logged, self).setUp()
        self.s = self.track()

    def asked(self, path):
        return [b for p, b, _ in self.s.asked if p == path]

    def test_job_has_a_run(self):
        os.environ["MLFLOW_RUN_ID"] = "given"
        run = Run.get_submitted_run()
        run.log("acc", 0.5)
        run.log("acc", 0.75)
        self.assertEqual(run.id, "given")
        self.assertEqual([(b["run_id"], b["metrics"][0]["value"], b["metrics"][0]["step"]) for b in self.asked("mlflow/runs/log-batch")], [("given", 0.5, 0), ("given", 0.75, 1)])
        self.assertEqual(self.s.asked[0][2], "Bearer secret")
        self.assertEqual(self.asked("mlflow/runs/create"), [])

    def test_the_scripts_experiment(self):
        os.environ["GITHUB_WORKFLOW"] = "Flow"
        Experiment(Workspace(), "shapes")
        Run.get_context().log("a", 1)
        self.assertEqual(self.s.experiments, ["shapes"])

    def test_the_workflow(self):
        os.environ["GITHUB_WORKFLOW"] = "Flow"
        Run.get_context().log("a", 1)
        self.assertEqual(self.s.experiments, ["Flow"])

    def test_child(self):
        os.environ["MLFLOW_RUN_ID"] = "given"
        run = Run.get_context()
        with run.child_run("fold") as child:
            child.log("a", 1)
        self.assertIs(child.parent, run)
        made = self.asked("mlflow/runs/create")[0]
        self.assertEqual(made["run_name"], "fold")
        self.assertIn({"key": "mlflow.parentRunId", "value": "given"}, made["tags"])
        self.assertEqual(self.asked("mlflow/runs/update")[0]["status"], "FINISHED")

    def test_kinds(self):
        os.environ["MLFLOW_RUN_ID"] = "given"
        run = Run.get_context()
        run.log_list("l", list(range(2500)))
        self.assertEqual([len(b["metrics"]) for b in self.asked("mlflow/runs/log-batch")], [1000, 1000, 500])
        run.log_row("r", x=1, y=2)
        run.log_table("t", {"x": [1, 2], "y": [3, 4]})
        self.assertEqual(sorted((m["key"], m["value"], m["step"]) for m in self.asked("mlflow/runs/log-batch")[-1]["metrics"]),
                         [("t.x", 1, 0), ("t.x", 2, 1), ("t.y", 3, 0), ("t.y", 4, 1)])
        run.log("nan", float("nan"))
        self.assertEqual(self.asked("mlflow/runs/log-batch")[-1]["metrics"][0]["value"], "NaN")
        run.log("word", "good")
        self.assertEqual(self.asked("mlflow/runs/set-tag")[-1]["value"], "good")
        with self.assertRaisesRegex(UserErrorException, "a number or a text"):
            run.log("none", None)
        self.assertEqual(run.get_metrics(), {"a": 1.5})
        self.assertEqual(run.get_status(), "Running")

    def test_confusion_matrix(self):
        os.environ["MLFLOW_RUN_ID"] = "given"
        run = Run.get_context()
        good = {"schema_type": "confusion_matrix", "schema_version": "v1", "data": {"class_labels": ["a"], "matrix": [[1]]}}
        run.log_confusion_matrix("cm", json.dumps(good))
        self.assertEqual(json.loads(self.s.files["cm.json"].decode()), good)
        for bad in ("{", {}, dict(good, schema_type="residuals"), dict(good, data={"matrix": []})):
            with self.assertRaises(UserErrorException):
                run.log_confusion_matrix("cm", bad)

    def test_files(self):
        os.environ["MLFLOW_RUN_ID"] = "given"
        run = Run.get_context()
        self.write("d/a.txt", "a")
        self.write("d/e/b.txt", "b")
        run.upload_folder("up", "d")
        run.upload_file("empty", self.write("nothing"))
        self.assertEqual(run.get_file_names(), ["empty", "up/a.txt", "up/e/b.txt"])
        run.download_files("up/e", "got")
        with open("got/up/e/b.txt") as f:
            self.assertEqual(f.read(), "b")
        run.download_file("up/a.txt", "one.txt")
        with self.assertRaisesRegex(UserErrorException, "no file"):
            run.download_file("nope")
        with self.assertRaisesRegex(UserErrorException, "no folder"):
            run.upload_folder("up", "nope")

    def test_image(self):
        os.environ["MLFLOW_RUN_ID"] = "given"

        class Plot(object):
            def savefig(self, name, **kwargs):
                with open(name, "w") as f:
                    f.write("png")

        Run.get_context().log_image("p", plot=Plot())
        self.assertEqual(self.s.files, {"p.png": b"png"})
        with self.assertRaises(UserErrorException):
            Run.get_context().log_image("p")

    def script(self, text):
        env = dict(os.environ, PYTHONPATH=LIB, PYTHONDONTWRITEBYTECODE="1")
        p = subprocess.Popen([sys.executable, "-c", "from azureml.core import Run\nRun.get_context().log('a', 1)\n" + text], env=env, stderr=subprocess.PIPE)
        p.communicate()
        return [b["status"] for b in self.asked("mlflow/runs/update")]

    def test_ends(self):
        self.assertEqual(self.script(""), ["FINISHED"])

    def test_fails(self):
        self.assertEqual(self.script("raise SystemError"), ["FAILED"])


class Metrics(Case):
    def test_of_a_job_that_took_earlier_results(self):
        s = self.track()
        s.found = {"first": [{"key": "a", "value": 1}, {"key": "n", "value": "NaN"}]}
        s.experiments.append("exp")
        self.answers("job-show", {"status": "Completed", "experiment_name": "exp", "services": {"Studio": {"endpoint": "http://x/runs/8"}}})
        self.answers("api-8", {"submitted": {"name": "again", "outputs": {"artifacts": 'data:{"ref":"artifact/5.1/main.artifacts"}'}}})
        self.answers("api-5", {"submitted": {"name": "first", "outputs": {"artifacts": 'data:{"ref":"artifact/5.1/main.artifacts"}'}}})
        exp = Experiment(Workspace(), "exp")
        self.assertEqual(Run(exp, "again").get_metrics("a"), {"a": 1})
        self.assertNotEqual(Run(exp, "first").get_metrics()["n"], Run(exp, "first").get_metrics()["n"])  # NaN


class Listed(Case):
    def test_jobs_and_runs(self):
        s = self.track()
        s.experiments.append("exp")

        def row(name, **tags):
            return {"info": {"run_id": "id-" + name, "run_name": name}, "data": {"tags": [{"key": k.replace("_", "."), "value": v} for k, v in tags.items()]}}

        s.listed = [row("own", t="1"), row("job1"), row("kid", mlflow_parentRunId="id-own")]
        self.answers("job-list", [{"name": "waits", "experiment_name": "exp"}, {"name": "job1", "experiment_name": "exp", "tags": {"t": "1"}}, {"name": "x", "experiment_name": "other"}])
        exp = Experiment(Workspace(), "exp")
        self.assertEqual([r.id for r in exp.get_runs()], ["waits", "id-own", "job1"])
        self.assertEqual([r.id for r in exp.get_runs(tags={"t": "1"})], ["id-own", "job1"])
        self.assertEqual([r.id for r in exp.get_runs(include_children=True)], ["waits", "id-own", "job1", "id-kid"])
        self.assertEqual(list(Experiment(Workspace(), "nobody").get_runs()), [])
        os.environ["MLFLOW_RUN_ID"] = "given"
        self.assertEqual(len(list(Run.get_context().get_children())), 3)
        self.assertEqual(s.asked[-1][1]["filter"], "tags.`mlflow.parentRunId` = 'given'")

    def test_by_id(self):
        self.track()
        self.answers("job-show", "ERROR: no", 3)
        self.assertEqual(Run.get(Workspace(), "abc").get_metrics(), {"a": 1.5})
        self.answers("job-show", {"status": "Completed"})
        self.assertEqual(Run.get(Workspace(), "abc").get_status(), "Completed")


class Submits(Case):
    def job(self, config):
        self.answers("job-create", {"name": "kind_name"})
        run = Experiment(Workspace(), "exp").submit(config, tags={"n": 1})
        self.assertEqual(run.id, "kind_name")
        return self.lines("job", "create")[-1]["file"]

    def test_file(self):
        from azureml.core import Dataset
        from azureml.core.dataset import OutputFileDatasetConfig
        from azureml.core.runconfig import MpiConfiguration

        self.write("src/train.py")
        d = Dataset.File.from_files(os.path.dirname(self.write("d/a.txt"))).register(Workspace(), "d")
        out = OutputFileDatasetConfig("made").register_on_complete("made-data")
        env = Environment("e")
        env.environment_variables["K"] = "v"
        env.python.conda_dependencies.add_pip_package("numpy==1.19")
        job = self.job(ScriptRunConfig("src", "train.py", ["--data", d.as_named_input("data").as_download(), "--again", d.as_named_input("data").as_download(), "--out", out, "a b"],
                                       environment=env, max_run_duration_seconds=60, distributed_job_config=MpiConfiguration(2, 3), compute_target="pool"))
        self.assertEqual(job["command"], "python train.py --data ${{inputs.data}} --again ${{inputs.data}} --out ${{outputs.made}} 'a b'")
        self.assertEqual(job["inputs"], {"data": {"type": "uri_folder", "path": "azureml:d:1", "mode": "download"}})
        self.assertEqual(job["outputs"], {"made": {"type": "uri_folder", "name": "made-data"}})
        self.assertEqual(job["distribution"], {"type": "mpi", "process_count_per_instance": 2})
        self.assertEqual((job["resources"], job["limits"], job["compute"]), ({"instance_count": 3}, {"timeout": 60}, "azureml:pool"))
        self.assertEqual((job["experiment_name"], job["tags"], job["environment_variables"]), ("exp", {"n": "1"}, {"K": "v"}))
        self.assertEqual(job["environment"]["conda_file"]["dependencies"][-1], {"pip": ["numpy==1.19"]})

    def test_two_of_one_name(self):
        from azureml.core import Dataset

        self.write("src/train.py")
        a = Dataset.File.from_files(self.write("a.txt")).register(Workspace(), "a")
        b = Dataset.File.from_files(self.write("b.txt")).register(Workspace(), "b")
        job = self.job(ScriptRunConfig("src", "train.py", [a.as_named_input("x").as_mount(), b.as_named_input("x").as_mount()]))
        self.assertEqual(sorted(i["path"] for i in job["inputs"].values()), ["azureml:a:1", "azureml:b:1"])

    def test_refused(self):
        with self.assertRaisesRegex(UserErrorException, "no script"):
            self.job(ScriptRunConfig(".", "nope.py"))
        with self.assertRaises(UserErrorException):
            ScriptRunConfig(".")
        with self.assertRaisesRegex(UserErrorException, "takes a ScriptRunConfig"):
            Experiment(Workspace(), "e").submit(object())

    def test_a_job_that_failed(self):
        self.answers("job-show", {"status": "Failed", "experiment_name": "exp"})
        run = Run(Experiment(Workspace(), "exp"), "kind_name")
        with self.assertRaises(ActivityFailedException):
            run.wait_for_completion()
        self.assertEqual(run.wait_for_completion(raise_on_error=False)["status"], "Failed")

    def test_model_of_a_job(self):
        m = Run(Experiment(Workspace(), "exp"), "kind_name").register_model("m", "outputs/model", tags={"a": "b"}, properties={"p": 1})
        self.assertEqual(self.lines("model", "create")[-1]["file"]["path"], "azureml://jobs/kind_name/outputs/artifacts/paths/outputs/model")
        self.assertEqual((m.tags, m.properties), ({"a": "b"}, {"p": "1"}))
