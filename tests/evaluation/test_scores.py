"""The metrics against scikit-learn and numbers worked by hand; the intervals against the metrics themselves."""

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap
from sklearn import metrics as sk

from plainmlp.data.arrays import Array, Description, Task
from plainmlp.evaluation.metrics import METRICS, measure, reliability, summands
from plainmlp.evaluation.ranking import rank
from plainmlp.evaluation.scores import bootstrap_intervals, evaluate_outputs, percentile_intervals, proportion_interval


def described(task: Task, n_classes: int) -> Description:
    """Return a description of no columns."""
    return Description("data", task, (), ("y",), tuple(map(str, range(n_classes))))


class Case(NamedTuple):
    task: Task
    targets: Array
    outputs: Array
    n_classes: int

    @property
    def description(self) -> Description:
        return described(self.task, self.n_classes)

    def take(self, rows: Array) -> "Case":
        return self._replace(targets=self.targets[rows], outputs=self.outputs[rows])

    def evaluate(self) -> dict[str, float]:
        return evaluate_outputs(self.description, self.targets, self.outputs)

    def evaluate_resamples(self, rows: Array) -> dict[str, Array]:
        """Return every metric of resamples whose drawn rows are the columns of a table."""
        centre = self.targets.mean(axis=0) if self.task == "regression" else np.empty(0)
        outputs = self.outputs.astype(np.float64)
        found = {**summands(self.task, self.targets, outputs, centre)}
        if self.task != "regression":
            found["areas"] = rank(self.task, self.targets, outputs)
        values = measure(self.task, {name: summand.total(rows) for name, summand in found.items()}, len(rows))
        return dict(zip(METRICS[self.task], values, strict=True))


def areas_of_scikit_learn(truth: Array, scores: Array) -> dict[str, float]:
    """Return the mean areas over the classes that some samples are of and some are not."""
    pairs = [pair for pair in zip(truth.T, scores.T, strict=True) if 0 < pair[0].sum() < len(truth)]
    roc, precision = ([area(*pair) for pair in pairs] for area in (sk.roc_auc_score, sk.average_precision_score))
    full = [1.0 for column in truth.T if column.all()]  # all samples are of the class, so precision is 1 throughout
    return {"roc_auc": np.mean(roc or [0.5]), "average_precision": np.mean([*precision, *full] or [0.5])}


def of_scikit_learn(case: Case) -> dict[str, float]:
    """Return scikit-learn's values of all metrics that it has."""
    targets, outputs = case.targets, case.outputs
    if case.task == "regression":
        return {
            "mean_squared_error": sk.mean_squared_error(targets, outputs),
            "mean_absolute_error": sk.mean_absolute_error(targets, outputs),
            "root_mean_squared_error": sk.root_mean_squared_error(targets, outputs),
            "r2": sk.r2_score(targets, outputs),
            "largest_error": max(sk.max_error(*column) for column in zip(targets.T, outputs.T, strict=True)),
        }
    if case.task == "multilabel":
        truth, predicted = targets.astype(int), (outputs > 0.5).astype(int)
        occurring = (truth | predicted).any(axis=0)
        flat = truth.ravel(), outputs.ravel()
        scores = [sk.f1_score(truth[:, label], predicted[:, label]) for label in np.flatnonzero(occurring)]
        return {
            "accuracy": sk.accuracy_score(truth, predicted),
            "macro_f1": np.mean(scores or [1.0]),
            "log_loss": sk.log_loss(*flat, labels=[0, 1]),
            "brier_score": sk.brier_score_loss(*flat, labels=[0, 1], pos_label=1),
            **areas_of_scikit_learn(truth, outputs),
        }
    predicted, labels = outputs.argmax(axis=1), np.arange(case.n_classes)
    ranked = slice(1, None) if case.n_classes == 2 else slice(None)
    return {
        "accuracy": sk.accuracy_score(targets, predicted),
        "balanced_accuracy": sk.recall_score(targets, predicted, labels=np.unique(targets), average="macro"),
        "macro_f1": sk.f1_score(targets, predicted, average="macro"),
        "log_loss": sk.log_loss(targets, outputs, labels=labels),
        "brier_score": sk.brier_score_loss(targets, outputs, labels=labels, scale_by_half=False),
        **areas_of_scikit_learn((targets[:, np.newaxis] == labels)[:, ranked], outputs[:, ranked]),
    }


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
        "roc_auc": (1 + 2 / 3 + 1) / 3,
        "average_precision": (1 + 1 / 2 + 1) / 3,
    }
    assert evaluate_outputs(described("classification", 3), targets, probabilities) == pytest.approx(expected)


