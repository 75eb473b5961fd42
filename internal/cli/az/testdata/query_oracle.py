"""Answers lines of JSON with what jmespath.py and knack make of them.

    python query_oracle.py < QUESTIONS

A question is {"expr": "…" or null, "doc": …, "format": "tsv"}; the answer {"stage": "ok",
"text": "…"}, or the stage at which it failed: compile, search, output. azure-cli has to
be installed.
"""
import collections
import json
import sys

import jmespath
from knack import output
from knack.util import CommandResultItem

FORMATS = {"json": output.format_json, "yaml": output.format_yaml, "table": output.format_table, "tsv": output.format_tsv}


def answer(q):
    v = q["doc"]
    if q["expr"] is not None:
        try:
            e = jmespath.compile(q["expr"])
        except Exception as x:
            return {"stage": "compile", "text": repr(x)}
        try:
            v = e.search(v, jmespath.Options(collections.OrderedDict))
        except Exception as x:
            return {"stage": "search", "text": str(x)}
    item = CommandResultItem(v, is_query_active=q["expr"] is not None)
    try:
        return {"stage": "ok", "text": FORMATS[q["format"]](item)}
    except Exception as x:
        return {"stage": "output", "text": repr(x)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
