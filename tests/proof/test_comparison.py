"""Comparisons of results that differ in one thing: our own engine's to the bit, other libraries' but for rounding."""

from dataclasses import replace

import numpy as np
import pytest

from plainmlp.proof.comparison import compare, rounding_tolerance
from plainmlp.proof.recorded import RunFiles
from plainmlp.proof.verdict import Agreement, EnvironmentDiff, Judgement, Verdict, compare_environments
from plainmlp.training.backends.table import OWN_BACKEND

OTHER_MACHINE = EnvironmentDiff(("cpu one, here another",), ("numpy 2.4.5, here 2.4.6",))
BACKEND = "torch"
TOLERANCE = rounding_tolerance(np.dtype(np.float64))


def judged(recorded: RunFiles, again: RunFiles, backend: str = OWN_BACKEND) -> Judgement:
    return Judgement(tuple(compare(recorded, again, backend)), (), OTHER_MACHINE)


def outcomes(recorded: RunFiles, again: RunFiles, backend: str = OWN_BACKEND) -> dict[str, Agreement]:
    """Return how the aspects came out that are not equal."""
    aspects = judged(recorded, again, backend).aspects
    return {aspect.name: aspect.agreement for aspect in aspects if aspect.agreement is not Agreement.EQUAL}


def drifted(again: RunFiles, relative: float) -> RunFiles:
    """Return results as rounding would change them: weights, a curve, a metric and outputs differ."""
    model, predictions = again.model, again.predictions
    parameters = model.parameters.copy()
    parameters[np.argmax(np.abs(parameters))] *= 1 + relative
    history = {**again.history, "train_loss": [value * (1 + relative) for value in again.history["train_loss"]]}
    metrics = {**again.metrics, "test_log_loss": again.metrics["test_log_loss"] * (1 + relative)}
    return replace(
        again,
        model=replace(model, parameters=parameters),
        history=history,
        metrics=metrics,
        predictions=replace(predictions, outputs=predictions.outputs * (1 + relative)),
    )


MEASURED = ("weights", "history", "metrics", "predictions")


@pytest.mark.slow
@pytest.mark.parametrize("backend", [OWN_BACKEND, BACKEND])
def test_same_results_are_identical_on_any_machine(again: RunFiles, backend: str) -> None:
    assert outcomes(again, again, backend) == {}
    assert judged(again, again, backend).verdict is Verdict.IDENTICAL


def test_our_own_engine_has_no_tolerance(again: RunFiles) -> None:
    recorded = drifted(again, 1e-15)
    assert outcomes(recorded, again) == dict.fromkeys(MEASURED, Agreement.DIFFERENT)
    assert judged(recorded, again).verdict is Verdict.DIFFERENT
    assert any("such as train_loss of epoch 0: " in str(aspect) for aspect in compare(recorded, again, OWN_BACKEND))


def test_our_own_engine_has_no_other_zero(again: RunFiles) -> None:
    zeros = [replace(again.model, parameters=again.model.parameters * zero) for zero in (0.0, -0.0)]
    found = outcomes(replace(again, model=zeros[0]), replace(again, model=zeros[1]))
    assert found == {"weights": Agreement.DIFFERENT}


@pytest.mark.parametrize("name", ["train_accuracy", "test_macro_f1", "test_expected_calibration_error"])
def test_our_own_engine_counts_alike(again: RunFiles, name: str) -> None:
    recorded = replace(again, metrics={**again.metrics, name: again.metrics[name] - 0.005})
    assert outcomes(recorded, again) == {"metrics": Agreement.DIFFERENT}


def test_rounding_of_another_library_is_tolerated_and_what_is_other_here_is_named(again: RunFiles) -> None:
    recorded = drifted(again, TOLERANCE / 2)
    assert outcomes(recorded, again, BACKEND) == dict.fromkeys(MEASURED, Agreement.ROUNDED)
    judgement = judged(recorded, again, BACKEND)
    assert judgement.verdict is Verdict.TOLERATED
    assert judgement.summarize().startswith("equal within tolerance: weights: ")
    assert judgement.summarize().endswith(
        "; with other numerics (cpu one, here another) and other packages (numpy 2.4.5, here 2.4.6)"
    )