def test_brier_score_of_two_classes_is_the_sum_over_both() -> None:
    values = evaluate_outputs(described("classification", 2), np.array([0, 1]), np.array([[0.6, 0.4], [0.0, 1.0]]))
    assert values["brier_score"] == pytest.approx((0.16 + 0.16) / 2)


def test_multilabel_metrics_are_the_numbers_worked_by_hand() -> None:
    targets = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    probabilities = np.array([[0.9, 0.2, 0.1], [0.4, 0.8, 0.5]])  # 0.5 is not above the threshold
    expected = {
        "accuracy": 1 / 2,
        "macro_f1": (2 / 3 + 1) / 2,  # the third label neither occurs nor is predicted
        "log_loss": -np.log([0.9, 0.8, 0.9, 0.4, 0.8, 0.5]).mean(),
        "brier_score": (0.01 + 0.04 + 0.01 + 0.36 + 0.04 + 0.25) / 6,
        "roc_auc": 1,  # of the second label; the others are in all samples or in none
        "average_precision": 1,  # of the first two
    }
    assert evaluate_outputs(described("multilabel", 0), targets, probabilities) == pytest.approx(expected)


def test_labels_that_never_occur_and_are_never_predicted_are_no_mistake() -> None:
    case = Case("multilabel", np.zeros((3, 2)), np.full((3, 2), 0.1), 0)
    assert case.evaluate()["macro_f1"] == 1.0
    assert case.evaluate_resamples(np.zeros((3, 1), int))["macro_f1"] == 1.0


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
    assert evaluate_outputs(described("regression", 0), targets, outputs) == pytest.approx(expected)


def test_expected_calibration_error_weighs_bins_by_their_samples() -> None:
    top = np.array([0.9, 0.91, 0.92, 0.4])
    probabilities = np.stack([top, (1 - top) / 2, (1 - top) / 2], axis=1)
    gap = abs((0.9 + 0.91 + 0.92) / 3 - 2 / 3)
    assert reliability(np.array([0, 0, 1, 0]), probabilities).error == pytest.approx(gap * 3 / 4 + 0.6 / 4)


def test_calibration_bins_hold_their_upper_edge_and_every_sample() -> None:
    top = np.array([0.2, 0.2 + 1e-9, 1.0])
    probabilities = np.column_stack([top] + [(1 - top) / 9] * 9)
    counts, confidence, accuracy, _ = reliability(np.array([0, 1, 0]), probabilities)
    assert np.flatnonzero(counts).tolist() == [2, 3, 14]
    assert counts.sum() == 3
    assert confidence[[2, 3, 14]] == pytest.approx(top)
    assert accuracy[[2, 3, 14]].tolist() == [1, 0, 1]


@pytest.mark.parametrize("task", METRICS)
@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(1, 40), width=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_resampled_metrics_have_the_bits_of_those_of_the_resampled_rows(
    task: Task, n_samples: int, width: int, seed: int
) -> None:
    case = make_case(task, n_samples, width, seed)
    if task == "classification":  # evaluating divides each row by its sum: here that is 1 and no bit is lost
        case = case._replace(outputs=np.floor(case.outputs * 2**40) / 2**40)
        case.outputs[:, 0] += 1 - case.outputs.sum(axis=1)
    rows = np.random.default_rng(seed).integers(0, n_samples, size=(n_samples, 5))
    rows[:, 0] = np.arange(n_samples)  # the identity
    values = case.evaluate_resamples(rows)
    for resample, draw in enumerate(rows.T):
        for name, expected in case.take(draw).evaluate().items():
            if name in {"r2", "average_precision"}:  # one is around the mean of all rows, one adds zeros in between
                assert values[name][resample] == pytest.approx(expected, rel=1e-7, abs=1e-9)
            else:
                assert values[name][resample] == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("task", METRICS)
