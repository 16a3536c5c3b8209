"""dvc.yaml against the scripts: every stage depends on the code that it runs, and on no other."""

from graphlib import TopologicalSorter

import pytest
import yaml

from dag import CODE, ROOT, STAGES, STARTED, code_listed, listed, outputs
from imported import code_run

DOORS = {
    "run",
    "repro",
    "leaderboard",
    "sync",
    "verify",
}  # they run the whole chain, or read, publish or prove what it recorded


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
    run = code_run(*scripts)
    stated = code_listed(STAGES[name])
    names = {file: str(file.relative_to(ROOT)) for file in run | stated}
    assert sorted(names[file] for file in run - stated) == [], "missing from dvc.yaml"
    assert sorted(names[file] for file in stated - run) == [], "superfluous in dvc.yaml"


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_exist_or_are_made_by_another_stage(name: str) -> None:
    made = {output for stage in STAGES.values() for output in outputs(stage)}
    data = {path for path in listed(STAGES[name], "deps") if not path.startswith(CODE)}
    assert {path for path in data if path not in made and not path.startswith("conf/")} <= {"conf"}
    assert all((ROOT / path).exists() for path in listed(STAGES[name], "deps") - made)


def test_stages_follow_each_other_without_a_circle() -> None:
    graph = {
        name: {
            other
            for other, producer in STAGES.items()
            if outputs(producer) & (listed(stage, "deps") | {"params.yaml"} if name != "compose" else set())
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
    assert named == {"backend", "dataset", "split", "model", "optimizer", "seed", "training"}
