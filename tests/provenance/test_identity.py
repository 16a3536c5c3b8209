import shutil
from copy import deepcopy
from pathlib import Path

import pytest

from configurations import DEFAULT
from plainmlp.canonical import canonical
from plainmlp.config import parse
from plainmlp.provenance.identity import PACKAGE, RESULT_CODE, digest_code, digest_json, identify_point

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
    kept = {("training", key) for key in ("digest_every", "checkpoint_epochs", "checkpoint_seconds")}
    return path[0] in {"sweep", "tracking"} or path in {("dataset", "path"), ("model", "weights")} | kept


@pytest.mark.parametrize("path", list(leaves(CANONICAL)), ids=".".join)
def test_point_changes_with_what_can_change_a_result_and_nothing_else(path):
    found = identify_point(with_leaf(path, "something else"), "data", None)
    assert (found == POINT) == is_free(path)


def test_point_is_a_digest_of_data_start_and_configuration():
    assert len(POINT) == 64
    assert identify_point(deepcopy(CANONICAL), "data", None) == POINT
    assert len({POINT, identify_point(CANONICAL, "other", None), identify_point(CANONICAL, "data", "start")}) == 3


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


def test_code_of_a_copy_is_the_same_code(package):
    assert fresh(package) == digest_code()


def test_line_of_code_that_changes_is_noticed(package):
    before = fresh(package)
    for name in ("nn/penalty.py", "data/scaling.py", "stages/train.py", "construction.py", "evaluation/metrics.py"):
        path = package / name
        text = path.read_text()
        path.write_text(text + "\nNEW = 1\n")
        assert fresh(package) != before, name
        path.write_text(text)
    assert fresh(package) == before


def test_new_and_renamed_modules_are_noticed(package):
    digests = [fresh(package)]
    (package / "nn" / "new.py").write_text("")
    digests.append(fresh(package))
    (package / "nn" / "new.py").rename(package / "nn" / "newer.py")
    digests.append(fresh(package))
    assert len(set(digests)) == 3


def test_comments_docstrings_and_the_rest_of_the_package_do_not_count(package):
    before = fresh(package)
    for path in [*(package / "nn").glob("*.py"), package / "model.py"]:
        text = path.read_text()
        path.write_text("# a comment\n" + text.replace('"""Return ', '"""Give back ') + "\n\n# the end\n")
    for name in ("tracking/store.py", "terminal.py", "figures/canvas.py"):
        (package / name).write_text("NEW = 1\n")
    assert fresh(package) == before


@pytest.mark.parametrize("definition", ["def f():", "async def f():", "class C:"])
def test_docstring_of_any_definition_does_not_count(package, definition):
    digests = set()
    for body in ('"""One."""', '"""Two."""', '"""Three."""\n    pass'):
        (package / "nn" / "new.py").write_text(f"{definition}\n    {body}\n")
        digests.add(fresh(package))
    assert len(digests) == 2  # an empty body, and a body of `pass`


def test_every_part_that_counts_exists():
    assert all((PACKAGE / name).exists() for name in RESULT_CODE)