def test_time_to_compare_a_history_grows_with_its_length_alone(again: RunFiles) -> None:
    class Counted(float):
        n_asked = 0

        def __abs__(self) -> float:
            Counted.n_asked += 1
            return super().__abs__()

    long = replace(again, history={"train_loss": [Counted(epoch) for epoch in range(1000)]}, steps=None)
    assert "history" not in outcomes(long, long)
    assert Counted.n_asked <= 2000


def test_drift_beyond_the_tolerance_is_different(again: RunFiles) -> None:
    assert judged(drifted(again, TOLERANCE * 3), again, BACKEND).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(("drift", "outcome"), [(0.9, Agreement.ROUNDED), (1.1, Agreement.DIFFERENT)])
def test_difference_from_zero_is_taken_as_it_is(again: RunFiles, drift: float, outcome: Agreement) -> None:
    now = replace(again, metrics={**again.metrics, "train_log_loss": 0.0})
    then = drifted(again, TOLERANCE / 2)
    recorded = replace(then, metrics={**then.metrics, "train_log_loss": drift * TOLERANCE})
    assert outcomes(recorded, now, BACKEND)["metrics"] is outcome


@pytest.mark.parametrize("name", ["metrics", "predictions"])
def test_what_our_own_arithmetic_makes_of_equal_weights_is_equal(again: RunFiles, name: str) -> None:
    recorded = replace(again, **{name: getattr(drifted(again, 1e-12), name)})
    assert outcomes(recorded, again, BACKEND) == {name: Agreement.DIFFERENT}


@pytest.mark.parametrize(("step", "outcome"), [(0.005, Agreement.ROUNDED), (0.05, Agreement.DIFFERENT)])
def test_metric_that_counts_moves_in_steps(again: RunFiles, step: float, outcome: Agreement) -> None:
    drift = drifted(again, TOLERANCE / 2)
    metrics = {**again.metrics, "train_accuracy": again.metrics["train_accuracy"] - step}
    assert outcomes(replace(drift, metrics=metrics), again, BACKEND)["metrics"] is outcome


def test_changed_classes_are_counted(again: RunFiles) -> None:
    drift = drifted(again, TOLERANCE / 2)
    classes = ("another", *drift.predictions.classes[1:])
    recorded = replace(drift, predictions=replace(drift.predictions, classes=classes))
    assert judged(recorded, again, BACKEND).verdict is Verdict.TOLERATED
    assert f"1 of {len(classes)} classes changed" in judged(recorded, again, BACKEND).summarize()
    alone = replace(again, predictions=replace(again.predictions, classes=classes))
    assert outcomes(alone, again) == {"predictions": Agreement.DIFFERENT}


