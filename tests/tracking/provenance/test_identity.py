import ast
import os
import random
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configurations import CONF, DEFAULT
from imported import code_run
from plainmlp.composition.compose import compose, parse
from plainmlp.config.canonical import canonical
from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_dataset, digest_splits
from plainmlp.tracking.provenance.identity import PACKAGE, RESULT_CODE, bare, digest_code, digest_json, identify_point

CANONICAL = canonical(parse(DEFAULT))
POINT = identify_point(CANONICAL, "data", None)


def leaves(mapping, path=()):
    for key, value in mapping.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def with_leaf(path: tuple[str, ...], value: object) -> dict:
    changed = deepcopy(CANONICAL)
    section = changed
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    return changed


def is_free(path: tuple[str, ...]) -> bool:
    """Say whether a key can change no result."""
    kept = {"loss_every", "digest_every", "checkpoint_epochs", "checkpoint_seconds", "threads", "compiled"}
    free = {("dataset", "path"), ("model", "weights")} | {("training", key) for key in kept}
    return path[0] in {"sweep", "tracking"} or path in free


@pytest.mark.parametrize("path", list(leaves(CANONICAL)), ids=".".join)
def test_point_changes_with_what_can_change_a_result_and_nothing_else(path):
    found = identify_point(with_leaf(path, "something else"), "data", None)
    assert (found == POINT) == is_free(path)


def test_point_is_a_digest_of_data_start_and_configuration():
    assert len(POINT) == 64
    assert identify_point(deepcopy(CANONICAL), "data", None) == POINT
    assert len({POINT, identify_point(CANONICAL, "other", None), identify_point(CANONICAL, "data", "start")}) == 3


@pytest.mark.parametrize("override", ["hydra.verbose=true", "hydra/job_logging=default", "hydra.run.dir=elsewhere"])
def test_log_level_and_folders_do_not_count(override):
    assert identify_point(canonical(parse(compose(CONF, [override]))), "data", None) == POINT


ROWS = Part(np.array([[0.5, 0.0], [-1.5, 1.0], [0.25, 1.0]]), np.array([0, 1, 1]), np.array([1.0, 0.5, 2.0]))
MEANING = Description("table", "classification", (Column("x"), Column("y")), ("kind",), ("a", "b"))
DATASET = Dataset(ROWS, MEANING)
PREPARATION = fit_preparation(ROWS, MEANING, missing="refuse", scaling="none", target_scaling="none")


def point_of_data(dataset: Dataset) -> str:
    splits = Splits(dataset.rows, None, ROWS, dataset.description, PREPARATION, digest_dataset(dataset))
    return identify_point(CANONICAL, digest_splits(splits), None)


