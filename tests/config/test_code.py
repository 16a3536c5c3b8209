"""Digests of the code: what counts as a change of it, and of which part."""

import ast
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from imported import ROOT, code_run
from plainmlp.config.code import PACKAGE, PARTS, RESULT_PARTS, SCRIPTS, digest_checkout, digest_result_code, modules_of
from plainmlp.system import digests
from plainmlp.system.digests import bare, bare_module, digest_modules

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def each_module_parsed_once():
    """Remember the trees of modules by their bytes: most tests change a few of two hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "bare_module", cache(bare_module))
        yield


@pytest.fixture
def package(tmp_path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "plainmlp", ignore=shutil.ignore_patterns("__pycache__")))


def fresh(package: Path) -> str:
    return digest_result_code.__wrapped__(package)


def result_modules(package: Path) -> list[Path]:
    return [path for part in RESULT_PARTS for path in modules_of(part, package)]


def test_code_of_a_copy_is_the_same_code(package):
    assert fresh(package) == digest_result_code()


def test_the_cache_answers_for_the_code_that_runs_and_for_no_other(package, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    right = fresh(PACKAGE)
    remembered = [*(tmp_path / "cache" / "plainmlp" / "code").iterdir()]
    assert len(remembered) == len(RESULT_PARTS)
    for path in remembered:
        path.write_text("0" * 64)
    assert fresh(PACKAGE) != right == fresh(package)
    remembered[0].unlink()
    os.utime(remembered[1], (0, 0))
    fresh(PACKAGE)
    assert remembered[0].exists()
    assert not remembered[1].exists()


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
    whole, place, parts = fresh(package), random.Random(0).random, set()
    for path in result_modules(package):
        text, before = path.read_text(), digest_modules(package, [path])
        path.write_text(with_one_change(text, place()))
        assert digest_modules(package, [path]) != before, path
        if path.parent not in parts:
            parts.add(path.parent)
            assert fresh(package) != whole, path
        path.write_text(text)
    assert fresh(package) == whole


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
    for name in ("tracking/store.py", "sweeps/session.py", "evaluation/reports.py", "evaluation/figures/canvas.py"):
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
from plainmlp.config.code import digest_result_code
print(digest_result_code(Path(sys.argv[1])))
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


# what the stages import and what can change no result all the same: errors and their words, locks, files
HARMLESS = {"", "system"}


def test_all_code_that_the_stages_run_counts():
    names = ("data/stages.py", "training/train.py", "evaluation/evaluate.py")
    run = {path for path in code_run(*(PACKAGE / name for name in names)) if path.is_relative_to(PACKAGE)}
    others = run - set(result_modules(PACKAGE))
    assert {path.relative_to(PACKAGE).as_posix().rpartition("/")[0] for path in others} == HARMLESS


def test_every_module_is_in_one_part_unless_no_stage_runs_it():
    found = [path for part in PARTS for path in modules_of(part)]
    assert len(found) == len(set(found))
    left_out = {path.relative_to(PACKAGE).parts[0] for path in set(PACKAGE.rglob("*.py")) - set(found)}
    assert left_out == {"__init__.py", "tracking", "proof", "estimators", "exports"}


EDITS = {
    "src/plainmlp/nn/losses.py": "nn",
    "src/plainmlp/evaluation/metrics.py": "evaluation",
    "src/plainmlp/evaluation/reports.py": "reports",
    "src/plainmlp/evaluation/figures/canvas.py": "reports",
    "src/hydra_plugins/plainmlp_launcher/launcher.py": "plugins",
    "pipelines/train.py": "scripts",
    "src/plainmlp/tracking/store.py": None,
    "src/plainmlp/proof/comparison.py": None,
    "pipelines/compose.py": None,
    "pipelines/verify.py": None,
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    for folder in ("src", "pipelines"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_an_edit_changes_the_digest_of_its_part_alone(checkout):
    before = digest_checkout(checkout)
    texts = {name: (checkout / name).read_text() for name in EDITS}
    for name, text in texts.items():
        (checkout / name).write_text(f"# a comment\n{text}")
    assert digest_checkout(checkout) == before
    for name, part in EDITS.items():
        file, text = checkout / name, texts[name]
        file.write_text(f"{text}\nNEW = 1\n")
        after = digest_checkout(checkout)
        assert [key for key in before if before[key] != after[key]] == ([part] if part else []), name
        file.write_text(text)


def test_a_script_counts_for_itself_and_what_all_share_for_each(checkout):
    before = digest_checkout(checkout)["scripts"]
    for name, changed in (("train", {"train"}), ("_checkout", set(SCRIPTS))):
        (checkout / "pipelines" / f"{name}.py").write_text("NEW = 1\n")
        after = digest_checkout(checkout)["scripts"]
        assert {key for key in before if before[key] != after[key]} == changed
