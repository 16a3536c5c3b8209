"""Changes one operator, number or condition of a module at a time, and sees whether its own tests or its folder's notice.

``python mutants.py WING ...`` draws changes from each of these folders of the package and tries each in a copy of the
checkout. What Numba compiles is tried in its plain form; ``nn/compiled``, which has none, is left out.
"""

import argparse
import ast
import importlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from checkouts import ROOT, clone

Mutant = tuple[Path, int]  # a module, and which of its edits
FORK = get_context("fork")
PACKAGE = Path("src", "plainmlp")
LIBRARIES = ("hypothesis", "mlflow.store.tracking.sqlalchemy_store", "mpmath", "numba", "pytest", "scipy.stats")
ONE = (ast.Lt, ast.Gt, ast.Eq, ast.In, ast.Is, ast.Add, ast.Mult, ast.And)
OTHER = (ast.LtE, ast.GtE, ast.NotEq, ast.NotIn, ast.IsNot, ast.Sub, ast.Div, ast.Or)
SWAPPED = dict(zip((*ONE, *OTHER), (*OTHER, *ONE), strict=True))
SECONDS = 120  # of the processor: a change whose tests take longer is noticed
IMPORTED = "-Wignore::pytest.PytestAssertRewriteWarning"  # as the libraries are
OPTIONS = ("-x", "-q", "-m", "not slow", "-k", "not compiled", "--hypothesis-seed=0", IMPORTED)


def edits(tree: ast.AST) -> Iterator[tuple[ast.AST, str, object]]:
    """Yield each node that can be changed, with the field and its other value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
            yield node, "ops", [SWAPPED[type(node.ops[0])](), *node.ops[1:]]
        elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
            yield node, "op", SWAPPED[type(node.op)]()
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node, "test", ast.UnaryOp(ast.Not(), node.test)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node, "value", not node.value if isinstance(node.value, bool) else node.value + 1


def mutated(text: str, number: int) -> tuple[ast.AST, ast.AST, str]:
    """Return the changed module, the node that was changed, and what stood there before."""
    tree = ast.parse(text)
    node, field, value = list(edits(tree))[number]
    before = ast.unparse(node)
    setattr(node, field, value)
    return tree, node, before


def described(file: Path, number: int) -> str:
    _, node, before = mutated((ROOT / file).read_text(encoding="utf-8"), number)
    lines = [text.partition("\n")[0] for text in (before, ast.unparse(node))]
    return f"{file}:{node.lineno}  {lines[0]}  ->  {lines[1]}"  # type: ignore[attr-defined]


def sample(wing: str, size: int, seed: int) -> list[Mutant]:
    """Draw changes from all modules of a folder."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / PACKAGE / wing).rglob("*.py"))]
    places = {file: list(edits(ast.parse((ROOT / file).read_text(encoding="utf-8")))) for file in files}
    found = [(file, number) for file in files if "compiled" not in file.parts for number in range(len(places[file]))]
    return random.Random(seed).sample(found, min(size, len(found)))


def tests_of(file: Path) -> list[tuple[str, ...]]:
    """Return the tests of a module, where it has its own, and those of its folder."""
    own = "tests" / file.relative_to(PACKAGE).with_name(f"test_{file.name}")
    folder = sorted(str(path.relative_to(ROOT)) for path in (ROOT / own.parent).glob("test_*.py"))
    return [(str(own),), tuple(folder)] if (ROOT / own).is_file() else [tuple(folder)]


def fails(tests: tuple[str, ...]) -> bool:
    """Say whether tests fail, or take too long, in a fork that has the libraries."""
    process = FORK.Process(target=_run, args=(tests,))
    process.start()
    process.join(10 * SECONDS)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode != 0


def _run(tests: tuple[str, ...]) -> None:
    import pytest

    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.chdir(CHECKOUT)
    ours = tuple(str(ROOT / name) for name in ("src", "tests", "pipelines", "benchmarks"))
    sys.path[:] = [path for path in sys.path if not path.startswith(ours)]
    for name, module in list(sys.modules.items()):
        if name != "__main__" and str(getattr(module, "__file__", "")).startswith(ours):
            del sys.modules[name]
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.exit(pytest.main([*OPTIONS, f"--basetemp={CHECKOUT.parent / 'files'}", *tests]))


passes = cache(lambda tests: not fails(tests))  # without a change


def outcome(mutant: Mutant, until: float) -> str:
    """Try a change in this process's own checkout, if time is left and the tests pass without it."""
    name, number = mutant
    if time.monotonic() > until or not all(map(passes, tests_of(name))):
        return "not tried"
    file = CHECKOUT / name
    text = file.read_text(encoding="utf-8")
    file.write_text(ast.unparse(mutated(text, number)[0]), encoding="utf-8")
    noticed = any(map(fails, tests_of(name)))
    file.write_text(text, encoding="utf-8")
    return "killed" if noticed else "survived"


def prepare() -> None:
    global CHECKOUT  # noqa: PLW0603  one a process
    CHECKOUT = clone(Path(tempfile.mkdtemp(prefix="mutants")) / "checkout")


def main() -> None:
    parser = argparse.ArgumentParser(description="Try changes of the code.")
    parser.add_argument("wings", nargs="+")
    parser.add_argument("--sample", type=int, default=40, help="changes of each wing (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=14, help="after which no further change is tried (default: 14)"
    )
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    for name in LIBRARIES:
        importlib.import_module(name)
    with ProcessPoolExecutor(2, mp_context=FORK, initializer=prepare) as pool:
        drawn = {wing: sample(wing, options.sample, options.seed) for wing in options.wings}
        tried = {wing: pool.map(outcome, mutants, [until] * len(mutants)) for wing, mutants in drawn.items()}
        for wing, mutants in drawn.items():
            words = list(tried[wing])
            for mutant, word in zip(mutants, words, strict=True):
                print(f"{word:9} {described(*mutant)}", flush=True)  # noqa: T201
            print(f"{wing}: {dict(Counter(words))}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
