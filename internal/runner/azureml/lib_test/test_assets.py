import os
import stat

from fakes import Case

from azureml.core import Dataset, Datastore, Model, Workspace
from azureml.data.datapath import DataPath
from azureml.exceptions import DatasetValidationError, ModelNotFoundException, UserErrorException, WebserviceException


def read(name):
    with open(name) as f:
        return f.read()


class Data(Case):
    def setUp(self):
        super(Data, self).setUp()
        self.ws = Workspace()
        self.store = self.ws.get_default_datastore()
        for name in ("a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv"):
            self.write("d/" + name, name)

    def upload(self):
        return Dataset.File.upload_directory("d", DataPath(self.store, "top/one"), overwrite=True, show_progress=False)

    def paths(self, path):
        return Dataset.File.from_files((self.store, path)).to_path()

    def test_there_and_back(self):
        d = self.upload().register(self.ws, "one", description="D", tags={"k": "v"})
        self.assertEqual((d.name, d.version), ("one", 1))
        with self.assertRaisesRegex(UserErrorException, "create_new_version"):
            d.register(self.ws, "one")
        self.assertEqual(d.register(self.ws, "one", create_new_version=True).version, 2)
        got = Dataset.get_by_name(self.ws, "one", version=1)
        self.assertEqual((got.version, got.tags), (1, {"k": "v"}))
        got.download("out")
        self.assertEqual(read("out/sub/c.csv"), "sub/c.csv")
        with self.assertRaisesRegex(UserErrorException, "already exists"):
            got.download("out")
        got.download("out", overwrite=True)
        with got.mount() as m:
            self.assertTrue(os.path.isfile(os.path.join(m.mount_point, "a.csv")))
        self.assertFalse(os.path.exists(m.mount_point))
        self.assertIn("one", self.ws.datasets)
        self.assertEqual(self.ws.datasets["one"].version, 2)

    def test_ids(self):
        d = self.upload().register(self.ws, "one")
        for text in (d.id, "azureml:" + d.id, "one:1", "azureml:one:1"):
            self.assertEqual(Dataset.get_by_id(self.ws, text).name, "one")
        self.assertEqual(Dataset.get_by_name(self.ws, d.id).version, 1)
        for bad in ("one", "/data/one/two"):
            with self.assertRaises(UserErrorException):
                Dataset.get_by_id(self.ws, bad)
        with self.assertRaisesRegex(UserErrorException, "Cannot load any Dataset"):
            Dataset.get_by_name(self.ws, "nope")

    def test_patterns(self):
        self.upload()
        self.assertEqual(self.paths("top/one/*.csv"), ["/a.csv"])
        self.assertEqual(self.paths("top/one/**/*.csv"), ["/a.csv", "/sub/c.csv", "/sub/deep/d.csv"])
        self.assertEqual(self.paths("top/one/*/*.csv"), ["/sub/c.csv"])
        self.assertEqual(self.paths("top/one/sub/**"), ["/c.csv", "/deep/d.csv"])
        self.assertEqual(len(self.paths("top/one/**")), 4)
        self.assertEqual(self.paths("top/one/a.csv"), ["/a.csv"])
        for bad in ("top/one/*.png", "top/one/x.csv", "other"):
            with self.assertRaises(DatasetValidationError):
                self.paths(bad)

    def test_several(self):
        self.upload()
        both = Dataset.File.from_files([(self.store, "top/one/a.csv"), (self.store, "top/one/b.txt")])
        self.assertEqual(both.to_path(), ["/a.csv", "/b.txt"])
        with self.assertRaisesRegex(DatasetValidationError, "more than one"):
            Dataset.File.from_files([(self.store, "top/one/a.csv")] * 2).to_path()
        with self.assertRaises(DatasetValidationError):
            Dataset.File.from_files([])

    def test_tables_come_back_as_tables(self):
        t = Dataset.Tabular.from_delimited_files(self.write("t.csv", "x;y\n1;2\n"), separator=";", header=False).register(self.ws, "t", tags={"k": "v"})
        self.assertEqual(t.tags, {"k": "v"})
        got = Dataset.get_by_name(self.ws, "t")
        self.assertEqual(type(got).__name__, "TabularDataset")
        self.assertEqual((got._how()["azureml.separator"], got._how()["azureml.header"]), (";", "no"))
        self.assertEqual(type(self.ws.datasets["t"]).__name__, "_LazyTable")
        self.assertEqual(self.ws.datasets["t"].version, 1)
        with self.assertRaisesRegex(UserErrorException, "set_column_types"):
            Dataset.Tabular.from_delimited_files("t.csv", set_column_types={"x": 1})
        with self.assertRaisesRegex(UserErrorException, "head"):
            got.take(1)

    def test_datastore_keeps_what_is_there(self):
        self.upload()
        self.write("e/a.csv", "new")
        self.write("e/z.csv", "z")
        self.store.upload("e", "top/one", overwrite=False, show_progress=False)
        self.store.download("got", "top/one")
        self.assertEqual((read("got/a.csv"), read("got/z.csv"), read("got/b.txt")), ("a.csv", "z", "b.txt"))
        Datastore.get(self.ws, "other").upload_files(["e/z.csv"], target_path="p", show_progress=False)
        self.assertEqual(Dataset.File.from_files((Datastore.get(self.ws, "other"), "p/*")).to_path(), ["/z.csv"])
        with self.assertRaisesRegex(UserErrorException, "outside"):
            self.store.upload_files(["e/z.csv"], relative_root="d", show_progress=False)


