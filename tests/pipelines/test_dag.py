"""dvc.yaml against the scripts: every stage depends on the code that it runs, and on no other."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import accumulate
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
DOORS = {"run", "repro", "leaderboard"}  # they run the whole chain, or read what it recorded
CODE = ("src/", "pipelines/")
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
# the stage sweep starts run.py as a process, and Hydra finds our plugins there by itself
STARTED = {"sweep": [ROOT / "pipelines" / "run.py", *PLUGINS]}


def _listed(stage: dict[str, list[object]], kind: str) -> set[str]:
    """Return the paths of a stage's deps or outs, without what stands beside them."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in stage.get(kind, [])}


def _outputs(stage: dict[str, list[object]]) -> set[str]:
    return _listed(stage, "outs") | _listed(stage, "metrics")


def _code_listed(stage: dict[str, list[object]]) -> set[Path]:
    """Return the files of code that a stage depends on; a folder stands for every module in it."""
    paths = (ROOT / path for path in _listed(stage, "deps") if path.startswith(CODE))
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


def _code_run(script: Path) -> set[Path]:
    """Return a script and all modules of this repository that it imports, also inside of functions."""
    found, waiting = {script}, [script]
    while waiting:
        new = set(_imported(waiting.pop())) - found
        found |= new
        waiting += new
    return found


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield from _modules(name)


def _modules(name: str) -> Iterator[Path]:
    """Yield the files of a dotted name that are ours: the packages on the way to it, and the module."""
    for dotted in accumulate(name.split("."), "{}/{}".format):
        for place in (ROOT / "src" / dotted, ROOT / "pipelines" / dotted):
            files = (place / "__init__.py", place.with_suffix(".py"))
            yield from (file for file in files if file.is_file())


def test_every_script_is_a_stage_and_every_stage_a_script() -> None:
    scripts = {path.stem for path in (ROOT / "pipelines").glob("[!_]*.py")}
    assert set(STAGES) == scripts - DOORS
    assert scripts >= DOORS
    assert {name: stage["cmd"] for name, stage in STAGES.items()} == {
        name: f"python pipelines/{name}.py" for name in STAGES
    }


@pytest.mark.parametrize("name", STAGES)
def test_stage_depends_on_exactly_the_code_that_it_runs(name: str) -> None:
    scripts = [ROOT / "pipelines" / f"{name}.py", *STARTED.get(name, [])]
    run: set[Path] = set().union(*map(_code_run, scripts))
    listed = _code_listed(STAGES[name])
    names = {file: str(file.relative_to(ROOT)) for file in run | listed}
    assert sorted(names[file] for file in run - listed) == [], "missing from dvc.yaml"
    assert sorted(names[file] for file in listed - run) == [], "superfluous in dvc.yaml"


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_exist_or_are_made_by_another_stage(name: str) -> None:
    made = {output for stage in STAGES.values() for output in _outputs(stage)}
    data = {path for path in _listed(STAGES[name], "deps") if not path.startswith(CODE)}
    assert {path for path in data if path not in made and not path.startswith("conf/")} <= {"conf"}
    assert all((ROOT / path).exists() for path in _listed(STAGES[name], "deps") - made)


def test_stages_follow_each_other_without_a_circle() -> None:
    graph = {
        name: {
            other
            for other, producer in STAGES.items()
            if _outputs(producer) & (_listed(stage, "deps") | {"params.yaml"} if name != "compose" else set())
        }
        for name, stage in STAGES.items()
    }
    order = list(TopologicalSorter(graph).static_order())
    assert [name for name in order if name != "sweep"] == ["compose", "fetch", "split", "train", "evaluate"]
    assert order.index("split") < order.index("sweep")


@pytest.mark.parametrize("name", [name for name in STAGES if name != "compose"])
def test_parameters_exist(name: str) -> None:
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key in STAGES[name]["params"]:
        value = parameters
        for part in key.split("."):
            assert part in value, key
            value = value[part]


def test_only_what_can_change_a_result_is_a_parameter() -> None:
    named = {key.split(".")[0] for stage in STAGES.values() for key in stage["params"] if isinstance(key, str)}
    assert named == {"dataset", "split", "model", "optimizer", "seed", "training"}
