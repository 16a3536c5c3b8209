"""Which form trains: the compiled one where Numba is there and works, else plain NumPy, which says so in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parents[2] / "src"
TRAIN = """
import sys
import numpy as np
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.descent import Start
from plainmlp.nn.forms import start_descent
from plainmlp.nn.recipe import Recipe
for compiled in {forms}:
    start = Start(Architecture((2, 1), (), "squared_error"), Recipe(optimizer="sgd"), np.ones(3))
    descent = start_descent(compiled, start)
    print(type(descent).__name__, descent.outputs(np.ones((1, 2))).tolist())
"""
MISSING = "import sys\nsys.modules['numba'] = None\n"
BROKEN = "import numba\ndef fails(*a, **k): raise OSError('no compiler')\nnumba.njit = fails\n"


def trained(before, forms):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", before + TRAIN.format(forms=forms)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ended.stdout.splitlines(), ended.stderr.splitlines()


def test_the_compiled_form_is_taken_where_it_works_and_loads_nothing_else():
    lines, errors = trained("", ("auto", True, False))
    assert lines == ["CompiledDescent [[3.0]]"] * 2 + ["PlainDescent [[3.0]]"]
    assert errors == []


@pytest.mark.parametrize(
    ("before", "reason"), [(MISSING, "numba is not"), (BROKEN, "Numba does not work here (OSError")]
)
def test_plain_numpy_trains_without_numba_and_says_so_once(before, reason):
    lines, errors = trained(before, ("auto", "auto", False))
    assert lines == ["PlainDescent [[3.0]]"] * 3
    (line,) = errors
    assert line.startswith(f"warning: {reason}")
    assert line.endswith("plain NumPy trains, with the same bits, more slowly")


def test_the_plain_form_never_loads_numba():
    lines, errors = trained("", (False,)), trained(MISSING, (False,))
    assert lines == errors == (["PlainDescent [[3.0]]"], [])


@pytest.mark.parametrize("before", [MISSING, BROKEN])
def test_a_compiled_form_that_is_insisted_on_is_an_error_without_numba(before):
    lines, errors = trained(before, (True,))
    assert lines == []
    assert errors[-1].startswith("ImportError: ")
