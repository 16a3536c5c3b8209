"""The metrics against scikit-learn and numbers worked by hand; the intervals against the metrics themselves."""

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from plainmlp.data.arrays import Array, Task
from plainmlp.evaluation import bootstrap_intervals, evaluate_outputs
from plainmlp.evaluation.calibration import expected_calibration_error, reliability
from plainmlp.evaluation.intervals import draw_counts
from plainmlp.evaluation.metrics import METRICS

PAIRS = [(task, name) for task, metrics in METRICS.items() for name in metrics]


class Case(NamedTuple):
    task: Task
    targets: Array
    outputs: Array
    n_classes: int

    def take(self, rows: Array) -> "Case":
        return self._replace(targets=self.targets[rows], outputs=self.outputs[rows])

    def evaluate(self) -> dict[str, float]:
        return evaluate_outputs(self.task, self.targets, self.outputs, n_classes=self.n_classes)


def make_case(task: Task, n_samples: int, width: int, seed: int) -> Case:
    """Draw outputs that are better than chance; few samples leave classes out."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n_samples, width)) * 2
    if task == "classification":
        targets = generator.integers(0, width, n_samples)
        logits[np.arange(n_samples), targets] += 1.5
        exponentials = np.exp(logits)
        return Case(task, targets, exponentials / exponentials.sum(axis=1, keepdims=True), width)
    if task == "multilabel":
        labels = (generator.random((n_samples, width)) < 0.3).astype(np.float64)
        return Case(task, labels, 1 / (1 + np.exp(-logits - 3 * labels + 1.5)), 0)
    return Case(task, 100 + logits, 100 + logits + generator.normal(size=logits.shape), 0)


def test_classification_metrics_are_the_numbers_worked_by_hand() -> None:
    targets = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.5, 0.4], [0.0, 0.0, 1.0]])
    expected = {
        "accuracy": 3 / 4,
        "balanced_accuracy": (1 / 2 + 1 + 1) / 3,
        "macro_f1": (2 / 3 + 2 / 3 + 1) / 3,
        "log_loss": -(np.log(0.8) + np.log(0.2) + np.log(0.5)) / 4,
        "brier_score": (0.06 + (0.64 + 0.49 + 0.01) + (0.01 + 0.25 + 0.16)) / 4,
        "expected_calibration_error": (0.2 + 0.7 + 0.5) / 4,
    }
    assert evaluate_outputs("classification", targets, probabilities, n_classes=3) == pytest.approx(expected)


def test_brier_score_of_two_classes_is_the_sum_over_both() -> None:
    values = evaluate_outputs("classification", np.array([0, 1]), np.array([[0.6, 0.4], [0.0, 1.0]]), n_classes=2)
    assert values["brier_score"] == pytest.approx((0.16 + 0.16) / 2)


def test_multilabel_metrics_are_the_numbers_worked_by_hand() -> None:
    targets = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    probabilities = np.array([[0.9, 0.2, 0.1], [0.4, 0.8, 0.5]])  # 0.5 is not above the threshold
    expected = {
        "accuracy": 1 / 2,
        "macro_f1": (2 / 3 + 1) / 2,  # the third label neither occurs nor is predicted
        "log_loss": -np.log([0.9, 0.8, 0.9, 0.4, 0.8, 0.5]).mean(),
        "brier_score": (0.01 + 0.04 + 0.01 + 0.36 + 0.04 + 0.25) / 6,
    }
    assert evaluate_outputs("multilabel", targets, probabilities, n_classes=0) == pytest.approx(expected)


def test_labels_that_never_occur_and_are_never_predicted_are_no_mistake() -> None:
    case = Case("multilabel", np.zeros((3, 2)), np.full((3, 2), 0.1), 0)
    assert case.evaluate()["macro_f1"] == 1.0
    assert METRICS["multilabel"]["macro_f1"].statistic(case.targets, case.outputs)(np.ones((3, 1))) == 1.0


def test_regression_metrics_are_the_numbers_worked_by_hand() -> None:
    targets = np.array([[0.0, 0.0], [2.0, 4.0]])
    outputs = np.array([[1.0, 0.0], [2.0, 1.0]])
    expected = {
        "mean_squared_error": (1 + 9) / 4,
        "mean_absolute_error": (1 + 3) / 4,
        "root_mean_squared_error": (np.sqrt(1 / 2) + np.sqrt(9 / 2)) / 2,
        "r2": ((1 - 1 / 2) + (1 - 9 / 8)) / 2,
        "largest_error": 3.0,
    }
    assert evaluate_outputs("regression", targets, outputs, n_classes=0) == pytest.approx(expected)


def test_expected_calibration_error_weighs_bins_by_their_samples() -> None:
    top = np.array([0.9, 0.91, 0.92, 0.4])
    probabilities = np.stack([top, (1 - top) / 2, (1 - top) / 2], axis=1)
    gap = abs((0.9 + 0.91 + 0.92) / 3 - 2 / 3)
    assert expected_calibration_error(np.array([0, 0, 1, 0]), probabilities) == pytest.approx(gap * 3 / 4 + 0.6 / 4)


def test_calibration_bins_hold_their_upper_edge_and_every_sample() -> None:
    top = np.array([0.2, 0.2 + 1e-9, 1.0])
    probabilities = np.column_stack([top] + [(1 - top) / 9] * 9)
    counts, confidence, accuracy = reliability(np.array([0, 1, 0]), probabilities)
    assert np.flatnonzero(counts).tolist() == [2, 3, 14]
    assert counts.sum() == 3
    assert confidence[[2, 3, 14]] == pytest.approx(top)
    assert accuracy[[2, 3, 14]].tolist() == [1, 0, 1]


@pytest.mark.parametrize(("task", "name"), PAIRS)
@settings(max_examples=40, deadline=None)
@given(n_samples=st.integers(1, 40), width=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_resampled_metric_is_the_metric_of_the_resampled_rows(
    task: Task, name: str, n_samples: int, width: int, seed: int
) -> None:
    case = make_case(task, n_samples, width, seed)
    rows = np.random.default_rng(seed).integers(0, n_samples, size=(5, n_samples))
    rows[0] = np.arange(n_samples)  # the identity
    values = METRICS[task][name].statistic(case.targets, case.outputs)(draw_counts(rows))
    expected = [METRICS[task][name].value(*case.take(draw)[1:3]) for draw in rows]
    np.testing.assert_allclose(values, expected, rtol=1e-7, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_balanced_accuracy_is_the_one_of_scikit_learn(seed: int) -> None:
    case = make_case("classification", 60, 3, seed)
    value = case.evaluate()["balanced_accuracy"]
    assert value == pytest.approx(balanced_accuracy_score(case.targets, case.outputs.argmax(axis=1)))


def test_class_that_is_predicted_but_absent_is_no_part_of_balanced_accuracy() -> None:
    outputs = np.eye(3)[[0, 2, 1]]
    values = evaluate_outputs("classification", np.array([0, 0, 1]), outputs, n_classes=3)
    assert values["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


@pytest.mark.parametrize(("outputs", "expected"), [([0.1, 0.1, 0.1], 1.0), ([0.1, 0.1, 0.2], 0.0)])
def test_r2_of_equal_targets_is_one_without_error_and_else_zero(outputs: list[float], expected: float) -> None:
    targets, values = np.full((3, 1), 0.1), np.array(outputs)[:, np.newaxis]
    assert evaluate_outputs("regression", targets, values, n_classes=0)["r2"] == expected
    assert METRICS["regression"]["r2"].statistic(targets, values)(np.ones((3, 1))) == expected


def test_r2_of_resamples_of_one_row_is_zero_whatever_rounding_leaves_of_their_spread() -> None:
    case = make_case("regression", 50, 2, seed=6)
    statistic = METRICS["regression"]["r2"].statistic(case.targets, case.outputs)
    assert statistic(50 * np.eye(50)).tolist() == [0.0] * 50


@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("n_samples", [1, 2, 300])
def test_intervals_exist_for_every_metric_and_hold_its_value(task: Task, n_samples: int) -> None:
    case = make_case(task, n_samples, 4, seed=3)
    values = case.evaluate()
    intervals = bootstrap_intervals(*case[:3], n_classes=case.n_classes, generator=np.random.default_rng(0))
    assert list(intervals) == list(values) == list(METRICS[task])
    for name in set(values) - {"expected_calibration_error", "r2"}:  # both are biased in small samples
        low, high = intervals[name]
        assert low - 1e-9 <= values[name] <= high + 1e-9, name
        assert isinstance(low, float)
        assert isinstance(values[name], float)
        assert n_samples < 300 or name == "largest_error" or low < high


def test_interval_of_a_mean_has_the_width_that_theory_gives() -> None:
    errors = np.random.default_rng(5).normal(size=(2000, 1))
    targets = np.zeros((2000, 1))
    for level, z in ((0.95, 1.960), (0.5, 0.6745)):
        intervals = bootstrap_intervals(
            "regression", targets, errors, n_classes=0, generator=np.random.default_rng(1), resamples=4000, level=level
        )
        half_width = z * np.abs(errors).std() / np.sqrt(2000)
        expected = np.abs(errors).mean() + np.array([-half_width, half_width])
        np.testing.assert_allclose(intervals["mean_absolute_error"], expected, atol=0.1 * half_width)


def test_intervals_depend_on_nothing_but_the_state_of_the_generator() -> None:
    case = make_case("classification", 50, 3, seed=1)
    first, again, other = (
        bootstrap_intervals(*case[:3], n_classes=3, generator=np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("task", METRICS)
def test_float32_outputs_give_the_metrics_of_the_same_numbers_in_float64(task: Task) -> None:
    case = make_case(task, 200, 3, seed=2)
    narrow = case._replace(outputs=case.outputs.astype(np.float32))
    assert narrow.evaluate() == pytest.approx(case.evaluate(), rel=1e-5)


def test_extreme_probabilities_give_finite_metrics() -> None:
    case = Case("classification", np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), 2)
    labels = Case("multilabel", np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), 0)
    assert np.isfinite(list(case.evaluate().values())).all()
    assert np.isfinite(list(labels.evaluate().values())).all()


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_one_target_column_is_enough(task: Task) -> None:
    case = make_case(task, 30, 1, seed=4)
    counts = np.ones((30, 1))
    for name, value in case.evaluate().items():
        assert METRICS[task][name].statistic(case.targets, case.outputs)(counts) == pytest.approx(value)


@pytest.mark.parametrize("task", METRICS)
def test_shapes_that_would_broadcast_are_refused(task: Task) -> None:
    case = make_case(task, 10, 3, seed=0)
    wrong = case.outputs[:, :1]
    with pytest.raises(ValueError, match=rf"outputs of a {task} must have the shape \(10, 3\), not \(10, 1\)"):
        evaluate_outputs(task, case.targets, wrong, n_classes=case.n_classes)
    with pytest.raises(ValueError, match="must have the shape"):
        bootstrap_intervals(
            task, case.targets, wrong, n_classes=case.n_classes, generator=np.random.default_rng(0), resamples=2
        )


def test_many_samples_and_classes_stay_within_the_memory() -> None:
    case = make_case("classification", 10_500, 100, seed=0)
    tracemalloc.start()
    bootstrap_intervals(*case[:3], n_classes=100, generator=np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_draw_counts_are_the_multiplicities() -> None:
    counts = draw_counts(np.array([[0, 0, 2], [1, 1, 1]]))
    assert counts.tolist() == [[2, 0], [0, 3], [1, 0]]
