"""Answers lines of JSON, lists of words of `az`, with what azure-cli makes of them.

    python oracle.py < CALLS

Each answer is a line: {"code": 2, "out": "…", "err": "…"}. azure-cli has to be
installed; AZURE_CONFIG_DIR names the configuration, which calls change.
"""
import json
import os
import sys
import tempfile


def main():
    from azure.cli.core import get_default_cli

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        files = [tempfile.TemporaryFile("w+b") for _ in range(2)]
        kept = [os.dup(1), os.dup(2)]
        os.dup2(files[0].fileno(), 1)
        os.dup2(files[1].fileno(), 2)
        try:
            code = get_default_cli().invoke(json.loads(line))
        except SystemExit as e:
            code = e.code
        except BaseException as e:  # what the original would show with a traceback
            print(repr(e), file=sys.stderr)
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, was in zip((1, 2), kept):
            os.dup2(was, fd)
            os.close(was)
        texts = []
        for f in files:
            f.seek(0)
            texts.append(f.read().decode())
            f.close()
        answers.write(json.dumps({"code": code, "out": texts[0], "err": texts[1]}) + "\n")
        answers.flush()


main()
