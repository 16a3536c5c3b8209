"""The draw of points: seeded, of finished points alone, each at most once."""

from types import SimpleNamespace

import pytest

from configurations import refusal
from plainmlp.proof.sweep import draw_points
from plainmlp.tracking.store import Store


@pytest.fixture(scope="module")
def sweep(address: str) -> SimpleNamespace:
    """Return the run of a sweep with eight finished points and a failed one below it."""
    store = Store(address, "draws")
    parent = store.start_parent("a sweep", {}, {"sweep_id": "2" * 64})
    ids = []
    for point in range(9):
        status = "FAILED" if point == 8 else "FINISHED"
        place = {"parameters": {}, "tags": {}, "metrics": {}, "curves": {}, "artifacts": None}
        run_id = store.add_child(parent.run_id, f"{point}" * 64, "p", **place, status=status, started=0.0, ended=1.0)
        ids.append(run_id)
    parent.end("FINISHED")
    return SimpleNamespace(store=store, run_id=parent.run_id, finished=ids[:8])


def test_same_seed_draws_the_same_points_and_none_twice(sweep: SimpleNamespace) -> None:
    draws = [draw_points(sweep.store, sweep.run_id, 5, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for drawn in draws:
        assert len(set(drawn)) == 5
        assert set(drawn) <= set(sweep.finished)


def test_all_are_drawn_where_there_are_no_more(sweep: SimpleNamespace) -> None:
    assert sorted(draw_points(sweep.store, sweep.run_id, 50, 0)) == sorted(sweep.finished)


def test_run_without_points_is_refused(sweep: SimpleNamespace) -> None:
    assert "has no finished runs below it" in refusal(draw_points, sweep.store, sweep.finished[0], 5, 0)
