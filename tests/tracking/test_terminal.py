import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from plainmlp.tracking.terminal import (
    describe,
    show_dead_units,
    show_metrics,
    show_places,
    show_resumption,
    show_steps,
    watch_training,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"
WATCH = """
from plainmlp.tracking.terminal import watch_training
with watch_training(30) as watch:
    for epoch in range(30):
        watch(epoch, {"train_loss": 1 / (epoch + 1), "validation_loss": 0.5})
"""


def watched(epochs: int, until: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with watch_training(epochs) as watch:
        for epoch in range(until):
            watch(epoch, {"train_loss": 1 / (epoch + 1), "gradient_norm": 2.0})
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (7, 7), (10, 10), (50, 10), (5001, 11)])
def test_about_ten_lines_where_there_is_no_terminal(epochs, lines, capsys):
    found = watched(epochs, epochs, capsys)
    assert len(found) == lines
    assert found[-1].startswith(f"epoch {epochs}/{epochs}  train_loss ")
    assert found[-1].endswith(" s, 0.0 s left")
    assert not any("gradient_norm" in line or "\x1b" in line for line in found)


def test_metrics_that_matter_are_described():
    metrics = {"train_loss": 0.123456, "validation_accuracy": 1.0, "dead_units": 0.0}
    assert describe(metrics) == "train_loss 0.1235  validation_accuracy 1"


def test_bar_on_a_terminal():
    leader, follower = pty.openpty()
    environment = {"PYTHONPATH": str(SOURCE), "PATH": "", "TERM": "xterm-256color", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", WATCH], stdout=follower, stderr=follower, env=environment, check=True)
    os.close(follower)
    text = b""
    while True:
        try:
            block = os.read(leader, 2**16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not block:
            break
        text += block
    os.close(leader)
    shown = text.decode()
    assert "30/30" in shown
    assert "train_loss 0.03333  validation_loss 0.5" in shown
    assert "0:00:00" in shown
    assert "━" in shown
    assert "Traceback" not in shown


def test_table_has_a_row_a_metric_and_fits_into_80_columns(capsys):
    parts = {
        "train": {"root_mean_squared_error": 37366.14, "mean_squared_error": 1396228559.46, "r2": 0.97, "tiny": 1.5e-7},
        "validation": {"root_mean_squared_error": 1.0, "mean_squared_error": 1537612940.2, "r2": 0, "tiny": 0.5},
        "test": {"root_mean_squared_error": 1.0, "mean_squared_error": 2307596942.6, "r2": -123456.0, "tiny": 0.5},
    }
    interval = (589777435.7571, 5566073061.41)
    show_metrics(parts, dict.fromkeys([name for name in parts["train"] if name != "r2"], interval))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["metric", "train", "validation", "test", "test,", "95", "%", "interval"]
    assert lines[2].split() == ["mean_squared_error", "1.40e+09", "1.54e+09", "2.31e+09", "5.90e+08", "to", "5.57e+09"]
    assert lines[3].split() == ["r2", "0.9700", "0.0000", "-1.23e+05", "none"]
    assert lines[4].split()[:3] == ["tiny", "1.50e-07", "0.5000"]
    assert lines[5].startswith("no interval: all resamples of the test part agree, or")


def test_long_places_are_neither_broken_nor_changed(capsys):
    show_places({"model": "/a:b:c/" + "long/" * 40 + "[b].txt", "mlflow": "http://x"})
    assert capsys.readouterr().out == f"model   /a:b:c/{'long/' * 40}[b].txt\nmlflow  http://x\n"


def test_last_epoch_has_a_line_where_a_training_stops_early(capsys):
    with watch_training(100) as watch:
        for epoch in range(13):
            watch(epoch, {"train_loss": 0.5})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["10/100", "13/100"]


def test_first_and_last_step_are_shown(capsys):
    show_steps({})
    assert capsys.readouterr().out == ""
    show_steps({"step": [0.0, 5.0, 10.0], "loss": [2.97031569, 1.0, 0.5], "accuracy": [0.25, 0.5, 1.0]})
    assert capsys.readouterr().out.splitlines() == [
        "batch of step 0: loss 2.970316  accuracy 0.25",
        "batch of step 10: loss 0.5  accuracy 1",
    ]


def test_dead_units_are_shown_where_there_are_any(capsys):
    show_dead_units(0.0)
    assert capsys.readouterr().out == ""
    show_dead_units(4 / 18)
    assert capsys.readouterr().out == "dead units: 22.2% of those that can die\n"


def test_a_training_that_goes_on_says_from_where(capsys):
    kept = SimpleNamespace(snapshot=SimpleNamespace(epochs=12), loss_every=None)
    for progress in (kept, None, SimpleNamespace(snapshot=kept.snapshot, loss_every=5)):
        show_resumption(
            SimpleNamespace(load=lambda progress=progress: progress), SimpleNamespace(epochs=30, loss_every=None)
        )
    assert capsys.readouterr().out == "continues from a checkpoint after epoch 12 of 30\n"
