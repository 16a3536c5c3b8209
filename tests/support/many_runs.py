"""Runs pipelines/run.py many times in one process: a list of command lines comes in as JSON, what they said goes out."""

import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def run_once(variables: dict[str, str], arguments: list[str]) -> dict[str, Any]:
    """Be `python pipelines/run.py` with these arguments and variables."""
    import run
    from plainmlp.system.command import run_command

    before = dict(os.environ)
    os.environ.update(variables)
    sys.argv = [str(PIPELINES / "run.py"), *arguments]
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        try:
            code = run_command(run.main)
        except Exception:  # noqa: BLE001 - what Python itself would end with
            traceback.print_exc()
            code = 1
    os.environ.clear()
    os.environ.update(before)
    return {"code": code, "output": output.getvalue(), "errors": errors.getvalue()}


if __name__ == "__main__":
    sys.path.insert(0, str(PIPELINES))
    results = [run_once(variables, arguments) for variables, arguments in json.load(sys.stdin)]
    json.dump(results, sys.stdout)