@pytest.mark.parametrize("kept", [(), (0,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_epochs_are_compared_that_both_have_digested(again: RunFiles, kept: tuple[int, ...]) -> None:
    digests = tuple(digest if epoch in kept else "" for epoch, digest in enumerate(again.digests))
    fewer, last = replace(again, digests=digests), replace(again, digests=("", "", again.digests[2]))
    for pair in ((fewer, again), (again, fewer)):
        assert outcomes(*pair) == ({} if kept else {"epochs": Agreement.UNKNOWN})
    assert outcomes(fewer, last) == ({} if 2 in kept else {"epochs": Agreement.UNKNOWN})
    for epoch in kept:
        forged = replace(fewer, digests=(*digests[:epoch], "0" * 64, *digests[epoch + 1 :]))
        assert outcomes(forged, again) == {"epochs": Agreement.DIFFERENT}
        assert f"{len(kept)} digests of 3 epochs, the first that differs is of epoch {epoch}" in str(
            judged(forged, again).summarize()
        )


@pytest.mark.parametrize(("name", "key"), [("data", "data_digest"), ("split", "split_digest"), ("code", "code_digest")])
def test_digest_that_differs_comes_first(again: RunFiles, name: str, key: str) -> None:
    tags = {**again.tags, key: "0" * 64, "point_id": "0" * 64}
    recorded = replace(drifted(again, 1.0), tags=tags, digests=("0" * 64, *again.digests[1:]))
    summary = judged(recorded, again).summarize()
    assert summary.startswith(f"different: {name}: {key} 000000000000, here ")
    assert summary.endswith("; epochs: 3 digests of 3 epochs, the first that differs is of epoch 0")


def test_another_number_of_epochs_is_different(again: RunFiles) -> None:
    history = {name: values[:-1] for name, values in again.history.items()}
    recorded = replace(again, digests=again.digests[:-1], history=history)
    assert outcomes(recorded, again) == {"epochs": Agreement.DIFFERENT, "history": Agreement.DIFFERENT}


def test_what_an_old_run_does_not_have_is_not_claimed(again: RunFiles) -> None:
    tags = {key: value for key, value in again.tags.items() if key not in {"data_digest", "code_digest"}}
    model = replace(again.model, initial_digest="")
    recorded = replace(again, tags=tags, model=model, digests=(), predictions=None, metrics={})
    summary = judged(recorded, again).summarize()
    assert summary.startswith("compared in part: not compared: code (the run has no such code_digest), data (")
    assert [name for name, agreement in outcomes(recorded, again).items() if agreement is Agreement.UNKNOWN] == [
        "code",
        "data",
        "initial weights",
        "epochs",
        "metrics",
        "predictions",
    ]
    assert judged(recorded, again).verdict.exit_code == 5


def test_remark_on_other_code_is_part_of_every_verdict(again: RunFiles) -> None:
    aspects = tuple(compare(again, again, OWN_BACKEND))
    assert Judgement(aspects, remark="with the code of 0123").summarize() == "identical (with the code of 0123)"
    altered = Judgement(aspects, ("x is missing",), remark="with the code of 0123").summarize()
    assert altered == "different (with the code of 0123): x is missing"


def test_metric_that_a_run_of_the_same_code_lacks_is_different(again: RunFiles) -> None:
    metrics = {name: value for name, value in again.metrics.items() if name != "test_log_loss"}
    assert outcomes(replace(again, metrics=metrics), again) == {"metrics": Agreement.DIFFERENT}
    other = replace(again, metrics=metrics, tags={**again.tags, "code_digest": "0" * 64})
    assert outcomes(other, again) == {"code": Agreement.DIFFERENT}


def test_steps_are_compared(again: RunFiles) -> None:
    steps = {**again.steps, "loss": [0.5, *again.steps["loss"][1:]]}
    assert outcomes(replace(again, steps=steps), again) == {"steps": Agreement.DIFFERENT}
    assert "such as loss of step 0: 0.5, here " in judged(replace(again, steps=steps), again).summarize()
    assert outcomes(replace(again, steps=None), again) == {"steps": Agreement.DIFFERENT}
    assert outcomes(again, replace(again, steps={})) == {"steps": Agreement.DIFFERENT}


@pytest.mark.parametrize("backend", [OWN_BACKEND, BACKEND])
def test_row_of_another_sample_is_different(again: RunFiles, backend: str) -> None:
    header, first, *rows = again.predictions.given
    given = (header, (first[0], "another"), *rows)
    recorded = replace(again, predictions=replace(again.predictions, given=given))
    assert outcomes(recorded, again, backend) == {"predictions": Agreement.DIFFERENT}


def test_worst_verdict_is_not_that_of_the_highest_exit_code() -> None:
    assert [each.exit_code for each in Verdict] == [0, 3, 5, 4]
    assert Verdict.worst([Verdict.INCOMPLETE, Verdict.DIFFERENT, Verdict.TOLERATED]) is Verdict.DIFFERENT
    assert Verdict.worst([Verdict.INCOMPLETE, Verdict.TOLERATED]) is Verdict.INCOMPLETE


def test_weights_that_cannot_be_read_are_never_identical(again: RunFiles) -> None:
    recorded = replace(again, model=None, problems={"model.safetensors": "is missing"})
    assert judged(recorded, again, BACKEND).verdict is Verdict.DIFFERENT


def test_numerics_and_packages_that_differ_are_named() -> None:
    tags = {"numerics.numpy": "2.4.5", "numerics.cpu": "x", "point_id": "1"}
    here = {**tags, "numerics.numpy": "2.4.6", "point_id": "2"}
    found = compare_environments(tags, here, "numpy==2.4.5\nrich==14\n", "numpy==2.4.6\nrich==14\n")
    assert str(found) == "other numerics (numpy 2.4.5, here 2.4.6) and other packages (numpy 2.4.5, here 2.4.6)"
    assert str(compare_environments(tags, tags, None, "numpy==2.4.6\n")) == ""
