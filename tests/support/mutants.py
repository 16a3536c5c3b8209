"""Changes one operator, number or condition of a module at a time, and sees whether its own tests or its folder's notice.

``python mutants.py WING ...`` draws changes from each of these folders of the package and tries each in a copy of the
checkout: the quick tests first, and the slow ones where those have not noticed. What Numba compiles is tried in its
plain form; ``nn/compiled``, which has none, is left out. Changes that need no test are in `explained.py`, with the reason.
"""

import argparse
import ast
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from checkouts import ROOT, clone
from explained import explanation
from plainmlp.nn.compiled.cache import COMPILED, cache_folder, digest_source

Mutant = tuple[Path, int]  # a module, and which of its edits
Tests = tuple[str, ...]  # arguments of pytest
FORK = get_context("fork")
PACKAGE = Path("src", "plainmlp")
LIBRARIES = ("hypothesis", "mlflow.store.tracking.sqlalchemy_store", "mpmath", "numba", "pytest", "scipy.stats")
ONE = (ast.Lt, ast.Gt, ast.Eq, ast.In, ast.Is, ast.Add, ast.Mult, ast.And)
OTHER = (ast.LtE, ast.GtE, ast.NotEq, ast.NotIn, ast.IsNot, ast.Sub, ast.Div, ast.Or)
SWAPPED = dict(zip((*ONE, *OTHER), (*OTHER, *ONE), strict=True))
BYTES = 8 * 2**30  # a change that asks for more is noticed
IMPORTED = "-Wignore::pytest.PytestAssertRewriteWarning"  # as the libraries are
OPTIONS = ("-x", "-q", "--hypothesis-seed=0", IMPORTED)
HERE = "not long and not backends and not services"
QUICK, SLOW = ("-m", f"not slow and {HERE}"), ("-m", f"slow and {HERE}")
NO_TESTS = 5  # of pytest: where all are slow, or none is, nobody has noticed anything
PLAIN = "not compiled"
ALONE = f"{PLAIN} and not both_forms"  # both would be changed, and the compiled one would have to be compiled again


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


def described(file: Path, number: int) -> tuple[int, str, str]:
    """Return the number of a changed line, the line as it is, and what is changed in it into what."""
    text = (ROOT / file).read_text(encoding="utf-8")
    _, node, before = mutated(text, number)
    parts = [part.partition("\n")[0] for part in (before, ast.unparse(node))]
    line: int = node.lineno  # type: ignore[attr-defined]
    return line, text.splitlines()[line - 1].strip(), "  ->  ".join(parts)


def sample(wing: str, size: int, seed: int) -> list[Mutant]:
    """Draw changes from all modules of a folder."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / PACKAGE / wing).rglob("*.py"))]
    places = {file: list(edits(ast.parse((ROOT / file).read_text(encoding="utf-8")))) for file in files}
    found = [(file, number) for file in files if "compiled" not in file.parts for number in range(len(places[file]))]
    return random.Random(seed).sample(found, min(size, len(found)))


def quick_tests(file: Path) -> list[Tests]:
    """Return the quick tests of a module, where it has its own, and the others of its folder."""
    return [(*QUICK, *form_of(file), *paths) for paths in parted(file) if paths]


def folder_tests(file: Path) -> Tests:
    """Return the quick tests of a module's folder, which are measured as a whole."""
    own, others = parted(file)
    return (*QUICK, *form_of(file), *sorted(own + others))


def slow_tests(file: Path) -> Tests:
    """Return the slow tests of a module, or of its folder where it has no tests of its own."""
    own, others = parted(file)
    return (*SLOW, *form_of(file), *(own or others))


def parted(file: Path) -> tuple[Tests, Tests]:
    """Return the file with a module's own tests, and the others of its folder."""
    own = Path("tests", file.relative_to(PACKAGE)).with_name(f"test_{file.name}")
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / own.parent).glob("test_*.py"))]
    return tuple(str(path) for path in paths if path == own), tuple(str(path) for path in paths if path != own)


def form_of(file: Path) -> Tests:
    """Return what selects the tests of the form in which a module is tried."""
    is_compiled = file.parent.name == "nn" and file.name in COMPILED
    return "-k", ALONE if is_compiled else PLAIN


def fails(tests: Tests, seconds: int) -> bool:
    """Say whether tests fail, or take too much of the processor, in a fork that has the libraries."""
    process = FORK.Process(target=_run, args=(tests, seconds))
    process.start()
    process.join(10 * seconds)
    with suppress(ProcessLookupError):  # whatever is left of it
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode not in {0, NO_TESTS}


