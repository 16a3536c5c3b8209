"""Nothing that a result passes through calls what rounds as a processor or a library likes: the source is read here.

What may be called: + - * / and square roots, comparisons, sorting, whole numbers, `math.fsum`, and what
`plainmlp.data.sums` and `plainmlp.nn.functions` make of these.
"""

import ast
import json
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "plainmlp"
CHECKED = (
    "data/*.py",
    "estimators/*.py",
    "evaluation/*.py",
    "nn/**/*.py",
    "sweeps/reports.py",
    "sweeps/ranking/comparison.py",
    "sweeps/ranking/leaderboard.py",
    "sweeps/ranking/results.py",
    "sweeps/ranking/statistics.py",
    "training/*.py",
)

FORBIDDEN_KINDS = {
    "the C library's functions, or NumPy's own for wide vectors": "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 "
    "arctanh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp exp2 expm1 float_power gamma hypot lgamma log log10 "
    "log1p log2 logaddexp logaddexp2 pow power sin sinc sinh tan tanh",
    "products, which the linear algebra library sums": "convolve correlate cross dist dot einsum fft inner linalg matmul "
    "sumprod tensordot vdot vecdot",
    "sums in an order of their own": "average corr corrcoef cov cumprod interp mean median nanmean nanmedian nanprod nanstd "
    "nansum nanvar percentile polyfit polyval prod quantile reduce reduceat std sum trace trapezoid var",
    "draws that the C library's logarithm has a part in": "exponential lognormal multivariate_normal normal standard_normal",
    "libraries": "scipy sklearn statistics",
}
FORBIDDEN = {name for names in FORBIDDEN_KINDS.values() for name in names.split()}
MODULES = {"math", "np", "numpy"}
BUILT_IN = {"pow", "sum"}  # Python 3.12 and newer add floating-point numbers in another way than 3.11

# (file, function, what it calls): why its bits are the same everywhere all the same
ALLOWED = {
    ("data/idx.py", "_read_elements", "prod"): "multiplies whole numbers",
    ("data/openml.py", "", "sklearn"): "a type",
    ("data/openml.py", "fetch_openml_dataset", "sklearn"): "reads a file; Python turns its texts into numbers",
    ("data/splits.py", "_shares", "sum"): "counts rows",
    ("estimators/base.py", "", "sklearn"): "checks what is given, and calls back",
    ("estimators/classifier.py", "", "sklearn"): "checks what is given, and counts classes for their weights",
    ("estimators/regressor.py", "", "sklearn"): "checks what is given",
    ("estimators/rows.py", "", "scipy"): "holds sparse rows",
    ("estimators/rows.py", "", "sklearn"): "checks what is given, and draws rows as data/splits.py does",
    ("nn/architecture.py", "n_parameters", "sum"): "counts",
    ("nn/architecture.py", "n_weights", "sum"): "counts",
    ("nn/compiled/plan.py", "lay_out", "sum"): "counts units",
    ("nn/descent.py", "differentiate", "sum"): "counts units",
    (
        "nn/initializers.py",
        "_normal",
        "standard_normal",
    ): "PCG64's, whose logarithm decides about a draw and makes none",
    ("nn/initializers.py", "_truncated_normal", "standard_normal"): "the same",
    ("nn/training.py", "__init__", "sum"): "counts units",
    ("training/checkpoints.py", "_progress", "sum"): "counts arrays",
    ("training/memory.py", "check_memory", "sum"): "counts rows",
    ("training/memory.py", "check_network_memory", "sum"): "counts parameters",
    ("sweeps/reports.py", "_markdown", "sum"): "counts points",
    ("sweeps/reports.py", "_record", "sum"): "counts points",
    ("sweeps/reports.py", "_remarks", "sum"): "counts rows",
    ("sweeps/ranking/statistics.py", "summarize", "scipy"): "Student's t, rounded to ten digits",
    ("sweeps/ranking/comparison.py", "_leads", "sum"): "its last bits decide nothing: simulated sweeps are counted",
    ("sweeps/ranking/comparison.py", "_simulated_leads", "sum"): "the same",
    ("sweeps/ranking/comparison.py", "_simulated_scores", "standard_normal"): "PCG64's, as for initial weights",
}


