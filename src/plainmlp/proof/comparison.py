"""The comparison of a run with its re-execution, aspect by aspect, and the verdict: the same bits, rounding, or different."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.proof.recorded import Predictions, RunFiles
from plainmlp.training.backends.table import OWN_BACKEND

# metrics that count samples or units move in steps: a tie that rounding breaks may change them by this much
STEP_TOLERANCE = 0.01
COUNTING = ("accuracy", "macro_f1", "expected_calibration_error", "dead_units")
DIGESTS = {"code": "code_digest", "data": "data_digest", "split": "split_digest", "point": "point_id"}
SHOWN_DIGITS = 12  # of a digest
FINGERPRINT = "numerics."  # begins the tags that describe a machine
SHOWN_PACKAGES = 5
INPUTS = {"code", "data", "split", "point"}  # what a training begins from; the other aspects are its results
SUMMARIZED = {"weights", "predictions"}  # quoted in the summary of a rounding


class Agreement(StrEnum):
    """How the comparison of an aspect came out."""

    EQUAL = "equal"
    ROUNDED = "equal within tolerance"
    DIFFERENT = "different"
    UNKNOWN = "not compared"


@dataclass(frozen=True)
class Aspect:
    """One thing that was compared, with a note of where it differs first, or by how much."""

    name: str
    agreement: Agreement
    detail: str
    note: str = ""

    def __str__(self) -> str:
        """Return what was compared and how it differs."""
        return f"{self.detail}, {self.note}" if self.note else self.detail


class Verdict(Enum):
    """The outcome of executing a run again, with the exit code of the command."""

    IDENTICAL = ("identical", 0)
    TOLERATED = ("equal within tolerance", 3)
    DIFFERENT = ("different", 4)

    def __init__(self, text: str, exit_code: int) -> None:
        self.text, self.exit_code = text, exit_code


@dataclass(frozen=True)
class EnvironmentDiff:
    """What differs between the environments of a run and its re-execution, as ``name then, here now``."""

    numerics: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the differences in a few words; empty if there are none."""
        more = len(self.packages) - SHOWN_PACKAGES
        packages = [*self.packages[:SHOWN_PACKAGES], *([f"{more} more"] if more > 0 else [])]
        parts = (("numerics", self.numerics), ("packages", packages))
        return " and ".join(f"other {name} ({'; '.join(texts)})" for name, texts in parts if texts)


@dataclass(frozen=True)
class Judgement:
    """The grounds of a verdict: what was compared, in the order of a training, and where the record contradicts itself."""

    aspects: tuple[Aspect, ...]
    alterations: tuple[str, ...] = ()
    environment: EnvironmentDiff = EnvironmentDiff()

    @property
    def verdict(self) -> Verdict:
        """Return the verdict: any alteration makes a run different."""
        if self.alterations or self._with(Agreement.DIFFERENT):
            return Verdict.DIFFERENT
        return Verdict.TOLERATED if self._with(Agreement.ROUNDED) else Verdict.IDENTICAL

    def summarize(self) -> str:
        """Return the verdict with what matters most, in one line."""
        unknown = ", ".join(aspect.name for aspect in self._with(Agreement.UNKNOWN))
        remark = f" (not compared: {unknown})" if unknown else ""
        if self.verdict is Verdict.IDENTICAL:
            return f"{self.verdict.text}{remark}"
        grounds = self._rounding() if self.verdict is Verdict.TOLERATED else self._differences()
        return f"{self.verdict.text}{remark}: {'; '.join(grounds)}"

    def _with(self, agreement: Agreement) -> list[Aspect]:
        return [aspect for aspect in self.aspects if aspect.agreement is agreement]

    def _rounding(self) -> list[str]:
        """Return how far rounding has gone, and how the environments differ."""
        rounded = self._with(Agreement.ROUNDED)
        shown = [aspect for aspect in rounded if aspect.name in SUMMARIZED] or rounded[:1]
        environment = str(self.environment)
        return [*(f"{a.name}: {a}" for a in shown), *([f"with {environment}"] if environment else [])]

    def _differences(self) -> list[str]:
        """Return the first alteration, the first input that differs, and the first result."""
        different = self._with(Agreement.DIFFERENT)
        inputs = [aspect for aspect in different if aspect.name in INPUTS]
        results = [aspect for aspect in different if aspect.name not in INPUTS]
        return [*self.alterations[:1], *(f"{a.name}: {a}" for a in (*inputs[:1], *results[:1]))]


def compare_environments(
    recorded: Mapping[str, str], again: Mapping[str, str], packages: str | None, packages_here: str
) -> EnvironmentDiff:
    """Compare the numerics in the tags of a run and its re-execution, and the packages, a line ``name==version`` each."""
    numerics = tuple(
        f"{key.removeprefix(FINGERPRINT)} {recorded[key]}, here {again[key]}"
        for key in sorted(recorded.keys() & again.keys())
        if key.startswith(FINGERPRINT) and recorded[key] != again[key]
    )
    if packages is None:
        return EnvironmentDiff(numerics)
    then, now = (dict(line.split("==", 1) for line in text.splitlines()) for text in (packages, packages_here))
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return EnvironmentDiff(numerics, tuple(f"{name} {then.get(name)}, here {now.get(name)}" for name in names))