def _run(tests: Tests, seconds: int) -> None:
    import pytest

    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
    os.chdir(CHECKOUT)
    ours = tuple(str(ROOT / name) for name in ("src", "tests", "pipelines", "benchmarks"))
    sys.path[:] = [path for path in sys.path if not path.startswith(ours)]
    for name, module in list(sys.modules.items()):
        if name != "__main__" and str(getattr(module, "__file__", "")).startswith(ours):
            del sys.modules[name]
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.exit(pytest.main([*OPTIONS, f"--basetemp={CHECKOUT.parent / 'files'}", *tests]))


def seconds_for(tests: Tests) -> int:
    """Return how much of the processor tests may take with a change, from what they take without; 0 if they fail."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    if fails(tests, 300):
        return 0
    return 10 + 3 * int(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)


def outcome(mutant: Mutant, suites: list[Tests], seconds: int, until: float) -> str:
    """Try a change in this process's own checkout, if its tests pass without it and time is left."""
    name, number = mutant
    if explanation(name.relative_to(PACKAGE).as_posix(), *described(*mutant)[1:]):
        return "explained"
    if not seconds or time.monotonic() > until:
        return "not tried"
    file = CHECKOUT / name
    text = file.read_text(encoding="utf-8")
    file.write_text(ast.unparse(mutated(text, number)[0]), encoding="utf-8")
    noticed = any(fails(tests, seconds) for tests in suites)
    file.write_text(text, encoding="utf-8")
    return "killed" if noticed else "survived"


def prepare(folder: str) -> None:
    """Make this process's own checkout, and its own folder for what Numba compiles, with all that is compiled already."""
    global CHECKOUT  # noqa: PLW0603  one a process
    own = Path(tempfile.mkdtemp(dir=folder))
    CHECKOUT = clone(own / "checkout")
    shutil.copytree(cache_folder(), own / "kernels" / "plainmlp" / digest_source())
    os.environ["NUMBA_CACHE_DIR"] = str(own / "kernels")


def tried(
    mutants: list[Mutant],
    suites_of: Callable[[Path], list[Tests]],
    measured: Callable[[Path], Tests],
    pool: ProcessPoolExecutor,
    until: float,
) -> Iterator[tuple[Mutant, str]]:
    """Yield each change with what came of it, where what is measured says how long its tests may take."""
    wholes = sorted({measured(file) for file, _ in mutants})
    seconds = dict(zip(wholes, pool.map(seconds_for, wholes), strict=True))
    suites = [suites_of(file) for file, _ in mutants]
    allowed = [seconds[measured(file)] for file, _ in mutants]
    yield from zip(mutants, pool.map(outcome, mutants, suites, allowed, [until] * len(mutants)), strict=True)


def try_all(wing: str, mutants: list[Mutant], pool: ProcessPoolExecutor, until: float) -> None:
    """Try changes of a folder, print each and what came of it, and how many were noticed."""
    words, left = Counter[str](), []
    for mutant, word in tried(mutants, quick_tests, folder_tests, pool, until):
        if word == "survived":
            left.append(mutant)
        else:
            words[shown(mutant, word)] += 1
    for mutant, word in tried(left, lambda file: [slow_tests(file)], slow_tests, pool, until):
        words[shown(mutant, word)] += 1
    share = (words["killed"] + words["explained"]) / len(mutants)
    print(f"{wing}: {share:.0%} of {len(mutants)} killed or explained; {dict(words)}", flush=True)  # noqa: T201


def shown(mutant: Mutant, word: str) -> str:
    """Print a change and what came of it; return that."""
    line, _, change = described(*mutant)
    print(f"{word:9} {mutant[0]}:{line}  {change}", flush=True)  # noqa: T201
    return word


def main() -> None:
    parser = argparse.ArgumentParser(description="Try changes of the code.")
    parser.add_argument("wings", nargs="+")
    parser.add_argument("--sample", type=int, default=40, help="changes of each wing (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=14, help="after which no further change is tried (default: 14)"
    )
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    for name in LIBRARIES:
        importlib.import_module(name)
    with (
        tempfile.TemporaryDirectory(prefix="mutants") as folder,
        ProcessPoolExecutor(2, mp_context=FORK, initializer=prepare, initargs=(folder,)) as pool,
    ):
        for number, wing in enumerate(options.wings):  # each may take its share of what is left
            now = time.monotonic()
            until = now + (end - now) / (len(options.wings) - number)
            try_all(wing, sample(wing, options.sample, options.seed), pool, until)


if __name__ == "__main__":
    main()
