"""The figures of a run and its report: ratios, what is held against them, turns, phases, allocations, the page."""

import json
import time

import pytest

from _performance import write_section
from plainmlp.figures.canvas import save_figure
from plainmlp.nn.gradient import Gradient
from plainmlp.nn.scoring import Scorer
from speed.allocations import allocation
from speed.measuring import environment, summarize, take_turns
from speed.phases import PHASES, phase_microseconds
from speed.report import draw_ratios, section, table
from speed.workloads import LIMIT, OURS, PLAIN, SKLEARN, TORCH, WORKLOADS

DIGITS = "784-128-64-10 sigmoid, batches of 64, SGD"
SECONDS = {OURS: [2e-6, 1e-6, 4e-6], TORCH: [3e-6, 3e-6, 9e-6], SKLEARN: [2e-6, 3e-6, 4e-6], LIMIT: [1e-6] * 3}


@pytest.fixture
def results():
    timings = summarize(DIGITS, 1, SECONDS) + summarize(DIGITS, 2, {OURS: [1e-6], PLAIN: [5e-6]})
    phases = {DIGITS: {"forward": 1.25, "backward": 2.5}}
    found = {
        "machine": "a processor, 2 cores",
        "versions": {"NumPy": "2.4"},
        "digits": "drawn images",
        "rounds": 3,
        "timings": timings,
        "phases": phases,
        "allocation": {DIGITS: {"in_a_step": 1234, "kept_per_epoch": 12, "peak": 2500}},
    }
    return json.loads(json.dumps(found))


def test_ratios_are_those_of_medians(results):
    entries = {entry["system"]: entry for entry in results["timings"] if entry["threads"] == 1}
    assert entries[TORCH]["ratio"] == 1.5
    assert entries[TORCH]["microseconds_per_step"] == {"median": 3.0, "min": 3.0, "max": 9.0}
    holds = {name: entry["holds"] for name, entry in entries.items()}
    assert holds == {OURS: None, TORCH: True, SKLEARN: False, LIMIT: False}


def test_table_says_what_is_asked_and_what_is_missed(results):
    *_, row = table(results["timings"], 1)
    assert row == (
        f"| {DIGITS} | 2.0 |  | 1.50x (>= 1.4) | 1.50x (**missed**: >= 1.7) |  | 2.00x (**missed**: <= 1.25) |"
    )
    *_, row = table(results["timings"], 2)
    assert row == f"| {DIGITS} | 1.0 | 5.00x |  |  |  |  |"


def test_section_has_a_table_for_each_number_of_threads_and_the_phases(results):
    text = section(results)
    assert text.index("Threads: 1.") < text.index("Threads: 2.")
    assert f"| {DIGITS} | 0.0 | 1.2 | 0.0 | 2.5 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 1,234 | 12 | 2 |" in text
    assert "a processor, 2 cores" in text
    assert "NumPy 2.4" in text


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


def test_every_requirement_is_one_of_a_system_that_is_timed():
    for workload in WORKLOADS.values():
        assert set(workload.required) < set(workload.systems)
        assert next(iter(workload.systems)) == OURS


def test_a_process_starts_with_its_threads():
    assert environment(2)["OPENBLAS_NUM_THREADS"] == "2"
    assert "multi_thread_eigen=false" in environment(1)["XLA_FLAGS"]


def tiny():
    return WORKLOADS["clusters 2-5-3, batches of 100"].problem("split.train=400", "split.test=100")


def test_every_phase_of_a_step_is_found():
    phases = phase_microseconds(tiny(), 2)
    assert set(phases) == set(PHASES)
    assert min(phases.values()) > 0


def test_a_phase_has_the_time_of_its_calls_alone(monkeypatch):
    """A backward pass that is slow makes the phase of that name slow, and no other."""
    correct = Gradient.backward

    def slow(self, *arguments):
        time.sleep(0.02)
        correct(self, *arguments)

    before = phase_microseconds(tiny(), 2)
    monkeypatch.setattr(Gradient, "backward", slow)
    after = phase_microseconds(tiny(), 2)
    assert max(after, key=lambda phase: after[phase] - before[phase]) == "backward"


def test_what_steps_allocate_is_counted(monkeypatch):
    backward, measure, left = Gradient.backward, Scorer.measure, []

    def leaking(self, *arguments):
        left.append(bytearray(10_000))
        bytearray(50_000)
        backward(self, *arguments)

    def wasteful(self, *arguments):
        bytearray(500_000)
        return measure(self, *arguments)

    before = allocation(tiny())
    assert before.in_a_step < 10_000
    assert before.kept_per_epoch < 10_000
    monkeypatch.setattr(Gradient, "backward", leaking)
    monkeypatch.setattr(Scorer, "measure", wasteful)  # which is no part of a step
    after = allocation(tiny())
    assert 4 * 10_000 < after.kept_per_epoch < 5 * 10_000
    assert 60_000 < after.in_a_step < 65_000
    assert after.peak > 500_000
