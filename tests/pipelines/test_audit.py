"""dvc.yaml against what the stages really do: the files that they read, the modules, and the keys of the configuration."""

import json
from pathlib import Path
from typing import Any

import pytest

from checkouts import clone, succeed
from dag import CODE, MAIN, ROOT, code_of, code_stated, listed, outputs

pytestmark = [pytest.mark.slow, pytest.mark.long]
NAMES = list(MAIN)
TABLE = ("dataset=table", "dataset.target=kind", "dataset.path=data.csv", "model.hidden_sizes=[4]")
RUNS = ((TABLE, NAMES), (("experiment=clusters_published",), ["train"]))  # the second begins with given weights
# what is read, and changes no output: what records the run; the weights, for the point's id; the pinned packages
FREE = {
    "train": {"src/plainmlp/tracking", "requirements.lock"},
    "evaluate": {"src/plainmlp/tracking", "data/inputs/model.weights/file", "requirements.lock"},
}
PACKAGE = "src/plainmlp/__init__.py"  # holds no code
Stage = dict[str, Any]


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """Return for each stage the files and the keys that it reads, in one run or another."""
    folder = clone(tmp_path_factory.mktemp("audited") / "clone")
    rows = (f"{i * 37 % 101 / 10},{'rgb'[i % 3]},{'yes' if i % 4 else 'no'}\n" for i in range(120))
    (folder / "data.csv").write_text("size,color,kind\n" + "".join(rows), encoding="utf-8")
    found: dict[str, dict[str, set[str]]] = {name: {"files": set(), "keys": set()} for name in NAMES}
    for overrides, audited in RUNS:
        lines = json.dumps({"overrides": [*overrides, "training.epochs=2"]})
        (folder / "overrides.yaml").write_text(lines, encoding="utf-8")
        for name in NAMES[: NAMES.index(audited[-1]) + 1]:
            script = folder / "pipelines" / f"{name}.py"
            if name not in audited:
                succeed(folder, "python", script)
                continue
            for kind, read in reads_of(script, folder).items():
                found[name][kind] |= {each for each in read if kind == "keys" or is_content(folder / each)}
    return found


def reads_of(script: Path, folder: Path) -> dict[str, list[str]]:
    """Run a stage as DVC does, in its turn, and return the files and the keys that it reads."""
    report = folder.parent / "report.json"
    succeed(folder, "python", Path(__file__).parents[1] / "support" / "audited.py", folder, script, report)
    reads: dict[str, list[str]] = json.loads(report.read_text(encoding="utf-8"))
    return reads


def is_content(path: Path) -> bool:
    """Say whether a path is a file that is there to stay, no temporary one and none of a tool."""
    return path.is_file() and not any(part.startswith(".") for part in path.parts)


def missing(name: str, stage: Stage, read: dict[str, set[str]]) -> list[str]:
    """Return what a stage runs or reads, and does not depend on."""
    code = {str(file.relative_to(ROOT)) for file in code_of(name)}
    own = outputs(stage) | {"params.yaml", PACKAGE} | FREE.get(name, set())
    files = code | {file for file in read["files"] if not is_below(file, own)}
    keys = set() if name == "compose" else read["keys"]  # its output is the whole configuration
    stated_files = listed(stage, "deps") | {
        each for entry in stage["params"] if isinstance(entry, dict) for each in entry
    }
    stated_files |= {str(file.relative_to(ROOT)) for file in code_stated(stage)}
    stated_keys = [entry for entry in stage["params"] if isinstance(entry, str)]
    unstated = [key for key in keys if not any(f"{key}.".startswith(f"{stated}.") for stated in stated_keys)]
    return sorted([file for file in files if not is_below(file, stated_files)] + unstated)


def is_below(file: str, places: set[str]) -> bool:
    return any(f"{file}/".startswith(f"{place}/") for place in places)


def without(stage: Stage, kind: str, entry: object) -> Stage:
    return {**stage, kind: [each for each in stage[kind] if each != entry]}


@pytest.mark.parametrize("name", NAMES)
def test_stage_states_all_that_it_reads(name: str, reads: dict[str, dict[str, set[str]]]) -> None:
    assert missing(name, MAIN[name], reads[name]) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["deps", "params"])
def test_audit_notices_each_that_is_left_out(name: str, kind: str, reads: dict[str, dict[str, set[str]]]) -> None:
    for entry in MAIN[name].get(kind, []):
        assert missing(name, without(MAIN[name], kind, entry), reads[name]), f"{name} without {entry}"


def test_data_is_read_and_not_only_code(reads: dict[str, dict[str, set[str]]]) -> None:
    data = {file for read in reads.values() for file in read["files"] if not file.startswith(CODE)}
    assert {"data/inputs/dataset.path/file", "data/inputs/model.weights/file", "data/raw/features.npy"} <= data