@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(2, 300), width=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_metrics_are_those_of_scikit_learn(task: Task, n_samples: int, width: int, seed: int) -> None:
    case = make_case(task, n_samples, width, seed)
    values, expected = case.evaluate(), of_scikit_learn(case)
    assert set(values) - set(expected) <= {"expected_calibration_error"}
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_of_very_many_scores_the_areas_have_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("classification", 40, 3, seed=1)
    monkeypatch.setattr("plainmlp.evaluation.scores.MAX_RANKED_AGAIN", 119)
    monkeypatch.setattr("plainmlp.evaluation.scores.RESAMPLES", 50)
    found = bootstrap_intervals(case.description, *case[1:3], np.random.default_rng(0))
    assert set(METRICS["classification"]) - set(found) == {"roc_auc", "average_precision"}


@pytest.mark.parametrize("task", METRICS)
def test_pieces_of_a_part_come_to_the_metrics_of_the_whole(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(task, 101, 3, seed=8)
    whole = case.evaluate()
    cut = [(case.targets[start : start + 7], case.outputs[start : start + 7]) for start in range(0, 101, 7)]
    monkeypatch.setattr("plainmlp.evaluation.scores._pieces", lambda *_: cut)
    assert case.evaluate() == pytest.approx(whole, rel=1e-13)


def test_class_that_is_predicted_but_absent_is_no_part_of_balanced_accuracy() -> None:
    outputs = np.eye(3)[[0, 2, 1]]
    values = evaluate_outputs(described("classification", 3), np.array([0, 0, 1]), outputs)
    assert values["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


@pytest.mark.parametrize(("outputs", "expected"), [([0.1, 0.1, 0.1], 1.0), ([0.1, 0.1, 0.2], 0.0)])
def test_r2_of_equal_targets_is_one_without_error_and_else_zero(outputs: list[float], expected: float) -> None:
    targets, values = np.full((3, 1), 0.1), np.array(outputs)[:, np.newaxis]
    assert evaluate_outputs(described("regression", 0), targets, values)["r2"] == expected
    case = Case("regression", targets, values, 0)
    assert case.evaluate_resamples(np.array([[0], [1], [2]]))["r2"] == expected


def test_r2_of_resamples_of_one_row_is_zero_whatever_rounding_leaves_of_their_spread() -> None:
    case = make_case("regression", 50, 2, seed=6)
    assert case.evaluate_resamples(np.tile(np.arange(50), (50, 1)))["r2"].tolist() == [0.0] * 50


@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("n_samples", [1, 2, 300])
def test_intervals_exist_for_every_metric_and_hold_its_value(task: Task, n_samples: int) -> None:
    case = make_case(task, n_samples, 4, seed=3)
    values = case.evaluate()
    intervals = bootstrap_intervals(case.description, *case[1:3], np.random.default_rng(0))
    assert [name for name in METRICS[task] if name in intervals] == list(intervals)
    assert n_samples == 1 or set(values) - set(intervals) <= {
        "macro_f1",
        "balanced_accuracy",
        "roc_auc",
        "average_precision",
    }
    for name in set(intervals) - {"expected_calibration_error", "r2"}:  # both are biased in small samples
        low, high = intervals[name]
        assert low - 1e-9 <= values[name] <= high + 1e-9, name
        assert isinstance(low, float)
        assert isinstance(values[name], float)
        assert n_samples < 300 or name == "largest_error" or low < high


@pytest.mark.parametrize(("n_right", "n_samples"), [(0, 1), (1, 1), (2, 3), (270, 270), (0, 90), (7, 40), (39, 40)])
def test_interval_of_a_proportion_is_that_of_wilson(n_right: int, n_samples: int) -> None:
    expected = binomtest(n_right, n_samples).proportion_ci(0.95, method="wilson")
    low, high = proportion_interval(n_right, n_samples)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-15)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_without_a_mistake_only_the_accuracy_and_what_varies_have_an_interval(task: Task) -> None:
    targets = np.arange(20) % 2 if task == "classification" else np.eye(2)[np.arange(20) % 2]
    outputs = np.where(np.eye(2)[np.arange(20) % 2] > 0, 0.75, 0.25)
    intervals = bootstrap_intervals(described(task, 2), targets, outputs, np.random.default_rng(0))
    assert list(intervals) == ["accuracy"]
    assert intervals["accuracy"] == pytest.approx((0.8389, 1), abs=1e-4)


def test_interval_of_a_mean_has_the_width_that_theory_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.random.default_rng(5).normal(size=(2000, 1))
    targets = np.zeros((2000, 1))
    monkeypatch.setattr("plainmlp.evaluation.scores.RESAMPLES", 4000)
    intervals = bootstrap_intervals(described("regression", 0), targets, errors, np.random.default_rng(1))
    half_width = 1.960 * np.abs(errors).std() / np.sqrt(2000)
    expected = np.abs(errors).mean() + np.array([-half_width, half_width])
    np.testing.assert_allclose(intervals["mean_absolute_error"], expected, atol=0.1 * half_width)


def test_intervals_depend_on_nothing_but_the_state_of_the_generator() -> None:
    case = make_case("classification", 50, 3, seed=1)
    first, again, other = (
        bootstrap_intervals(case.description, *case[1:3], np.random.default_rng(seed)) for seed in (7, 7, 8)
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
    values = case.evaluate_resamples(np.arange(30)[:, np.newaxis])
    assert case.evaluate() == {name: pytest.approx(value[0]) for name, value in values.items()}


@pytest.mark.parametrize("task", METRICS)
def test_shapes_that_would_broadcast_are_refused(task: Task) -> None:
    case = make_case(task, 10, 3, seed=0)
    wrong = case.outputs[:, :1]
    with pytest.raises(ValueError, match=rf"outputs of a {task} must have the shape \(10, 3\), not \(10, 1\)"):
        evaluate_outputs(case.description, case.targets, wrong)
    with pytest.raises(ValueError, match="must have the shape"):
        bootstrap_intervals(case.description, case.targets, wrong, np.random.default_rng(0))


@pytest.mark.slow
def test_many_samples_and_classes_stay_within_the_memory() -> None:
    case = make_case("classification", 10_500, 100, seed=0)
    tracemalloc.start()
    bootstrap_intervals(case.description, *case[1:3], np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_limits_are_the_quantiles_of_resamples_drawn_from_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plainmlp.evaluation.scores.RESAMPLES", 99)
    numbers = np.random.default_rng(2).normal(size=5000)
    measured = []

    def largest(rows: Array) -> Array:
        measured.append(numbers[rows].max(axis=0))
        return np.stack([measured[-1], -measured[-1]])

    (low, high), (minus_high, minus_low) = percentile_intervals(largest, 5000, np.random.default_rng(4))
    values = np.concatenate(measured)
    assert values.shape == (99,)
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), rel=1e-14)
    assert (minus_high, minus_low) == pytest.approx((-high, -low), rel=1e-14)
    again = np.random.default_rng(4)
    rows = [again.integers(0, 5000, shape) for shape in [(5000, 3)] * 33]
    np.testing.assert_array_equal(values, np.concatenate([numbers[each].max(axis=0) for each in rows]))


def test_intervals_are_those_of_scipy_but_for_their_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plainmlp.evaluation.scores.RESAMPLES", 20_000)
    errors = np.abs(np.random.default_rng(0).normal(size=400))
    expected = bootstrap(
        (errors,),
        np.mean,
        n_resamples=20_000,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = bootstrap_intervals(
        described("regression", 0),
        np.zeros((400, 1)),
        errors[:, np.newaxis],
        np.random.default_rng(1),
    )["mean_absolute_error"]
    assert found == pytest.approx(expected, abs=0.03 * (expected.high - expected.low))
