"""The figures of a run and its report: ratios, turns, how long a measurement is, the page."""

import json
import subprocess

import pytest

from _performance import write_section
from plainmlp.evaluation.figures.canvas import save_figure
from speed.measuring import KERNELS, MAX_EPOCHS, SECONDS, enough_epochs, environment, summarize, take_turns
from speed.problem import Run
from speed.report import draw_ratios, section, table, thread_counts
from speed.workloads import DEFINITION, FUSED, ONE_CORE, OURS, SKLEARN, TORCH, WORKLOADS
from steps import measured

DIGITS = "784-128-64-10 sigmoid, batches of 64, Adam"
CLUSTERS = "clusters 2-5-3, batches of 100"
SECONDS_TAKEN = {
    OURS: [2e-6, 1e-6, 4e-6],
    TORCH: [3e-6, 3e-6, 9e-6],
    FUSED: [5e-6] * 3,
    SKLEARN: [1e-6, 0.5e-6, 4e-6],
    DEFINITION: [1.25e-3] * 3,
}


@pytest.fixture
def results():
    timings = summarize(DIGITS, 1, SECONDS_TAKEN) + summarize(CLUSTERS, 1, {OURS: [1e-6], TORCH: [7e-6]})
    timings += summarize(DIGITS, 2, {OURS: [1e-6], ONE_CORE: [1.9e-6]})
    found = {
        "machine": "a processor, 2 cores",
        "versions": {"NumPy": "2.4"},
        "digits": "drawn images",
        "rounds": 3,
        "timings": timings,
    }
    return json.loads(json.dumps(found))


def test_ratios_are_those_of_medians(results):
    entries = {e["system"]: e for e in results["timings"] if (e["workload"], e["threads"]) == (DIGITS, 1)}
    assert entries[TORCH]["microseconds_per_step"] == {"median": 3.0, "min": 3.0, "max": 9.0}
    ratios = {name: entry["ratio"] for name, entry in entries.items()}
    assert ratios == {OURS: 1.0, TORCH: 1.5, FUSED: 2.5, SKLEARN: 0.5, DEFINITION: 625.0}


def test_a_table_has_times_of_ours_ratios_of_others_and_no_column_without_figures(results):
    assert table(results["timings"], 1) == [
        "| workload | ours, µs | ours without Numba, µs | PyTorch eager; fused | scikit-learn MLP |",
        "|---|--:|--:|--:|--:|",
        f"| {DIGITS} | 2.0 | 1,250.0 | 1.50x; 2.50x | 0.50x |",
        f"| {CLUSTERS} | 1.0 |  | 7.00x |  |",
    ]
    assert table(results["timings"], 2) == [
        "| workload | ours, µs | ours on one core |",
        "|---|--:|--:|",
        f"| {DIGITS} | 1.0 | 1.90x |",
    ]


def test_section_has_a_table_for_each_number_of_threads(results):
    text = section(results)
    assert thread_counts(results["timings"]) == [1, 2]
    assert text.index("\nOne thread. ") < text.index("| 1,250.0 |") < text.index("\nTwo threads") < text.index("1.90x")
    assert "a processor, 2 cores" in text
    assert "NumPy 2.4" in text
    assert "drawn images" in text
    assert text.endswith("\n\n![times as multiples of ours](images/performance.png)\n")


def test_a_section_takes_the_place_of_its_predecessor_alone(tmp_path):
    page = tmp_path / "page.md"
    write_section("## One", "## One\n\nold\n", page)
    write_section("## Two", "## Two\n\nkept\n", page)
    write_section("## One", "## One\n\n### part\n\nnew\n", page)
    assert page.read_text(encoding="utf-8") == "# How fast\n\n## One\n\n### part\n\nnew\n\n## Two\n\nkept\n"


def test_the_chart_is_a_picture(results, tmp_path):
    path = save_figure(draw_ratios, results["timings"], tmp_path / "chart.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_every_system_begins_a_round_in_turn():
    calls = []
    take_turns(["a", "b", "c"], lambda name: calls.append(name) or 1.0, 4)
    assert "".join(calls) == "abcbcacababc"


@pytest.mark.parametrize("per_epoch", [1e-9, 0.002, 0.3, 3.0])
def test_a_measurement_is_long_enough_and_not_longer(per_epoch):
    asked = []

    def runner(n_epochs):
        asked.append(n_epochs)
        return Run(per_epoch * (n_epochs - 1), [])

    seconds = (enough_epochs(runner) - 1) * per_epoch
    assert seconds == pytest.approx(
        SECONDS if per_epoch == 0.002 else {0.3: 0.6, 3.0: 6.0}.get(per_epoch, 2e-6), rel=0.02
    )
    assert max(asked) < 4 * MAX_EPOCHS


def test_epochs_whose_time_is_lost_in_noise_are_told_by_more_of_them():
    """The set-up that is taken off can be longer than a few epochs."""
    n_epochs = enough_epochs(lambda n_epochs: Run(0.01 * (n_epochs - 1) - 0.05, []))
    assert 30 < n_epochs < 100


def test_ours_comes_first_and_is_timed_with_two_threads_only_beside_one_core():
    for workload in WORKLOADS.values():
        assert next(iter(workload.systems)) == OURS
        if workload.with_two_threads:
            assert [*workload.with_two_threads][:2] == [OURS, ONE_CORE]


def test_a_process_starts_with_its_threads():
    assert environment(2)["OPENBLAS_NUM_THREADS"] == "2"
    assert environment(2)["NUMBA_NUM_THREADS"] == "2"
    assert "multi_thread_eigen=false" in environment(1)["XLA_FLAGS"]


def test_a_process_takes_the_kernels_of_its_processor(monkeypatch):
    for name in KERNELS:
        monkeypatch.setenv(name, "1")
    started = {}

    def run(command, env, **options):
        started.update(env)
        return subprocess.CompletedProcess(command, 0, stdout='something else\n{"timings": []}\n')

    monkeypatch.setattr(subprocess, "run", run)
    assert measured(DIGITS, 2, 3) == {"timings": []}
    assert started["OMP_NUM_THREADS"] == "2"
    assert not set(KERNELS) & set(started)
