"""Run by TestMLTable: python3 test_mltable.py, with and without pandas."""
import datetime
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mltable  # noqa: E402


class Tables(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.write("a.csv", "name,age,ok\nann,31,true\nbob,,false\n")
        self.write("b.csv", "name,age,ok\ncleo,45,true\n")
        self.write("2024/05/07/x.jsonl", '{"k": 1}\nnot json\n{"k": 2}\n')

    def write(self, name, text):
        path = os.path.join(self.dir.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def table(self, paths, *steps):
        self.write("MLTable", json.dumps({"type": "mltable", "paths": paths, "transformations": list(steps)}))
        return mltable.load(self.dir.name)

    def rows(self, *steps):
        return list(self.table([{"pattern": "./*.csv"}], "read_delimited", *steps).rows())

    def test_types(self):
        self.assertEqual(self.rows()[0], {"name": "ann", "age": 31, "ok": True})
        self.assertIsNone(self.rows()[1]["age"])
        self.assertEqual(len(self.rows()), 3)

    def test_steps(self):
        self.assertEqual(self.rows({"keep_columns": ["age"]}, {"take": 1}), [{"age": 31}])
        self.assertEqual(self.rows({"drop_columns": "age"}, {"skip": 2}), [{"name": "cleo", "ok": True}])
        self.assertEqual([r["name"] for r in self.rows({"filter": 'col("age") > 30 and not col("name").startswith("c")'})], ["ann"])
        self.assertEqual(self.rows({"convert_column_types": [{"columns": "age", "column_type": "string"}]})[0]["age"], "31")
        dated = self.rows({"convert_column_types": [{"columns": ["age"], "column_type": {"datetime": {"formats": ["%d"]}}}]}, {"take": 1})
        self.assertEqual(dated[0]["age"].day, 31)

    def test_sample_and_split(self):
        t = self.table([{"file": "a.csv"}, {"file": "b.csv"}], {"read_delimited": {}})
        half, rest = t.random_split(percent=0.5, seed=3)
        self.assertEqual(sorted(r["name"] for p in (half, rest) for r in p.rows()), ["ann", "bob", "cleo"])
        some = t.take_random_sample(0.5, seed=7)
        self.assertEqual(list(some.rows()), list(some.rows()))

    def test_json_lines_and_partitions(self):
        paths = [{"pattern": "./**/*.jsonl"}]
        t = self.table(paths, {"read_json_lines": {"invalid_lines": "drop"}},
                       {"extract_columns_from_partition_format": "/{day:yyyy/MM/dd}/x.jsonl"})
        self.assertEqual(list(t.rows())[1], {"day": datetime.datetime(2024, 5, 7), "k": 2})
        with self.assertRaisesRegex(ValueError, "x.jsonl:2"):
            list(self.table(paths, {"read_json_lines": {}}).rows())

    def test_files_alone(self):
        self.assertEqual([os.path.basename(r["Path"]) for r in self.table([{"folder": "."}]).rows()], ["x.jsonl", "MLTable", "a.csv", "b.csv"])

    def test_refused(self):
        for step, message in (({"filter": "__import__('os')"}, "not understood"), ({"filter": "col('x').__class__"}, "not understood"),
                              ({"read_delta_lake": {}}, "not done here")):
            with self.assertRaisesRegex((ValueError, NotImplementedError), message):
                self.rows(step)
        with self.assertRaisesRegex(KeyError, "no column"):
            self.rows({"filter": "col('x') == 1"})
        with self.assertRaises(NotImplementedError):
            mltable.load("azureml://datastores/d/paths/p")
        with self.assertRaises(FileNotFoundError):
            list(self.table([{"file": "absent.csv"}]).rows())

    def test_save(self):
        t = mltable.from_delimited_files([{"file": os.path.join(self.dir.name, "a.csv")}]).filter("col('age') == 31")
        t.save(os.path.join(self.dir.name, "saved"))
        self.assertEqual([r["name"] for r in mltable.load(os.path.join(self.dir.name, "saved")).rows()], ["ann"])

    def test_pandas(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("pandas is not installed")
        frame = self.table([{"file": "a.csv"}], "read_delimited").to_pandas_dataframe()
        self.assertEqual(list(frame.columns), ["name", "age", "ok"])


if __name__ == "__main__":
    unittest.main()