def names_of(node):
    """Yield the forbidden names that a node of the syntax tree itself uses."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        library = node.module.split(".")[0]
        yield library
        yield from (alias.name for alias in node.names if library in MODULES)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in MODULES:
        yield node.attr  # called, or handed on
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield node.func.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILT_IN:
        yield node.func.id
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
        yield "dot"
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow) and not is_whole(node):
        yield "pow"


def is_whole(power):
    """Say whether a power is one of whole numbers that stand in the source."""
    return all(isinstance(side, ast.Constant) and isinstance(side.value, int) for side in (power.left, power.right))


def found_in(tree, function=""):
    """Yield (function, name) for each forbidden name in a syntax tree."""
    for node in ast.iter_child_nodes(tree):
        yield from ((function, name) for name in names_of(node) if name in FORBIDDEN)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from found_in(node, node.name if is_function else function)


def checked_files():
    paths = {path for pattern in CHECKED for path in SOURCE.glob(pattern)}
    return sorted({path.relative_to(SOURCE).as_posix() for path in paths})


@cache
def findings(file):
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    return {(file, *found) for found in found_in(tree)}


def test_nothing_is_called_that_rounds_as_it_likes():
    assert set().union(*map(findings, checked_files())) - set(ALLOWED) == set()


def test_every_exception_is_needed():
    assert set(ALLOWED) <= set().union(*map(findings, checked_files()))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import numpy as np\ny = np.exp(x)", "exp"),
        ("import numpy as np\ny = map(np.log, x)", "log"),
        ("from math import tanh", "tanh"),
        ("y = x.sum(axis=0)", "sum"),
        ("y = sum(x)", "sum"),
        ("y = x @ x", "dot"),
        ("x @= x", "dot"),
        ("y = x**0.5", "pow"),
        ("y = x**2", "pow"),
        ("import numpy as np\ny = np.add.reduce(x)", "reduce"),
        ("import numpy as np\ny = np.linalg.norm(x)", "linalg"),
        ("from scipy.special import expit", "scipy"),
        ("y = generator.normal(size=3)", "normal"),
    ],
)
def test_the_names_are_found(source, name):
    assert ("f", name) in set(found_in(ast.parse("def f(x):\n " + source.replace("\n", "\n "))))


@pytest.mark.parametrize(
    "source", ["y = 2**14", "from plainmlp.nn.functions import exp\ny = exp(x)", "y = x * x + x / 3"]
)
def test_other_names_are_not(source):
    assert not set(found_in(ast.parse(source)))


def results(**variables):
    """Return what `portable_results.py` prints, and the vectors for which NumPy adds there."""
    paths = os.pathsep.join([str(SOURCE.parent), str(SOURCE.parents[1] / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, **variables}
    script = Path(__file__).parent / "support" / "portable_results.py"
    found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    return json.loads(found.stdout).values()


@pytest.fixture(scope="module")
def results_here():
    return list(results())


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names of x86-64's features")
@pytest.mark.parametrize(
    ("disabled", "target", "kernels"),
    [
        ("", "", "SkylakeX"),
        ("X86_V4 AVX512_ICL AVX512_SPR", "", "Haswell"),
        ("X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "baseline", "Nehalem"),
    ],
    ids=["AVX-512", "AVX2", "SSE"],
)
def test_all_but_the_network_has_the_same_bits_with_narrower_vectors_and_other_kernels(
    results_here, disabled, target, kernels
):
    narrow, found = results(NPY_DISABLE_CPU_FEATURES=disabled, OPENBLAS_CORETYPE=kernels)
    assert narrow.startswith(target)
    assert found == results_here[1]
