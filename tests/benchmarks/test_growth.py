"""How growth is measured: the arrays that are learned from, one training, the memory of a process, the page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import growth
from plainmlp.data.datasets import fetch_dataset
from plainmlp.training import train as train_stage

RESULTS = {
    "machine": "a processor, 2 cores",
    "rows": [
        {
            "rows": 10_000,
            "in order": {"microseconds": 0.5, "megabytes": 200.0, "held": True},
            "shuffled": {"microseconds": 0.625, "megabytes": 210.0, "held": True},
        }
    ],
    "files": [
        {
            "order": "shuffled",
            "rows": 10_000_000,
            "gigabytes": 4.0,
            "seconds": 80.0,
            "megabytes": 410.0,
            "anonymous_megabytes": 250.0,
        }
    ],
    "networks": [{"networks": 1000, "training_ms": 4.5, "sweep_ms": 61.0}],
    "starts": {"run.py --help": {"seconds": 0.3, "processor_seconds": 0.25}},
}


def test_arrays_are_written_some_rows_at_a_time_and_can_be_learned_from(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(growth, "ROWS_WRITTEN", 40)
    rows = fetch_dataset("npy", path=str(growth.write_arrays(tmp_path, 100, 3))).rows
    assert (rows.features.shape, rows.features.dtype) == ((100, 3), np.float32)
    assert len(np.unique(rows.features[:, 0])) == 100
    assert set(rows.targets) == {0, 1, 2}


@pytest.mark.parametrize("order", growth.ORDERS)
def test_a_training_is_timed_by_the_sample(order: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(growth, "SAMPLES", 600)
    found = growth.train_once(growth.write_arrays(tmp_path, 300, growth.COLUMNS), 300, order)
    assert 0 < found["microseconds"] < 1e6
    assert found["megabytes"] > 10
    assert found["held"]


def test_networks_are_trained_one_after_another_from_seeds_of_their_own(monkeypatch) -> None:
    correct, seeds = train_stage.train, []
    monkeypatch.setattr(
        train_stage, "train", lambda splits, seed, *sections: seeds.append(seed) or correct(splits, seed, *sections)
    )
    assert 0 < growth.time_networks(3) < 60
    assert seeds == [0, 1, 2]


@pytest.mark.slow
def test_memory_of_a_process_is_found_and_its_failure_told() -> None:
    size = 100_000_000
    program = f"import time; held = b'1' * {size}; time.sleep(0.5)"
    most, anonymous = growth.memory_of(subprocess.Popen([sys.executable, "-c", program]))
    assert 100 < anonymous <= most < 150
    with pytest.raises(SystemExit, match="ended with 3"):
        growth.memory_of(subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]))


def test_the_page_has_every_figure() -> None:
    text = growth.section(json.loads(json.dumps(RESULTS)))
    assert text.startswith("## Growth\n\nMeasured by `make bench-growth` on a processor, 2 cores.\n")
    for line in (
        "| 10,000 | memory | 0.50 | 0.62 | 210 |",
        "| shuffled | 4 | 10,000,000 | 80 | 410 | 250 |",
        "| 1,000 | 4.5 | 61 |",
        "| run.py --help | 0.30 | 0.25 |",
    ):
        assert line in text.splitlines()
