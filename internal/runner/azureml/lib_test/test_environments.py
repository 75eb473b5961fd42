import json

from fakes import Case

from azureml.core import Environment, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import InferenceConfig
from azureml.exceptions import UserErrorException

CONDA = """# what the model needs
name: shapes
channels:
  - conda-forge
dependencies:
- python=3.8
- 'scipy=1.4'
- pip:  # from PyPI
    - --extra-index-url https://example.com/simple
    - tensorflow==2.7.0
    - "numpy>=1.19,<2"
"""


class Conda(Case):
    def test_a_file_can_be_changed(self):
        c = CondaDependencies(self.write("conda.yml", CONDA))
        self.assertEqual((c.python, c.conda_packages, c.pip_packages), ("3.8", ["scipy=1.4"], ["tensorflow==2.7.0", "numpy>=1.19,<2"]))
        c.add_pip_package("pillow")
        c.remove_pip_package("tensorflow")
        self.assertEqual(json.loads(c.serialize_to_string()), {"channels": ["conda-forge"], "dependencies": [
            "python=3.8", "scipy=1.4", "pip", {"pip": ["--extra-index-url https://example.com/simple", "numpy>=1.19,<2", "pillow"]}]})
        again = CondaDependencies(c.save("again.yml"))
        self.assertEqual(again.pip_packages, c.pip_packages)

    def test_what_is_more_is_left_as_it_is(self):
        for text in ("dependencies: [python, pip]\n", "dependencies:\n- python\nvariables:\n  A: b\n", "dependencies:\n- &a python\n", "dependencies:\n- python:\n    x\n"):
            c = CondaDependencies(self.write("conda.yml", text))
            self.assertEqual(c.serialize_to_string(), text)
            for change in (lambda: c.add_pip_package("x"), lambda: c.pip_packages):
                with self.assertRaisesRegex(UserErrorException, "as it is"):
                    change()

    def test_made(self):
        c = CondaDependencies.create(pip_packages=["a==1"], conda_packages=["b"], python_version="3.9")
        self.assertEqual(json.loads(c.serialize_to_string())["dependencies"], ["python=3.9", "b", "pip", {"pip": ["a==1"]}])


class Environments(Case):
    def test_kept_and_found(self):
        self.answers("environment-create", {"name": "e", "version": "3"})
        e = Environment.from_conda_specification("e", self.write("conda.yml", CONDA))
        e.environment_variables = {"A": "b"}
        e.register(Workspace())
        made = self.lines("environment", "create")[0]["file"]
        self.assertEqual((made["conda_file"], e._spec()), ("conda.yml", "azureml:e:3"))
        self.answers("environment-show", {"name": "e", "version": "3", "tags": made["tags"]})
        self.assertEqual(Environment.get(Workspace(), "e").environment_variables, {"A": "b"})
        self.answers("environment-list", [{"name": "e", "latest version": "3", "tags": {}}])
        self.assertEqual(Workspace().environments["e"]._spec(), "azureml:e:3")
        self.answers("environment-show", "ERROR: no", 3)
        with self.assertRaisesRegex(UserErrorException, "no environment nope"):
            Environment.get(Workspace(), "nope")
        self.assertEqual(Environment.get(Workspace(), "AzureML-Minimal")._spec(), "azureml:AzureML-Minimal@latest")

    def test_pip_and_image(self):
        e = Environment.from_pip_requirements("e", self.write("r.txt", "a==1  # one\n\n# two\nb\n"))
        self.assertEqual(e.python.conda_dependencies.pip_packages, ["a==1", "b"])
        self.assertEqual(Environment.from_docker_image("e", "python:3.8")._spec(), {"image": "python:3.8"})

    def test_nothing_is_passed_over(self):
        e = Environment("e")
        e.docker.base_dockerfile = "FROM x"
        with self.assertRaisesRegex(UserErrorException, "base_dockerfile"):
            e._spec()
        with self.assertRaisesRegex(UserErrorException, "extra_docker_file_steps"):
            InferenceConfig("score.py", extra_docker_file_steps="x")
