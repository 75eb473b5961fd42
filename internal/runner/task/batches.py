"""Runs a script with init() and run(mini_batch) over an input, in several processes.

    python batches.py SPEC.json

The contract of the script is that of parallel jobs of Azure Machine Learning: init() once
in each process, run(mini_batch) with a list of paths (or a DataFrame, for tables), which
returns a list or a DataFrame with one entry for each item, and shutdown() at the end where
there is one. Only the standard library is needed; tables need pandas.
"""
import argparse
import importlib.util
import json
import multiprocessing
import os
import queue
import sys
import threading
import time
import traceback

# Arguments that are the runner's own: a script is not given them.
OWN = {
    "error_threshold": int, "mini_batch_error_threshold": int, "allowed_failed_percent": float, "allowed_failed_count": int,
    "append_row_file_name": str, "task_overhead_timeout": int, "progress_update_timeout": int, "first_task_creation_timeout": int,
    "copy_logs_to_parent": str, "metrics_name_prefix": str, "push_metrics_to_parent": str, "resource_monitor_interval": int,
    "logging_level": str, "mini_batch_size": str, "process_count_per_node": int, "run_max_try": int, "run_invocation_timeout": int,
}


def split_args(args):
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    for name, kind in OWN.items():
        parser.add_argument("--" + name, type=kind)
    own, rest = parser.parse_known_args(args)
    return {k: v for k, v in vars(own).items() if v is not None}, rest


def load(entry, args):
    folder = os.path.dirname(os.path.abspath(entry))
    sys.path.insert(0, folder)
    sys.argv = [entry, *args]
    spec = importlib.util.spec_from_file_location("entry_script", entry)
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_script"] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise AttributeError(f"{entry} has no function run(mini_batch)")
    return module


def worker(conn, spec, number):
    """One process: it is sent batches, and answers ("done", rows, items) or ("failed", text)."""
    os.environ["AZUREML_BI_PROCESS"] = str(number)
    try:
        module = load(spec["entry"], spec["args"])
        if callable(getattr(module, "init", None)):
            module.init()
    except BaseException:  # a script may call sys.exit
        conn.send(("broken", traceback.format_exc()))
        return
    conn.send(("ready", None))
    while True:
        batch = conn.recv()
        if batch is None:
            break
        try:
            result = module.run(batch)
            conn.send(("done", *rows_of(result)))
        except BaseException:
            conn.send(("failed", traceback.format_exc()))
    try:
        if callable(getattr(module, "shutdown", None)):
            module.shutdown()
        conn.send(("ended", None))
    except BaseException:
        conn.send(("ended", traceback.format_exc()))


def rows_of(result):
    """The lines that a result stands for, and how many items it has."""
    if result is None:
        raise TypeError("run() returned nothing; it has to return a list or a DataFrame with one entry for each item")
    if hasattr(result, "to_csv"):
        return result.to_csv(index=False, header=False, sep=" ").splitlines(), len(result)
    if isinstance(result, str) or not hasattr(result, "__iter__"):
        raise TypeError(f"run() returned a {type(result).__name__}; it has to return a list or a DataFrame")
    rows = [str(r) for r in result]
    return rows, len(rows)


def batches_of(spec):
    """The mini-batches, with how many items each has."""
    path, kind = spec["input"], spec["input_type"]
    if kind == "mltable":
        import mltable

        frame = mltable.load(path).to_pandas_dataframe()
        if spec["partition"]:
            return [(part, len(part)) for _, part in frame.groupby(spec["partition"], sort=True)]
        rows = rows_for(frame, spec["size"])
        return [(frame.iloc[i:i + rows], len(frame.iloc[i:i + rows])) for i in range(0, len(frame), rows)]
    if spec["partition"]:
        raise ValueError("partition_keys are for tables: the input has to be an mltable")
    files = [path] if os.path.isfile(path) else sorted(
        os.path.join(d, f) for d, _, names in os.walk(path) for f in names)
    try:
        count = int(spec["size"])
    except ValueError:
        raise ValueError(f"mini_batch_size {spec['size']!r}: for files it is a number of files") from None
    if count < 1:
        raise ValueError("mini_batch_size has to be 1 or more")
    return [(files[i:i + count], len(files[i:i + count])) for i in range(0, len(files), count)]


def rows_for(frame, size):
    units = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
    text = size.strip().lower()
    for unit in ("kb", "mb", "gb", "b"):
        if text.endswith(unit):
            wanted = float(text[:-len(unit)]) * units[unit]
            break
    else:
        wanted = float(text) * 1024 * 1024 if text != "1" else 1024**2
    each = max(len(frame.head(1000).to_csv(index=False, header=False)) / max(len(frame.head(1000)), 1), 1)
    return max(int(wanted / each), 1)


class Failed(Exception):
    pass


