"""dvc.yaml and searches/dvc.yaml against the scripts: every stage depends on the code that it runs, and on no other."""

from graphlib import TopologicalSorter

import pytest
import yaml

from dag import CODE, MAIN, ROOT, STAGES, code_entries, code_of, code_stated, listed, outputs

DOORS = {
    "run",
    "repro",
    "leaderboard",
    "model",
    "sync",
    "verify",
    "describe",
    "card",
    "export",
    "promote",
    "watch",
}  # they run the whole chain, or read, publish, export or prove what it recorded, or show a table or a training
MAX_LINES, MAX_ENTRIES = 130, 8
# what an edit of a module runs again; all run compose
RERUN = {
    "tracking/store.py": set(),
    "proof/comparison.py": set(),
    "composition/choices.py": set(),
    "sweeps/session.py": set(),
    "evaluation/figures/canvas.py": {"evaluate"},
    "evaluation/reports.py": {"evaluate"},
    "evaluation/metrics.py": {"evaluate"},
    "training/train.py": {"train", "evaluate"},
    "data/scaling.py": {"fetch", "split", "train", "evaluate"},
    "nn/losses.py": {"fetch", "split", "train", "evaluate"},
}


def test_every_script_is_a_stage_and_every_stage_a_script() -> None:
    scripts = {path.stem for path in (ROOT / "pipelines").glob("[!_]*.py")}
    assert set(STAGES) == scripts - DOORS
    assert scripts >= DOORS
    assert {name: stage["cmd"] for name, stage in STAGES.items()} == {
        name: f"python pipelines/{name}.py" for name in STAGES
    }


@pytest.mark.parametrize("name", STAGES)
def test_stage_depends_on_the_code_that_it_runs_and_on_no_part_without_any(name: str) -> None:
    run, entries = code_of(name), code_entries(STAGES[name])
    assert sorted(str(file.relative_to(ROOT)) for file in run - code_stated(STAGES[name])) == [], "missing"
    assert [entry for entry, files in entries.items() if not files & run] == [], "superfluous"
    assert len(entries) <= MAX_ENTRIES


def test_a_page_says_it_all() -> None:
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8").count("\n") < MAX_LINES


@pytest.mark.parametrize("module", RERUN)
def test_an_edit_runs_again_what_it_can_change_and_no_more(module: str) -> None:
    file = ROOT / "src" / "plainmlp" / module
    assert {name for name, stage in MAIN.items() if file in code_stated(stage)} == {"compose"} | RERUN[module]


def test_the_main_job_needs_nothing_of_the_search() -> None:
    assert set(MAIN) == {"compose", "fetch", "split", "train", "evaluate"}
    assert not {output for name in STAGES.keys() - MAIN.keys() for output in outputs(STAGES[name])} & {
        path for stage in MAIN.values() for path in listed(stage, "deps")
    }


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_exist_or_are_made_by_another_stage(name: str) -> None:
    made = {output for stage in STAGES.values() for output in outputs(stage)}
    data = {path for path in listed(STAGES[name], "deps") if path.split("/")[0] not in CODE}
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


def test_only_what_can_change_a_result_or_a_figure_is_a_parameter() -> None:
    named = {key.split(".")[0] for stage in MAIN.values() for key in stage["params"] if isinstance(key, str)}
    assert named == {"animation", "backend", "code", "dataset", "split", "model", "optimizer", "seed", "training"}