def rounding_tolerance(dtype: "np.dtype[Any]") -> float:
    """Return how far rounding may drive two trainings apart, relative to the largest value: half of the digits agree."""
    return math.sqrt(float(np.finfo(dtype).eps))


def compare(recorded: RunFiles, again: RunFiles, backend: str) -> list[Aspect]:
    """Compare a run with its re-execution.

    Our own backend gives the same bits on every machine; of another, an aspect is `ROUNDED` if its numbers differ by no
    more than `rounding_tolerance`.
    """
    if again.model is None:
        message = f"the re-execution left no model: {again.problems}"
        raise ValueError(message)
    tolerance = 0.0 if backend == OWN_BACKEND else rounding_tolerance(again.model.parameters.dtype)
    weights = _compare_weights(recorded, again, tolerance)
    initial = None if recorded.model is None else recorded.model.initial_digest
    measured = 0.0 if weights.agreement is Agreement.EQUAL else tolerance  # our own code evaluates the weights
    return [
        *(_compare_digest(name, key, recorded.tags.get(key), again.tags[key]) for name, key in DIGESTS.items()),
        _compare_digest("initial weights", "digest", initial, again.model.initial_digest),
        _compare_epochs(recorded, again),
        weights,
        _compare_history(recorded, again, tolerance),
        _compare_metrics(recorded.metrics, again.metrics, measured),
        _compare_predictions(recorded.predictions, again.predictions, measured),
    ]


def _compare_digest(name: str, key: str, then: str | None, now: str) -> Aspect:
    if not then:
        return Aspect(name, Agreement.UNKNOWN, f"the run has no {key}")
    if then == now:
        return Aspect(name, Agreement.EQUAL, f"{key} {now[:SHOWN_DIGITS]}")
    return Aspect(name, Agreement.DIFFERENT, f"{key} {then[:SHOWN_DIGITS]}, here {now[:SHOWN_DIGITS]}")


def _compare_epochs(recorded: RunFiles, again: RunFiles) -> Aspect:
    """Compare the states after the epochs that both have digested."""
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
    differences = np.abs(then.astype(np.float64) - now.astype(np.float64))
    largest = float(differences.max())
    relative = largest / (float(np.max(np.abs(now))) or 1.0)
    note = f"{np.count_nonzero(differences):,} differ by {largest:.2g} at most ({relative:.2g} of the largest)"
    return Aspect(name, _judge(relative, tolerance), detail, note)


def _judge(difference: float, tolerance: float) -> Agreement:
    return Agreement.ROUNDED if tolerance > 0 and difference <= tolerance else Agreement.DIFFERENT


def _compare_history(recorded: RunFiles, again: RunFiles, tolerance: float) -> Aspect:
    """Compare the curves, epoch by epoch."""
    name, then, now = "history", recorded.history, again.history
    if not then:
        return Aspect(name, Agreement.UNKNOWN, f"history.csv {recorded.problems.get('history.csv', 'has no curves')}")
    shapes = [{key: len(values) for key, values in history.items()} for history in (then, now)]
    if shapes[0] != shapes[1]:
        return Aspect(name, Agreement.DIFFERENT, "has other curves or another length")
    pairs = (
        (f"{key} of epoch {epoch}", values[epoch], now[key][epoch], max(map(abs, now[key])))
        for epoch in range(next(iter(shapes[1].values())))
        for key, values in then.items()
    )
    return _compare_numbers(name, f"{len(now)} curves", pairs, tolerance)


def _compare_metrics(then: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> Aspect:
    names = [name for name in now if name in then]
    if not names:
        return Aspect("metrics", Agreement.UNKNOWN, "the run has no final metrics")
    pairs = ((name, then[name], now[name], abs(now[name])) for name in names)
    return _compare_numbers("metrics", f"{len(names)} final metrics", pairs, tolerance)


def _compare_numbers(
    name: str, compared: str, pairs: Iterable[tuple[str, float, float, float]], tolerance: float
) -> Aspect:
    """Compare pairs of numbers that have a place and a magnitude each."""
    different = [(place, a, b, size) for place, a, b, size in pairs if a != b and not (math.isnan(a) and math.isnan(b))]
    if not different:
        return Aspect(name, Agreement.EQUAL, f"{compared}, every bit")
    agreements = [_judge_numbers(*pair, tolerance) for pair in different]
    worst = Agreement.DIFFERENT if Agreement.DIFFERENT in agreements else Agreement.ROUNDED
    place, a, b, _ = different[agreements.index(worst)]
    return Aspect(name, worst, compared, f"{len(different)} values differ, such as {place}: {a!r}, here {b!r}")


def _judge_numbers(place: str, first: float, second: float, size: float, tolerance: float) -> Agreement:
    """Judge a difference relative to a size, or as it is if the metric at that place counts."""
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
    aspect = _compare_arrays(name, then.outputs, now.outputs, tolerance)
    changed = sum(a != b for a, b in zip(then.classes, now.classes, strict=True))
    agreement = Agreement.DIFFERENT if changed and aspect.agreement is Agreement.EQUAL else aspect.agreement
    classes = f"{changed} of {len(now.classes)} classes changed" if now.classes else ""
    return Aspect(name, agreement, aspect.detail, ", ".join(filter(None, (aspect.note, classes))))