@given(name=st.sampled_from(["features", "targets", "weights"]), place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_each_bit_of_the_data_counts(name, place, bit):
    array = getattr(ROWS, name).copy()
    view = array.reshape(-1).view(np.uint8)
    view[place % len(view)] ^= 1 << bit
    flipped = replace(DATASET, rows=replace(ROWS, **{name: array}))
    assert digest_dataset(flipped) != digest_dataset(DATASET)
    assert point_of_data(flipped) != point_of_data(DATASET)


@pytest.mark.parametrize(
    "changes",
    [{"columns": (Column("x"), Column("y", ("no", "yes")))}, {"class_names": ("b", "a")}, {"task": "multilabel"}],
)
def test_what_the_data_means_counts(changes):
    other = Dataset(ROWS, replace(MEANING, **changes))
    assert digest_dataset(other) != digest_dataset(DATASET)
    assert point_of_data(other) != point_of_data(DATASET)
    assert point_of_data(Dataset(ROWS, replace(MEANING))) == point_of_data(DATASET)


def test_dtype_of_the_data_counts():
    halved = replace(ROWS, features=ROWS.features.astype(np.float32))
    assert (halved.features == ROWS.features).all()
    assert point_of_data(replace(DATASET, rows=halved)) != point_of_data(DATASET)


def test_order_of_keys_does_not_matter():
    assert identify_point(dict(reversed(CANONICAL.items())), "data", None) == POINT
    assert digest_json({"a": 1, "b": [1.5, None]}) == digest_json({"b": [1.5, None], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        digest_json(float("nan"))


@pytest.fixture
def package(tmp_path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "plainmlp", ignore=shutil.ignore_patterns("__pycache__")))


def fresh(package: Path) -> str:
    return digest_code.__wrapped__(package)


def result_modules(package: Path) -> list[Path]:
    parts = [package / name for name in RESULT_CODE]
    return sorted(path for part in parts for path in (part.rglob("*.py") if part.is_dir() else [part]))


def test_code_of_a_copy_is_the_same_code(package):
    assert fresh(package) == digest_code()


class Change(ast.NodeTransformer):
    """Changes one constant or operator of a module; without a number to change it counts them."""

    def __init__(self, number: int = -1) -> None:
        self.number, self.count = number, 0

    def chosen(self) -> bool:
        self.count += 1
        return self.count - 1 == self.number

    def visit_Expr(self, node):
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # a docstring

    def visit_Constant(self, node):
        return ast.Constant(f"not {node.value!r}") if self.chosen() else node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self.chosen():
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if self.chosen():
            node.ops[0] = ast.Lt() if isinstance(node.ops[0], ast.LtE) else ast.LtE()
        return node


def with_one_change(text: str, place: float) -> str:
    """Return a module in which one constant or operator is another, that at a place between 0 and 1."""
    counter = Change()
    counter.visit(ast.parse(text))
    if not counter.count:
        return text + "\nNEW = 1\n"
    return ast.unparse(Change(int(place * counter.count)).visit(ast.parse(text)))


def test_each_line_of_code_that_changes_is_noticed(package):
    before, place = fresh(package), random.Random(0).random
    for path in result_modules(package):
        text = path.read_text()
        path.write_text(with_one_change(text, place()))
        assert fresh(package) != before, path
        path.write_text(text)
    assert fresh(package) == before


def test_new_and_renamed_modules_are_noticed(package):
    digests = [fresh(package)]
    (package / "nn" / "new.py").write_text("")
    digests.append(fresh(package))
    (package / "nn" / "new.py").rename(package / "nn" / "newer.py")
    digests.append(fresh(package))
    assert len(set(digests)) == 3


def test_comments_docstrings_formatting_and_the_rest_of_the_package_do_not_count(package):
    before = fresh(package)
    for path in result_modules(package):
        text = path.read_text()
        documented = text.replace('"""Return ', '"""Give back ').replace("    Parameters", "    What it takes")
        path.write_text(f"# a comment\n{documented}\n\n# the end\n")
    assert fresh(package) == before
    for path in result_modules(package):
        path.write_bytes(ast.unparse(ast.parse(path.read_text())).replace("\n", "\r\n").encode())
    assert fresh(package) == before
    for name in ("tracking/store.py", "tracking/terminal.py", "evaluation/figures/canvas.py"):
        (package / name).write_text("NEW = 1\n")
    assert fresh(package) == before


@pytest.mark.parametrize("definition", ["def f():", "async def f():", "class C:"])
def test_docstring_of_any_definition_does_not_count(package, definition):
    digests = set()
    for body in ('"""One."""', '"""Two."""', '"""Three."""\n    pass'):
        (package / "nn" / "new.py").write_text(f"{definition}\n    {body}\n")
        digests.add(fresh(package))
    assert len(digests) == 2  # an empty body, and a body of `pass`


# what Python has changed in its trees, or in how it shows them, from version to version
MODULE = r'''"""Of no
   importance."""
x: int = (1, 1.0, 1e-300, 1e999, 1j, True, None, ..., b"\xff", "\u2028\U0001fae8 \\", u"kind", "two " "parts", -0.0)
def f(a, /, b: int = 1, *c, d, e=None, **g) -> None:
    """Of no importance."""
    return f"{a}{b!r:>{x}}{c=}" f"{d:}" "end" f"", {**g, "k": 1}, [y for y in x if y], x[1:, ::2]
async def g():
    """Of no importance."""
@f
class C(dict, metaclass=type):
    """Of no importance."""
    async def h(self): await self; return lambda: (yield)
try:
    match x:
        case {"a": [1, *_], **rest} | None: pass
except* ValueError as error:
    raise error from None
'''
DIGEST = """
import sys
from pathlib import Path
from plainmlp.tracking.provenance.identity import digest_code
print(digest_code(Path(sys.argv[1])))
"""


def pythons() -> list[str]:
    """Return the Pythons of this machine that the project supports, or one that is the only one there."""
    versions = ("3.11", "3.12", "3.13")
    installed = [place for version in versions for place in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    found = filter(None, (*installed, *(shutil.which(f"python{version}") for version in versions)))
    working = [
        str(python)
        for python in found
        if not subprocess.run([python, "-V"], check=False, capture_output=True).returncode
    ]
    return working or [sys.executable]


def test_every_python_gives_the_code_the_same_digest(package):
    (package / "nn" / "new.py").write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    commands = ([python, "-c", DIGEST, str(package)] for python in pythons())
    outputs = {subprocess.run(command, env=environment, check=True, capture_output=True).stdout for command in commands}
    assert outputs == {f"{fresh(package)}\n".encode()}


def test_fields_that_only_some_pythons_have_do_not_count_while_they_are_empty():
    tree = ast.parse(MODULE)
    shown = bare(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node._fields = (
                *(name for name in node._fields if name not in {"type_params", "type_comment"}),
                "type_params",
            )
            node.type_params = []
        if isinstance(node, ast.Constant):
            node.kind = "u"
    assert bare(tree) == shown
    tree.body[2].type_params = [ast.Name("T")]
    assert bare(tree) != shown


ALIKE = (
    ("1", "1.0", "True", "'1'", "b'1'", "1j"),
    ("x = None", "x = ...", "x = 'None'", "x = 'Ellipsis'", "x = Ellipsis"),
    ("x = inf", "x = 1e999"),
    ("def f(): pass", "def f(): 'a'", "def f(): return", "def f(): return None", "def f(): f", "def f(a): 'a'"),
    ("class C: 'a'", "class C: pass", "class C: a = 'a'"),
    ("def f():\n 'a'\n 'b'", "def f():\n 'b'", "def f():\n 'a'\n 'c'"),
    ("'a'; 'b'", "'b'", "f'b'", "f'b{x}'", "f'{x}b'", "f'{x!r}'", "f'{x}{y}'", "f'{x:{y}}'"),
    ("x[1:]", "x[:1]", "x[1]"),
    ("def f(*, a, b=1): 1", "def f(*, a=1, b): 1", "def f(a, b=1): 1"),
    ("{**a, b: c}", "{b: c, **a}", "{b: c}", "{b, c}"),
    ("a < b < c", "a < b <= c"),
    ("x = 0.0", "x = -0.0", "x = 0"),
    ("x = 'a, b'", "x = 'a', 'b'"),
)


@pytest.mark.parametrize("texts", ALIKE, ids=" / ".join)
def test_programs_that_look_alike_are_told_apart(texts):
    assert len({bare(ast.parse(text)) for text in texts}) == len(texts)


# what the stages import and what can change no result all the same
HARMLESS = {
    "__init__.py": "is empty",
    "config/__init__.py": "is empty",
    "system/__init__.py": "is empty",
    "system/errors.py": "ends a run",
    "system/files.py": "writes files whole",
    "system/wording.py": "words the errors",
}


def test_all_code_that_the_stages_run_counts():
    names = ("data/stages.py", "training/train.py", "evaluation/evaluate.py")
    stages = [PACKAGE / name for name in names]
    run = {path.relative_to(PACKAGE).as_posix() for path in code_run(*stages) if path.is_relative_to(PACKAGE)}
    counted = {path.relative_to(PACKAGE).as_posix() for path in result_modules(PACKAGE)}
    assert run - counted == HARMLESS.keys()
    assert all((PACKAGE / name).exists() for name in RESULT_CODE)
