"""Answers lines of JSON with what jmespath.py makes of an expression and a document.

    python oracle.py < QUESTIONS

A question is {"expr": "…", "doc": …}. An answer is {"json": "…"}, the result with the order
of its keys, or {"error": "…", "kind": "compile" or "search"}.
"""
import collections
import json
import sys

import jmespath

OPTIONS = jmespath.Options(collections.OrderedDict)


def answer(q):
    try:
        e = jmespath.compile(q["expr"])
    except Exception as x:
        return {"error": str(x), "kind": "compile"}
    try:
        found = e.search(q["doc"], OPTIONS)
        return {"json": json.dumps(found, separators=(",", ":"))}
    except Exception as x:
        return {"error": str(x), "kind": "search"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
