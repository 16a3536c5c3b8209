"""Runs scripts of pipelines/ one after the other in one process: commands come in as JSON, what they said goes out."""

import json
import os
import runpy
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def run_once(variables: dict[str, str], words: list[str]) -> dict[str, Any]:
    """Be ``python pipelines/<script> <arguments>`` with these variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    sys.argv = [str(PIPELINES / words[0]), *words[1:]]
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        code = _code_of(sys.argv[0])
    os.environ.clear()
    os.environ.update(before)
    return {"code": code, "output": output.getvalue(), "errors": errors.getvalue()}


def _code_of(script: str) -> Any:
    """Run a script and return its exit code, as Python itself would come to it."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code
    except Exception:  # noqa: BLE001 - what Python itself would end with
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(PIPELINES))
    results = [run_once(variables, words) for variables, words in json.load(sys.stdin)]
    json.dump(results, sys.stdout)
