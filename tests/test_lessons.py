"""The lessons run, quickly, and show pictures."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

LESSONS = sorted((Path(__file__).resolve().parents[1] / "lessons").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_draws(lesson, monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    try:
        runpy.run_path(str(lesson))
        assert len(plt.get_fignums()) >= 1
    finally:
        plt.close("all")
