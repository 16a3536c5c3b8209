"""The comparison of a run with its re-execution, aspect by aspect, in the order in which a run comes about."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.proof.aspects import Aspect, Outcome
from plainmlp.proof.run_files import Predictions, Results
from plainmlp.training.backends.table import OWN_BACKEND

# what counts samples or units moves in steps: a tie that rounding turns may change it by as much as this
STEP_TOLERANCE = 0.01
COUNTING = ("accuracy", "macro_f1", "expected_calibration_error", "dead_units")
DIGESTS = {
    "code": "code_digest",
    "data": "data_digest",
    "split": "split_digest",
    "point": "point_id",
}
SHOWN_DIGITS = 12  # of a digest


def rounding_tolerance(dtype: "np.dtype[Any]") -> float:
    """Return how far rounding may drive two trainings apart, relative to the largest value: half of the digits agree."""
    return math.sqrt(float(np.finfo(dtype).eps))


def compare(recorded: Results, again: Results, backend: str) -> list[Aspect]:
    """Compare a run with its re-execution.

    Parameters
    ----------
    recorded, again : Results
    backend : str
        What trained them. Our own engine gives the same bits on every machine; of another library an aspect is
        `ROUNDED` where its numbers differ by no more than `rounding_tolerance`.
    """
    if again.model is None:
        message = f"the re-execution left no model: {again.problems}"
        raise ValueError(message)
    tolerance = 0.0 if backend == OWN_BACKEND else rounding_tolerance(again.model.parameters.dtype)
    weights = _compare_weights(recorded, again, tolerance)
    measured = 0.0 if weights.outcome is Outcome.EQUAL else tolerance  # our own engine makes the rest of the weights
    return [
        *(_compare_digest(name, key, recorded, again) for name, key in DIGESTS.items()),
        _compare_start(recorded, again),
        _compare_epochs(recorded, again),
        weights,
        _compare_history(recorded, again, tolerance),
        _compare_metrics(recorded.metrics, again.metrics, measured),
        _compare_predictions(recorded.predictions, again.predictions, measured),
    ]


def _compare_digest(name: str, key: str, recorded: Results, again: Results) -> Aspect:
    then, now = recorded.tags.get(key), again.tags[key]
    if then is None:
        return Aspect(name, Outcome.UNKNOWN, f"the run has no {key}")
    if then == now:
        return Aspect(name, Outcome.EQUAL, f"{key} {now[:SHOWN_DIGITS]}")
    return Aspect(name, Outcome.DIFFERENT, f"{key} {then[:SHOWN_DIGITS]}, here {now[:SHOWN_DIGITS]}")


def _compare_start(recorded: Results, again: Results) -> Aspect:
    """Compare the digests of the states that the trainings began from."""
    name = "initial weights"
    if recorded.model is None or again.model is None or not recorded.model.initial_digest:
        return Aspect(name, Outcome.UNKNOWN, "the run has no readable digest of its first state")
    then, now = recorded.model.initial_digest, again.model.initial_digest
    if then == now:
        return Aspect(name, Outcome.EQUAL, f"digest {now[:SHOWN_DIGITS]}")
    return Aspect(name, Outcome.DIFFERENT, f"digest {then[:SHOWN_DIGITS]}, here {now[:SHOWN_DIGITS]}")


def _compare_epochs(recorded: Results, again: Results) -> Aspect:
    """Compare the states after the epochs that both have digested."""
    name, then, now = "epochs", recorded.digests, again.digests
    if not any(then):
        return Aspect(name, Outcome.UNKNOWN, "the run has no digests of its epochs")
    if len(then) != len(now):
        return Aspect(name, Outcome.DIFFERENT, f"{len(then)} epochs, here {len(now)}")
    same = {epoch: a == b for epoch, (a, b) in enumerate(zip(then, now, strict=True)) if a and b}
    if not same:
        return Aspect(name, Outcome.UNKNOWN, "the run has digests of other epochs")
    detail = f"{len(same)} digests of {len(now)} epochs"
    if all(same.values()):
        return Aspect(name, Outcome.EQUAL, detail)
    first = next(epoch for epoch, is_equal in same.items() if not is_equal)
    return Aspect(name, Outcome.DIFFERENT, detail, f"the first that differs is of epoch {first}")


def _compare_weights(recorded: Results, again: Results, tolerance: float) -> Aspect:
    name = "weights"
    then, now = recorded.model, again.model
    if then is None or now is None:
        problem = next((text for file, text in recorded.problems.items() if file.endswith(".safetensors")), "")
        return Aspect(name, Outcome.DIFFERENT, f"model.safetensors {problem}{_digest_remark(recorded, again)}")
    if then.parameters.shape != now.parameters.shape or then.parameters.dtype != now.parameters.dtype:
        shown = (f"{model.parameters.size:,} of {model.parameters.dtype}" for model in (then, now))
        return Aspect(name, Outcome.DIFFERENT, ", here ".join(shown))
    return _compare_arrays(name, then.parameters, now.parameters, tolerance)


def _digest_remark(recorded: Results, again: Results) -> str:
    """Say where the weights that the run made were those of its re-execution, which the file cannot tell."""
    is_same = recorded.tags.get("weights_digest") == again.tags["weights_digest"]
    return "; the re-execution has the weights_digest of the run" if is_same else ""


def _compare_arrays(name: str, then: NDArray[Any], now: NDArray[Any], tolerance: float) -> Aspect:
    detail = f"{now.size:,} numbers of {now.dtype}"
    if then.tobytes() == now.tobytes():
        return Aspect(name, Outcome.EQUAL, f"{detail}, every bit")
    differences = np.abs(then.astype(np.float64) - now.astype(np.float64))
    largest = float(differences.max())
    relative = largest / (float(np.max(np.abs(now))) or 1.0)
    note = f"{np.count_nonzero(differences):,} differ by {largest:.2g} at most ({relative:.2g} of the largest)"
    return Aspect(name, _judge(relative, tolerance), detail, note)


def _judge(difference: float, tolerance: float) -> Outcome:
    return Outcome.ROUNDED if tolerance > 0 and difference <= tolerance else Outcome.DIFFERENT


def _compare_history(recorded: Results, again: Results, tolerance: float) -> Aspect:
    """Compare the curves, epoch by epoch."""
    name, then, now = "history", recorded.history, again.history
    if not then:
        return Aspect(name, Outcome.UNKNOWN, f"history.csv {recorded.problems.get('history.csv', 'has no curves')}")
    shapes = [{key: len(values) for key, values in history.items()} for history in (then, now)]
    if shapes[0] != shapes[1]:
        return Aspect(name, Outcome.DIFFERENT, "has other curves or another length")
    pairs = (
        (f"{key} of epoch {epoch}", key, values[epoch], now[key][epoch], max(map(abs, now[key])))
        for epoch in range(next(iter(shapes[1].values())))
        for key, values in then.items()
    )
    return _compare_numbers(name, f"{len(now)} curves", pairs, tolerance)


def _compare_metrics(then: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> Aspect:
    names = [name for name in now if name in then]
    if not names:
        return Aspect("metrics", Outcome.UNKNOWN, "the run has no final metrics")
    pairs = ((name, name, then[name], now[name], abs(now[name])) for name in names)
    return _compare_numbers("metrics", f"{len(names)} final metrics", pairs, tolerance)


def _compare_numbers(
    name: str, compared: str, pairs: Iterable[tuple[str, str, float, float, float]], tolerance: float
) -> Aspect:
    """Compare numbers that have a place, a name and a magnitude each."""
    different = [(place, key, a, b, size) for place, key, a, b, size in pairs if not is_same(a, b)]
    if not different:
        return Aspect(name, Outcome.EQUAL, f"{compared}, every bit")
    sizes = [_relative(key, a, b, size) for _, key, a, b, size in different]
    outcomes = [_judge(size, _tolerance(key, tolerance)) for size, (_, key, *_) in zip(sizes, different, strict=True)]
    worst = Outcome.DIFFERENT if Outcome.DIFFERENT in outcomes else Outcome.ROUNDED
    place, _, a, b, _ = different[outcomes.index(worst)]
    return Aspect(name, worst, compared, f"{len(different)} values differ, such as {place}: {a!r}, here {b!r}")


def is_same(first: float, second: float) -> bool:
    """Say whether two numbers are equal, or both NaN."""
    return first == second or (math.isnan(first) and math.isnan(second))


def _relative(key: str, first: float, second: float, size: float) -> float:
    """Return a difference, relative to a size where the metric has one."""
    difference = abs(first - second)
    relative = difference if _counts(key) else difference / (size or 1.0)
    return relative if math.isfinite(relative) else math.inf


def _tolerance(key: str, tolerance: float) -> float:
    return STEP_TOLERANCE if tolerance > 0 and _counts(key) else tolerance


def _counts(key: str) -> bool:
    return any(word in key for word in COUNTING)


def _compare_predictions(then: Predictions | None, now: Predictions | None, tolerance: float) -> Aspect:
    name = "predictions"
    if then is None or now is None:
        return Aspect(name, Outcome.UNKNOWN, "the run has no readable predictions.csv")
    if then.outputs.shape != now.outputs.shape:
        return Aspect(name, Outcome.DIFFERENT, f"{len(then)} samples, here {len(now)}, or other columns")
    aspect = _compare_arrays(name, then.outputs, now.outputs, tolerance)
    changed = sum(a != b for a, b in zip(then.classes, now.classes, strict=True))
    outcome = Outcome.DIFFERENT if changed and aspect.outcome is Outcome.EQUAL else aspect.outcome
    classes = f"{changed} of {len(now)} classes changed" if now.classes else ""
    return Aspect(name, outcome, aspect.detail, ", ".join(filter(None, (aspect.note, classes))))
