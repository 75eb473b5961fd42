"""Answers lines of JSON with what knack prints of a value.

    python oracle.py < QUESTIONS

A question is {"value": …, "format": "tsv", "query": true}. In a value a list is {"list":
[…], "id": 1}, an object {"object": [[key, value], …], "ordered": true, "id": 2}, and
{"ref": 1} is one of these again. An answer is {"text": "…"} or {"error": "…"}.
"""
import collections
import json
import sys

from knack.output import OutputProducer
from knack.util import CommandResultItem

FORMATS = OutputProducer._FORMAT_DICT


def value(v, seen):
    if not isinstance(v, dict):
        return v
    if "ref" in v:
        return seen[v["ref"]]
    if "list" in v:
        out = seen[v["id"]] = []
        out.extend(value(x, seen) for x in v["list"])
        return out
    out = seen[v["id"]] = collections.OrderedDict() if v["ordered"] else {}
    for k, x in v["object"]:
        out[k] = value(x, seen)
    return out


def answer(q):
    item = CommandResultItem(value(q["value"], {}), is_query_active=q["query"])
    try:
        return {"text": FORMATS[q["format"]](item)}
    except Exception as x:
        return {"error": str(x)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
