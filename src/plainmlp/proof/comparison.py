"""The comparison of a run with its re-execution, aspect by aspect: the same bits, rounding, or different."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.code import digest_result_code
from plainmlp.proof.recorded import Predictions, RunFiles
from plainmlp.proof.verdict import Agreement, Aspect
from plainmlp.tracking.recording.manifest import stored_text
from plainmlp.tracking.tags import PARENT_TAG
from plainmlp.training.backends.table import OWN_BACKEND
from plainmlp.training.history import STEP, History

# metrics that count samples or units change in steps: if rounding breaks a tie, they may change by this much
STEP_TOLERANCE = 0.01
COUNTING = ("accuracy", "macro_f1", "expected_calibration_error", "dead_units")
CODE_TAG = "code_digest"
SIZE = "n_parameters"
# what a point of a sweep does not record: the ends of intervals, and the scores of the best constant answer
OF_SINGLE_RUNS = ("interval/", "baseline_")
DIGESTS = {"code": CODE_TAG, "data": "data_digest", "split": "split_digest", "point": "point_id"}
SHOWN_DIGITS = 12  # of a digest


def rounding_tolerance(dtype: "np.dtype[Any]") -> float:
    """Return how far rounding may drive two trainings apart, relative to the largest value: half the digits must agree."""
    return math.sqrt(float(np.finfo(dtype).eps))


def compare(recorded: RunFiles, again: RunFiles, backend: str) -> list[Aspect]:
    """Compare a run with its re-execution, whose model must be there.

    Only our own backend digests its states, and it gives the same bits on every machine. With another, an aspect is
    `ROUNDED` if its numbers differ by at most `rounding_tolerance`. A point of a sweep records no predictions.
    """
    model, is_own, is_point = again.model, backend == OWN_BACKEND, PARENT_TAG in recorded.tags
    assert model is not None  # noqa: S101  the caller has measured it
    tolerance = 0.0 if is_own else rounding_tolerance(model.parameters.dtype)
    weights = _compare_weights(recorded, again, tolerance)
    measured = 0.0 if weights.agreement is Agreement.EQUAL else tolerance  # our own code evaluates the weights
    initial = None if recorded.model is None else recorded.model.initial_digest
    states = (
        _compare_digest("initial weights", "digest", initial, model.initial_digest),
        _compare_epochs(recorded, again),
    )
    steps = _compare_history("steps", recorded.steps or {}, again.steps or {}, tolerance)
    return [
        *(_compare_digest(name, key, recorded.tags.get(key), again.tags.get(key)) for name, key in DIGESTS.items()),
        *(states if is_own else ()),
        weights,
        _compare_history("history", recorded.history, again.history, tolerance),
        *([steps] if recorded.steps or again.steps else []),
        _compare_metrics(recorded, again, measured, is_point=is_point),
        *([] if is_point else [_compare_predictions(recorded.predictions, again.predictions, measured)]),
    ]


def _compare_digest(name: str, key: str, then: str | None, now: str | None) -> Aspect:
    """Compare digests; code that computes its digest in another way has none."""
    if not then or not now:
        return Aspect(name, Agreement.UNKNOWN, f"{'this code' if then else 'the run'} has no such {key}")
    if then == now:
        return Aspect(name, Agreement.EQUAL, f"{key} {now[:SHOWN_DIGITS]}")
    return Aspect(name, Agreement.DIFFERENT, f"{key} {then[:SHOWN_DIGITS]}, here {now[:SHOWN_DIGITS]}")


def _compare_epochs(recorded: RunFiles, again: RunFiles) -> Aspect:
    """Compare the states after epochs that both have digested."""
    name, then, now = "epochs", recorded.digests, again.digests
    if not any(then):
        return Aspect(name, Agreement.UNKNOWN, "the run has no digests of its epochs")
    if len(then) != len(now):
        return Aspect(name, Agreement.DIFFERENT, f"{len(then)} epochs, here {len(now)}")
    same = {epoch: a == b for epoch, (a, b) in enumerate(zip(then, now, strict=True)) if a and b}
    if not same:
        return Aspect(name, Agreement.UNKNOWN, "the run has digests of other epochs")
    detail = f"{len(same)} digests of {len(now)} epochs"
    if all(same.values()):
        return Aspect(name, Agreement.EQUAL, detail)
    first = next(epoch for epoch, is_equal in same.items() if not is_equal)
    return Aspect(name, Agreement.DIFFERENT, detail, f"the first that differs is of epoch {first}")


def _compare_weights(recorded: RunFiles, again: RunFiles, tolerance: float) -> Aspect:
    name = "weights"
    then, now = recorded.model, again.model
    if then is None or now is None:
        problem = next((text for file, text in recorded.problems.items() if file.endswith(".safetensors")), "")
        return Aspect(name, Agreement.DIFFERENT, f"model.safetensors {problem}")
    if then.parameters.shape != now.parameters.shape or then.parameters.dtype != now.parameters.dtype:
        shown = (f"{model.parameters.size:,} of {model.parameters.dtype}" for model in (then, now))
        return Aspect(name, Agreement.DIFFERENT, ", here ".join(shown))
    return _compare_arrays(name, then.parameters, now.parameters, tolerance)


def _compare_arrays(name: str, then: NDArray[Any], now: NDArray[Any], tolerance: float) -> Aspect:
    detail = f"{now.size:,} numbers of {now.dtype}"
    if then.tobytes() == now.tobytes():
        return Aspect(name, Agreement.EQUAL, f"{detail}, every bit")
    with np.errstate(all="ignore"):
        differences = np.abs(then.astype(np.float64) - now.astype(np.float64))
    largest = float(differences.max())
    relative = largest / (float(np.max(np.abs(now))) or 1.0)
    note = f"{np.count_nonzero(differences):,} differ by {largest:.2g} at most ({relative:.2g} of the largest)"
    return Aspect(name, _judge(relative, tolerance), detail, note)


def _judge(difference: float, tolerance: float) -> Agreement:
    return Agreement.ROUNDED if tolerance > 0 and difference <= tolerance else Agreement.DIFFERENT


def _compare_history(name: str, then: History, now: History, tolerance: float) -> Aspect:
    """Compare curves, epoch by epoch or step by step."""
    if not then or not now:
        return Aspect(name, Agreement.DIFFERENT, f"{'the run' if not then else 'the re-execution'} has none")
    shapes = [{key: len(values) for key, values in history.items()} for history in (then, now)]
    if shapes[0] != shapes[1]:
        return Aspect(name, Agreement.DIFFERENT, "has other curves or another length")
    unit = "step" if STEP in now else "epoch"
    largest = {key: max(map(abs, values)) for key, values in now.items()}
    pairs = (
        (f"{key} of {unit} {row}", values[row], now[key][row], largest[key])
        for row in range(next(iter(shapes[1].values())))
        for key, values in then.items()
    )
    return _compare_numbers(name, f"{len(now)} curves", pairs, tolerance)


def _compare_metrics(recorded: RunFiles, again: RunFiles, tolerance: float, *, is_point: bool) -> Aspect:
    """Compare the final metrics; a run of the same code must have all, except `OF_SINGLE_RUNS` for a point."""
    then, now = recorded.metrics, again.metrics
    names = [name for name in now if name in then]
    unrecorded, curves = (OF_SINGLE_RUNS, recorded.history) if is_point else (SIZE, {})
    missing = [name for name in now if name not in {*then, *curves} and not name.startswith(unrecorded)]
    if missing and recorded.tags.get(CODE_TAG) == digest_result_code():
        return Aspect("metrics", Agreement.DIFFERENT, f"the run lacks {', '.join(missing)}")
    if not names:
        return Aspect("metrics", Agreement.UNKNOWN, "the run has no final metrics")
    pairs = ((name, then[name], now[name], abs(now[name])) for name in names)
    return _compare_numbers("metrics", f"{len(names)} final metrics", pairs, tolerance)


def _compare_numbers(
    name: str, compared: str, pairs: Iterable[tuple[str, float, float, float]], tolerance: float
) -> Aspect:
    """Compare pairs of numbers, each with a place and a magnitude."""
    different = [(place, a, b, size) for place, a, b, size in pairs if stored_text(a) != stored_text(b)]
    if not different:
        return Aspect(name, Agreement.EQUAL, f"{compared}, every bit")
    agreements = [_judge_numbers(*pair, tolerance) for pair in different]
    worst = Agreement.DIFFERENT if Agreement.DIFFERENT in agreements else Agreement.ROUNDED
    place, a, b, _ = different[agreements.index(worst)]
    return Aspect(name, worst, compared, f"{len(different)} values differ, such as {place}: {a!r}, here {b!r}")


def _judge_numbers(place: str, first: float, second: float, size: float, tolerance: float) -> Agreement:
    """Judge a difference relative to a size, or the difference itself for a metric that counts."""
    difference = abs(first - second)
    if any(word in place for word in COUNTING):
        return _judge(difference, STEP_TOLERANCE if tolerance > 0 else 0.0)
    return _judge(difference / (size or 1.0), tolerance)


def _compare_predictions(then: Predictions | None, now: Predictions | None, tolerance: float) -> Aspect:
    name = "predictions"
    if then is None or now is None:
        return Aspect(name, Agreement.UNKNOWN, "the run has no readable predictions.csv")
    if then.outputs.shape != now.outputs.shape:
        return Aspect(
            name, Agreement.DIFFERENT, f"{len(then.outputs)} samples, here {len(now.outputs)}, or other columns"
        )
    others = [(a, b) for a, b in zip(then.given, now.given, strict=True) if a != b]
    if others:
        a, b = ((" ".join(cells)) for cells in others[0])
        return Aspect(name, Agreement.DIFFERENT, f"{len(others)} rows are of other samples, such as {a!r}, here {b!r}")
    aspect = _compare_arrays(name, then.outputs, now.outputs, tolerance)
    changed = sum(a != b for a, b in zip(then.classes, now.classes, strict=True))
    agreement = Agreement.DIFFERENT if changed and aspect.agreement is Agreement.EQUAL else aspect.agreement
    classes = f"{changed} of {len(now.classes)} classes changed" if now.classes else ""
    return Aspect(name, agreement, aspect.detail, ", ".join(filter(None, (aspect.note, classes))))
