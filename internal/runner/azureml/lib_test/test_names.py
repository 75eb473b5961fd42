"""Names that are not there, and those of exceptions, compute and services."""

import subprocess
import sys
import unittest

from fakes import LIB, Case

from azureml.core import Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.webservice import AciWebservice, Webservice
from azureml.exceptions import AuthenticationException, WebserviceException


class Missing(unittest.TestCase):
    def test_modules(self):
        for line, said in (
            ("from azureml.train.estimator import Estimator", "azureml.train.estimator: ScriptRunConfig"),
            ("from azureml.train.hyperdrive import HyperDriveConfig", "azureml.train.hyperdrive: a sweep job"),
            ("from azureml.pipeline.core import Pipeline", "azureml.pipeline.core: a pipeline job"),
            ("from azureml.pipeline.steps import PythonScriptStep", "azureml.pipeline.steps: a step"),
            ("import azureml.core.nope", "azureml.core.nope"),
            ("import azureml.data.data_reference", "as_mount"),
        ):
            with self.assertRaises(ImportError) as e:
                exec(line, {})
            self.assertIn(said, str(e.exception), line)

    @unittest.skipIf(sys.version_info < (3, 7), "modules have no __getattr__")
    def test_names_of_modules(self):
        with self.assertRaisesRegex(ImportError, "azureml.core.Keyvault: secrets"):
            exec("from azureml.core import Keyvault", {})
        import azureml.core

        self.assertFalse(hasattr(azureml.core, "Keyvault"))
        with self.assertRaisesRegex(AttributeError, "azureml.core.Keyvault: secrets"):
            azureml.core.Keyvault

    def test_attributes(self):
        from azureml.core import Run

        with self.assertRaisesRegex(AttributeError, "azureml.core.workspace.Workspace.frobnicate"):
            Workspace().frobnicate()
        with self.assertRaisesRegex(AttributeError, "Workspace.frobnicate"):
            Workspace.frobnicate()
        with self.assertRaisesRegex(AttributeError, "azureml.core.run.Run.submit_child: Experiment.submit"):
            Run.get_context().submit_child()
        self.assertFalse(hasattr(Workspace(), "frobnicate"))

    def test_import_asks_for_little(self):
        code = "import sys, azureml.core; print([m for m in ('subprocess', 'urllib.request', 'tempfile', 'json', 'ssl') if m in sys.modules])"
        out = subprocess.check_output([sys.executable, "-I", "-c", "import sys; sys.path.insert(0, %r); %s" % (LIB, code)]).decode()
        self.assertNotIn("subprocess", out)
        self.assertNotIn("urllib.request", out)

    def test_exceptions(self):
        from azureml._common.exceptions import AzureMLException
        from azureml.core.authentication import ServicePrincipalAuthentication

        self.assertTrue(issubclass(WebserviceException, AzureMLException))
        with self.assertRaisesRegex(AuthenticationException, "service_principal_password is empty"):
            ServicePrincipalAuthentication("t", "i", "")


class Compute(Case):
    def test_created_when_it_is_not_there(self):
        self.answers("compute-show", "ERROR: no", 3)
        with self.assertRaises(ComputeTargetException):
            ComputeTarget(Workspace(), "pool")
        self.answers("compute-create", {"name": "pool", "type": "amlcompute", "size": "S"})
        c = ComputeTarget.create(Workspace(), "pool", AmlCompute.provisioning_configuration("S", min_nodes=1, max_nodes=2))
        c.wait_for_completion()
        self.assertEqual((c.name, c.type, c.get_status().provisioning_state), ("pool", "AmlCompute", "Succeeded"))
        line = self.lines("compute", "create")[0]["args"]
        self.assertEqual(line[line.index("--max-instances") + 1], "2")
        with self.assertRaises(ComputeTargetException):
            ComputeTarget.attach(Workspace(), "x", None)


class Services(Case):
    def deploy(self):
        from azureml.core import Environment, Model
        from azureml.core.model import InferenceConfig

        ws = Workspace()
        self.write("src/score.py")
        m = Model.register(ws, self.write("m.bin"), "m")
        config = AciWebservice.deploy_configuration(cpu_cores=1, tags={"a": 1}, description="D")
        return Model.deploy(ws, "my_service", [m], InferenceConfig("score.py", source_directory="src", environment=Environment("e")), config, overwrite=True)

    def test_deploy(self):
        self.answers("online-endpoint-show", {"name": "my-service", "scoring_uri": "http://127.0.0.1:1/score", "traffic": {"blue": 0, "default": 100}})
        self.answers("online-deployment-list", [{"name": "blue", "provisioning_state": "Failed"}, {"name": "default", "provisioning_state": "Succeeded"}])
        s = self.deploy()
        self.assertEqual(self.lines("online-endpoint", "create")[0]["file"], {"name": "my-service", "auth_mode": "key", "tags": {"a": "1"}, "description": "D"})
        spec = self.lines("online-deployment", "create")[0]["file"]
        self.assertEqual((spec["model"], spec["code_configuration"]["scoring_script"], spec["endpoint_name"]), ("azureml:m:1", "score.py", "my-service"))
        s.wait_for_deployment()
        self.assertEqual(s.state, "Healthy")
        self.answers("online-deployment-get-logs", "a line\n")
        self.assertEqual(s.get_logs(), "a line\n")
        with self.assertRaisesRegex(WebserviceException, "together"):
            s.update(models=[])

    def test_state_is_that_of_the_deployment(self):
        self.answers("online-endpoint-show", {"name": "x", "scoring_uri": "u", "traffic": {"default": 100}})
        self.answers("online-deployment-list", [{"name": "default", "provisioning_state": "Failed"}])
        with self.assertRaisesRegex(WebserviceException, "is Failed"):
            Webservice(Workspace(), "x").wait_for_deployment()
        self.answers("online-endpoint-show", "ERROR: no", 3)
        with self.assertRaisesRegex(WebserviceException, "not found"):
            Webservice(Workspace(), "x")
