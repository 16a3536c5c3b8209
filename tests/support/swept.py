"""Sweeps without training: children as MLflow would return them, with scores by rule."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from plainmlp.sweeps.ranking.leaderboard import Leaderboard, build_leaderboard
from plainmlp.sweeps.ranking.results import Failure, Result, SweepResults
from plainmlp.tracking.stored_runs import StoredRun
from plainmlp.tracking.tags import FAILURE_TAG, POINT_TAG

SIZES = ((), (16,), (64,), (64, 32), (128, 64))
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
RATES = (0.0001, 0.001, 0.01)
EPOCHS = 20


def child(
    parameters: Mapping[str, object],
    metrics: Mapping[str, float] | None = None,
    status: str = "FINISHED",
    run: str = "",
) -> StoredRun:
    """Return a run with these parameters; its point id follows from them."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
    point_id = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
    tags = {POINT_TAG: point_id}
    if status == "FAILED":
        tags[FAILURE_TAG] = "TrainingError: the loss | is\nnot finite"
    return StoredRun(run or f"run-{point_id[:8]}", status, texts, tags, metrics or {})


def result(parameters: Mapping[str, object], value: float, run: str = "", **metrics: float) -> Result:
    """Return a finished point with a validation accuracy."""
    return Result(child(parameters, {"validation_accuracy": value, **metrics}, run=run), value, ())


def failure(parameters: Mapping[str, object]) -> Failure:
    run = child(parameters, status="FAILED")
    return Failure(run, run.failure)


def board_of(
    finished: Sequence[Result], failed: Sequence[Failure] = (), metric: str = "validation_accuracy"
) -> Leaderboard:
    return build_leaderboard(SweepResults(metric, tuple(finished), tuple(failed)))


def grid(axes: Mapping[str, Sequence[Any]], seeds: int = 3) -> list[dict[str, Any]]:
    """Return the parameters of every point of a grid."""
    values = product(*axes.values(), range(seeds))
    return [{**dict(zip(axes, point, strict=False)), "seed": point[-1]} for point in values]


def whole_sweep(
    sizes=SIZES, activations=ACTIVATIONS, rates=RATES, seeds: int = 3, *, loss: bool = False
) -> Leaderboard:
    """Return the leaderboard of a sweep that looks like one over digits."""
    axes = {"model.hidden_sizes": sizes, "model.activation": activations, "optimizer.learning_rate": rates}
    points = [_looks_real(point, loss=loss) for point in grid(axes, seeds)]
    return board_of(points, metric="validation_loss" if loss else "validation_accuracy")


def _looks_real(parameters: dict[str, Any], *, loss: bool) -> Result:
    """Return a point whose score follows from its settings, with a little noise from all of them."""
    digest = hashlib.sha256(json.dumps(parameters).encode()).digest()
    noise = np.random.default_rng(list(digest)).normal(size=EPOCHS + 1)
    sizes, rate = parameters["model.hidden_sizes"], parameters["optimizer.learning_rate"]
    skill = 0.98 - 0.03 / (1 + sum(sizes) / 32) - 0.02 * (parameters["model.activation"] == "sigmoid")
    speed = 400 * rate / (1 + 3 * (parameters["model.activation"] == "sigmoid"))
    curve = skill - (skill - 0.1) * np.exp(-speed * np.arange(1, EPOCHS + 1)) + 0.003 * noise[:EPOCHS]
    if loss:
        curve = 4 * (1 - curve)
    n_parameters = float(64 * sum(sizes[:1]) + 32 * sum(sizes[1:]) + 650)
    metrics = {
        "test_accuracy": skill - 0.01,
        "test_accuracy_low": skill - 0.03,
        "n_parameters": n_parameters,
        "training_seconds": 0.1 + n_parameters / 30000 + 0.02 * abs(noise[-1]),
    }
    return Result(child(parameters, metrics), float(curve[-1]), tuple(curve.tolist()))