class Models(Case):
    def test_there_and_back(self):
        ws = Workspace()
        m = Model.register(ws, self.write("m.bin", "1"), "m", tags={"t": "1"}, properties={"p": "q"})
        Model.register(ws, self.write("m.bin", "2"), "m", tags={"t": "2"})
        self.assertEqual((m.version, m.properties, Model(ws, "m").version), (1, {"p": "q"}, 2))
        for made in (Model(ws, "m", version=1), Model(ws, id="m:1"), Model(ws, id=m._row["id"]), Model(ws, m._row["id"]), Model(ws, "m", tags={"t": "1"})):
            self.assertEqual(made.version, 1)
        self.assertEqual([x.version for x in Model.list(ws, "m", properties={"p": "q"})], [1])
        self.assertEqual([x.version for x in Model.list(ws, latest=True)], [2])
        self.assertEqual(Model.get_model_path("m", _workspace=ws), "azureml-models/m/2/m.bin")
        m.download("got")
        self.assertEqual(read("got/m.bin"), "1")
        with self.assertRaisesRegex(WebserviceException, "exist_ok"):
            m.download("got")
        m.download("got", exist_ok=True)

    def test_refused(self):
        with self.assertRaises(ModelNotFoundException):
            Model(Workspace(), "nope")
        with self.assertRaisesRegex(UserErrorException, "no file"):
            Model.register(Workspace(), "nope", "m")
        with self.assertRaisesRegex(UserErrorException, "run_id"):
            Model.list(Workspace(), run_id="r")
        with self.assertRaisesRegex(UserErrorException, "name or id"):
            Model(Workspace())

    def test_served(self):
        os.environ["AZUREML_MODEL_DIR"] = os.path.dirname(self.write("served/m/w.txt"))
        self.assertEqual(Model.get_model_path("m"), os.path.join(self.dir, "served", "m", "w.txt"))


class Program(Case):
    def test_az_that_is_cairn(self):
        del os.environ["CAIRN_PROGRAM"]
        os.makedirs("bin")
        os.symlink(self.program, "bin/az")
        os.environ["PATH"] = os.path.join(self.dir, "bin")
        from azureml import _cairn

        self.assertEqual(_cairn.program(), self.program)
        os.remove("bin/az")
        other = self.write("bin/az", "#!/bin/sh\n")
        os.chmod(other, stat.S_IRWXU)
        with self.assertRaisesRegex(UserErrorException, "not on PATH"):
            _cairn.program()

    def test_errors_are_told(self):
        self.answers("data-list", "ERROR: the disk is full", 1)
        with self.assertRaisesRegex(UserErrorException, "^the disk is full$"):
            Dataset.get_all(Workspace())