class Pool:
    def __init__(self, spec, todo):
        self.spec, self.todo = spec, queue.Queue()
        for i, (batch, items) in enumerate(todo):
            self.todo.put((i, batch, items, 0))
        self.lock = threading.Lock()
        self.rows, self.lost_items, self.lost_batches, self.done = [], 0, 0, 0
        self.total, self.error = len(todo), None
        self.context = multiprocessing.get_context("spawn")
        self.started = time.monotonic()

    def check(self):
        s = self.spec
        if 0 <= s["max_failures"] < self.lost_batches:
            raise Failed(f"{self.lost_batches} mini-batches failed; mini_batch_error_threshold allows {s['max_failures']}")
        if 0 <= s["max_errors"] < self.lost_items:
            raise Failed(f"{self.lost_items} items failed; error_threshold allows {s['max_errors']}")

    def finished(self, rows, items, got):
        with self.lock:
            self.rows += rows
            self.done += 1
            self.lost_items += max(items - got, 0)
            self.append(rows)
            self.report()
            self.check()

    def append(self, rows):
        target = self.spec.get("append_to")
        if not target or not rows:
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")

    def report(self):
        every = max(self.total // 20, 1)
        if (self.done + self.lost_batches) % every == 0 or self.done + self.lost_batches == self.total:
            print(f"{self.done} of {self.total} mini-batches done, {self.lost_batches} failed, "
                  f"{time.monotonic() - self.started:.1f} s", flush=True)

    def lost(self, number, items, why):
        with self.lock:
            self.lost_batches += 1
            self.lost_items += items
            print(f"mini-batch {number} failed for good:\n{why}", file=sys.stderr, flush=True)
            self.report()
            self.check()

    def serve(self, number):
        """Feeds one process; a process that hangs is ended, and another takes its place."""
        process = conn = None
        try:
            while self.error is None:
                try:
                    index, batch, items, tries = self.todo.get_nowait()
                except queue.Empty:
                    break
                if process is None:
                    process, conn = self.start(number)
                conn.send(batch)
                why = None
                try:
                    if conn.poll(self.spec["timeout"] or None):
                        answer = conn.recv()
                        if answer[0] == "done":
                            self.finished(answer[1], items, answer[2])
                            continue
                        why = answer[1]
                    else:
                        why = f"it took longer than {self.spec['timeout']:g} seconds (retry_settings.timeout)"
                except (EOFError, ConnectionError):
                    why = "the process ended"
                if "seconds" in why or "the process ended" == why:
                    process.kill()
                    process.join()
                    process = conn = None
                if tries < self.spec["retries"]:
                    print(f"mini-batch {index} is tried again ({tries + 1} of {self.spec['retries']}): {why.strip().splitlines()[-1]}",
                          file=sys.stderr, flush=True)
                    self.todo.put((index, batch, items, tries + 1))
                else:
                    self.lost(index, items, why)
            if process is not None:
                conn.send(None)
                if conn.poll(60):
                    answer = conn.recv()
                    if answer[1]:
                        print(answer[1], file=sys.stderr, flush=True)
                process.join(10)
        except Failed as err:
            self.error = self.error or str(err)
        except BaseException:
            self.error = self.error or traceback.format_exc()
        finally:
            if process is not None and process.is_alive():
                process.kill()

    def start(self, number):
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=worker, args=(theirs, self.spec, number), daemon=True)
        process.start()
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            raise Failed("a process of the script ended before it was ready") from None
        if answer[0] == "broken":
            raise Failed(f"the script cannot be started:\n{answer[1]}")
        return process, ours

    def run(self):
        threads = [threading.Thread(target=self.serve, args=(i,)) for i in range(min(self.spec["workers"], max(self.total, 1)))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        # What was put back while the last one looked away.
        while self.error is None and not self.todo.empty():
            self.serve(0)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    own, spec["args"] = split_args(spec["args"])
    spec["max_errors"] = own.get("error_threshold", spec["max_errors"])
    spec["max_failures"] = own.get("mini_batch_error_threshold", spec["max_failures"])
    spec["retries"] = own.get("run_max_try", spec["retries"] + 1) - 1
    spec["timeout"] = own.get("run_invocation_timeout", spec["timeout"])
    spec["workers"] = own.get("process_count_per_node", spec["workers"]) or os.cpu_count() or 1
    spec["size"] = own.get("mini_batch_size", spec["size"])
    if spec.get("append_to") and spec["append_folder"]:
        spec["append_to"] = os.path.join(spec["append_to"], own.get("append_row_file_name", "parallel_run_step.txt"))
    todo = batches_of(spec)
    print(f"{sum(n for _, n in todo)} items in {len(todo)} mini-batches, {spec['workers']} processes", flush=True)
    pool = Pool(spec, todo)
    pool.run()
    allowed = own.get("allowed_failed_percent")
    if pool.error is None and allowed is not None and pool.total and pool.lost_batches * 100 / pool.total > allowed:
        pool.error = f"{pool.lost_batches} of {pool.total} mini-batches failed; allowed_failed_percent is {allowed:g}"
    if "allowed_failed_count" in own and pool.error is None and pool.lost_batches > own["allowed_failed_count"]:
        pool.error = f"{pool.lost_batches} mini-batches failed; allowed_failed_count is {own['allowed_failed_count']}"
    if pool.error is None and pool.total and pool.done == 0:
        pool.error = "no mini-batch succeeded"
    if spec.get("append_to"):
        os.makedirs(os.path.dirname(spec["append_to"]), exist_ok=True)
        open(spec["append_to"], "a", encoding="utf-8").close()
    if pool.error:
        print(pool.error, file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
