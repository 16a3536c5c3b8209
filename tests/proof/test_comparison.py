"""Comparisons of results that differ in one thing: what is taken for rounding, and what cannot be that."""

from dataclasses import replace

import numpy as np
import pytest

from plainmlp.proof.aspects import Outcome
from plainmlp.proof.comparison import compare, rounding_tolerance
from plainmlp.proof.results import Results
from plainmlp.proof.verdict import Judgement, Surroundings, Verdict, find_surroundings, judge

OTHER_KERNEL = Surroundings(("blas_kernel Haswell, here Nehalem",))
SAME = Surroundings()
TOLERANCE = rounding_tolerance(np.dtype(np.float64))


def judged(recorded: Results, again: Results, surroundings: Surroundings = SAME) -> Judgement:
    return judge(compare(recorded, again), [], surroundings)


def outcomes(recorded: Results, again: Results, surroundings: Surroundings = SAME) -> dict[str, Outcome]:
    """Return how the aspects came out that are not equal."""
    aspects = judged(recorded, again, surroundings).aspects
    return {aspect.name: aspect.outcome for aspect in aspects if aspect.outcome is not Outcome.EQUAL}


def drifted(again: Results, relative: float, first: int = 1) -> Results:
    """Return results as another kernel would give them: digests, weights, a curve, a metric and outputs differ."""
    model, predictions = again.model, again.predictions
    parameters = model.parameters.copy()
    parameters[np.argmax(np.abs(parameters))] *= 1 + relative
    digests = (*again.digests[:first], *("0" * 64 for _ in again.digests[first:]))
    history = {**again.history, "train_loss": [value * (1 + relative) for value in again.history["train_loss"]]}
    metrics = {**again.metrics, "test_log_loss": again.metrics["test_log_loss"] * (1 + relative)}
    return replace(
        again,
        model=replace(model, parameters=parameters),
        digests=digests,
        history=history,
        metrics=metrics,
        predictions=replace(predictions, outputs=predictions.outputs * (1 + relative)),
    )


def test_same_results_are_identical(again: Results) -> None:
    assert outcomes(again, again) == {}
    assert judged(again, again).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize(("surroundings", "cause"), [(SAME, "not known"), (OTHER_KERNEL, "rounding, with other num")])
def test_drift_within_tolerance_is_rounding_also_where_no_reason_is_known(again: Results, surroundings, cause) -> None:
    judgement = judged(drifted(again, TOLERANCE / 2), again, surroundings)
    assert judgement.verdict is Verdict.TOLERATED
    assert "epochs: 3 digests of 3 epochs, differ from epoch 1 on" in judgement.summarize()
    assert judgement.cause.startswith(cause)


def test_drift_beyond_tolerance_is_different(again: Results) -> None:
    assert judged(drifted(again, TOLERANCE * 3), again, OTHER_KERNEL).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("surroundings", [SAME, OTHER_KERNEL])
def test_weights_cannot_differ_where_all_states_are_equal(again: Results, surroundings: Surroundings) -> None:
    recorded = replace(again, model=drifted(again, 1e-15).model)
    assert outcomes(recorded, again, surroundings)["weights"] is Outcome.DIFFERENT


def test_digests_cannot_differ_where_weights_and_surroundings_are_equal(again: Results) -> None:
    recorded = replace(again, digests=drifted(again, 0).digests)
    assert outcomes(recorded, again) == {"epochs": Outcome.DIFFERENT}


def test_chains_that_parted_never_meet_again(again: Results) -> None:
    digests = (again.digests[0], "0" * 64, again.digests[2])
    recorded = replace(drifted(again, TOLERANCE / 2), digests=digests)
    assert outcomes(recorded, again, OTHER_KERNEL)["epochs"] is Outcome.DIFFERENT


@pytest.mark.parametrize("name", ["history", "metrics", "predictions"])
def test_numbers_cannot_differ_alone_on_the_same_machine(again: Results, name: str) -> None:
    recorded = replace(again, **{name: getattr(drifted(again, 1e-12), name)})
    assert outcomes(recorded, again) == {name: Outcome.DIFFERENT}
    assert outcomes(recorded, again, OTHER_KERNEL) == {name: Outcome.ROUNDED}


@pytest.mark.parametrize(("step", "outcome"), [(0.005, Outcome.ROUNDED), (0.05, Outcome.DIFFERENT)])
def test_metric_that_counts_moves_in_steps(again: Results, step: float, outcome: Outcome) -> None:
    drift = drifted(again, TOLERANCE / 2)
    metrics = {**again.metrics, "train_accuracy": again.metrics["train_accuracy"] - step}
    assert outcomes(replace(drift, metrics=metrics), again)["metrics"] is outcome


def test_changed_classes_are_counted(again: Results) -> None:
    drift = drifted(again, TOLERANCE / 2)
    classes = ("another", *drift.predictions.classes[1:])
    judgement = judged(replace(drift, predictions=replace(drift.predictions, classes=classes)), again, OTHER_KERNEL)
    assert judgement.verdict is Verdict.TOLERATED
    assert f"1 of {len(classes)} classes changed" in judgement.summarize()


@pytest.mark.parametrize(("name", "key"), [("data", "data_digest"), ("split", "split_digest"), ("code", "code_digest")])
def test_digest_that_differs_comes_first_and_is_the_cause(again: Results, name: str, key: str) -> None:
    recorded = replace(drifted(again, 1.0, first=0), tags={**again.tags, key: "0" * 64})
    judgement = judged(recorded, again, OTHER_KERNEL)
    assert judgement.summarize().startswith(f"different: {name}: {key} 000000000000, here ")
    assert "epochs: 3 digests of 3 epochs, differ from epoch 0 on" in judgement.summarize()
    assert judgement.cause.startswith("the code" if name == "code" else "the data")


def test_another_number_of_epochs_is_different(again: Results) -> None:
    history = {name: values[:-1] for name, values in again.history.items()}
    recorded = replace(again, digests=again.digests[:-1], history=history)
    assert outcomes(recorded, again) == {"epochs": Outcome.DIFFERENT, "history": Outcome.DIFFERENT}


def test_what_an_old_run_does_not_have_is_not_claimed(again: Results) -> None:
    tags = {key: value for key, value in again.tags.items() if key not in {"data_digest", "code_digest"}}
    model = replace(again.model, initial_digest="")
    recorded = replace(again, tags=tags, model=model, digests=(), predictions=None, metrics={})
    unknown = "code, data, initial weights, epochs, metrics, predictions"
    assert judged(recorded, again).summarize() == f"identical (not compared: {unknown})"


def test_weights_that_cannot_be_read_are_never_identical(again: Results) -> None:
    recorded = replace(again, model=None, problems={"model.safetensors": "is missing"})
    assert judged(recorded, again).verdict is Verdict.DIFFERENT


def test_numerics_and_packages_that_differ_are_named() -> None:
    tags = {"numerics.numpy": "2.4.5", "numerics.cpu": "x", "point_id": "1"}
    here = {**tags, "numerics.numpy": "2.4.6", "point_id": "2"}
    found = find_surroundings(tags, here, "numpy==2.4.5\nrich==14\n", "numpy==2.4.6\nrich==14\n")
    assert found.describe() == "other numerics (numpy 2.4.5, here 2.4.6) and other packages (numpy 2.4.5, here 2.4.6)"
    assert find_surroundings(tags, tags, None, "numpy==2.4.6\n").describe() == ""
