"""The figures: which apply where, what they show, and that their files are the same from run to run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support, roc_auc_score, roc_curve

from plainmlp.data.arrays import Array, Column, Description, Part
from plainmlp.evaluation.figures.canvas import COLOURS, WRONG, FigureData, caption, class_colours, thinned, value_range
from plainmlp.evaluation.figures.classes import select_worst
from plainmlp.evaluation.figures.table import FIGURES, draw_figures
from plainmlp.evaluation.importance import Importance

pytestmark = pytest.mark.slow

HISTORY = {
    "train_loss": [2.0, 1.0, 0.5, 0.4],
    "validation_loss": [2.1, 1.2, 0.9, 1.1],
    "train_accuracy": [0.3, 0.6, 0.8, 0.9],
    "validation_accuracy": [0.3, 0.5, 0.7, 0.6],
    "gradient_norm": [1.0, 0.5, 0.2, 0.1],
}

STEPS = {"step": [0, 10, 20], "loss": [3.0, 2.0, 1.0], "sum_of_squares": [90.0, 9.0, 0.9]}


def columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def make_data(
    description: Description, features: Array, targets: Array, predict: Callable[[Array], Array]
) -> FigureData:
    """Give the first half to the train part and the second to the test part."""
    half = len(features) // 2
    test = Part(features[half:], targets[half:])
    return FigureData(
        description, HISTORY, Part(features[:half], targets[:half]), test, predict(test.features), predict
    )


@pytest.fixture
def plane() -> FigureData:
    """Three clusters in a plane; the network goes by the nearest centre, so it errs where they overlap."""
    generator = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    targets = generator.integers(0, 3, 400)
    features = centres[targets] + generator.normal(size=(400, 2)) * 0.7
    description = Description("clusters", "classification", columns("x", "y"), ("cluster",), ("red", "green", "blue"))
    return make_data(
        description, features, targets, lambda x: softmax(-np.square(x[:, np.newaxis] - centres).sum(axis=2))
    )


@pytest.fixture
def images() -> FigureData:
    """Images of 2 x 3 pixels with one bright pixel, classified by a noisy network."""
    generator = np.random.default_rng(1)
    targets = generator.integers(0, 6, 120)
    features = np.eye(6)[targets] + generator.normal(size=(120, 6)) * 0.5
    names = tuple("abcdef")
    description = Description("pixels", "classification", columns(*"pqrstu"), ("pixel",), names, (2, 3))
    return make_data(description, features, targets, lambda x: softmax(3 * x))


@pytest.fixture
def curve() -> FigureData:
    features = np.linspace(0, 1, 60)[::-1, np.newaxis]
    description = Description("sincos", "regression", columns("x"), ("sin", "cos"))
    targets = np.concatenate([np.sin(features), np.cos(features)], axis=1)
    data = make_data(description, features, targets, lambda x: np.concatenate([x, 1 - x / 2], axis=1))
    return replace(data, steps=STEPS)


@pytest.fixture
def table() -> FigureData:
    """A regression on three columns."""
    features = np.random.default_rng(2).normal(size=(40, 3))
    description = Description("prices", "regression", columns(*"abc"), ("price",))
    data = make_data(description, features, features.sum(axis=1, keepdims=True), lambda x: x[:, :1])
    means = np.array([0.2, 0.7, 0.0])
    return replace(data, importance=Importance("r2", ("a", "b", "c"), means, means - 0.1, means + 0.2))


@pytest.fixture
def labels() -> FigureData:
    features = np.random.default_rng(3).random((20, 2))
    description = Description("tags", "multilabel", columns("x", "y"), ("hot", "wet"))
    return make_data(description, features, (features > 0.5).astype(np.float64), lambda x: x)


def with_columns(data: FigureData, *, categories: tuple[str, ...]) -> FigureData:
    """Make a category of the last column."""
    *first, last = data.description.columns
    changed = (*first, Column(last.name, categories))
    return replace(data, description=replace(data.description, columns=changed))


def draw(name: str, data: FigureData) -> list[Axes]:
    return FIGURES[name].draw(data).axes


CLASSES = {"class_scores", "threshold_curves"}
EXPECTED = {
    "plane": {"learning_curves", "confusion_matrix", "calibration", "data", "right_and_wrong", "decision_regions"}
    | CLASSES,
    "images": {"learning_curves", "confusion_matrix", "calibration", "worst_mistakes"} | CLASSES,
    "curve": {"learning_curves", "steps", "fitted_curves", "predicted_against_actual", "residuals"},
    "table": {"learning_curves", "predicted_against_actual", "residuals", "importance"},
    "labels": {"learning_curves"} | CLASSES,
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_figure_applies_exactly_where_it_should(kind: str, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    assert {name for name, entry in FIGURES.items() if entry.applies(data)} == EXPECTED[kind]


def test_every_figure_applies_somewhere() -> None:
    assert set.union(*EXPECTED.values()) == set(FIGURES)


def test_figures_of_numbers_do_not_apply_to_categories(plane: FigureData, curve: FigureData) -> None:
    assert not FIGURES["data"].applies(with_columns(plane, categories=("a", "b")))
    assert not FIGURES["decision_regions"].applies(with_columns(plane, categories=("a", "b")))
    assert not FIGURES["fitted_curves"].applies(with_columns(curve, categories=("a", "b")))


def test_learning_curves_need_a_history(plane: FigureData) -> None:
    assert not FIGURES["learning_curves"].applies(replace(plane, history={}))


@pytest.mark.parametrize("kind", EXPECTED)
def test_files_decode_are_small_and_have_the_same_bytes_twice(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data = request.getfixturevalue(kind)
    first = draw_figures(data, tmp_path / "first" / "figures")
    second = draw_figures(data, tmp_path / "second")
    assert {path.name for path in first} == {f"{name}.png" for name in EXPECTED[kind]}
    for path, again in zip(first, second, strict=True):
        assert path.read_bytes() == again.read_bytes()
        assert path.stat().st_size < 150_000
        assert b"Software" not in path.read_bytes()
        assert imread(path).std() > 0.01


def test_the_users_own_matplotlib_settings_change_nothing(table: FigureData, tmp_path: Path) -> None:
    ours = [path.read_bytes() for path in draw_figures(table, tmp_path / "ours")]
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.facecolor": "black", "savefig.transparent": True}):
        theirs = [path.read_bytes() for path in draw_figures(table, tmp_path / "theirs")]
        assert mpl.rcParams["font.size"] == 20
    assert ours == theirs


def test_learning_curves_show_both_parts_and_mark_the_best_epoch(plane: FigureData) -> None:
    loss, accuracy = draw("learning_curves", plane)
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert loss.get_xlabel() == "epoch"
    curves = {line.get_label(): line for line in loss.lines}
    assert list(curves) == ["train", "validation", "lowest validation loss: epoch 2"]
    assert list(curves["validation"].get_ydata()) == HISTORY["validation_loss"]
    assert list(curves["train"].get_xdata()) == [0, 1, 2, 3]
    assert list(accuracy.lines[0].get_ydata()) == HISTORY["train_accuracy"]
    assert list(accuracy.lines[2].get_xdata()) == [2, 2]


def test_learning_curves_do_without_validation_and_with_one_epoch(table: FigureData) -> None:
    history = {"train_loss": [3.0], "train_mean_squared_error": [6.0]}
    loss, error = draw("learning_curves", replace(table, history=history))
    assert error.get_ylabel() == "mean squared error"
    assert [line.get_label() for line in loss.lines] == ["train"]
    assert loss.lines[0].get_marker() == "o"  # a line through one point would not be seen
    assert loss.get_xlim() == (-0.5, 0.5)


def test_steps_are_drawn_by_their_numbers(curve: FigureData) -> None:
    loss, squares = draw("steps", curve)
    assert (loss.get_xlabel(), loss.get_ylabel(), squares.get_ylabel()) == ("step", "loss", "sum of squares")
    assert (loss.get_yscale(), squares.get_yscale()) == ("linear", "log")
    assert [list(axes.lines[0].get_xdata()) for axes in (loss, squares)] == [STEPS["step"]] * 2
    assert [list(axes.lines[0].get_ydata()) for axes in (loss, squares)] == [STEPS["loss"], STEPS["sum_of_squares"]]


@pytest.mark.parametrize(("last", "scale"), [(1.0, "linear"), (0.001, "log"), (0.0, "linear"), (-5.0, "linear")])
def test_losses_over_decades_get_a_logarithmic_axis(table: FigureData, last: float, scale: str) -> None:
    (axes,) = draw("learning_curves", replace(table, history={"train_loss": [3.0, 2.0, last]}))
    assert axes.get_yscale() == scale


def test_confusion_cells_hold_the_counts_and_the_shares_of_the_true_class() -> None:
    description = Description("three", "classification", columns("x"), ("y",), ("ant", "bee", "cat"))
    features = np.zeros((12, 1))
    outputs = np.eye(3)[[0, 1, 1, 1, 0, 1]]
    data = make_data(description, features, np.array([0] * 6 + [0, 0, 0, 0, 1, 1]), lambda x: outputs)
    axes, colour_bar = draw("confusion_matrix", data)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "1", (1, 0): "3", (0, 1): "1", (1, 1): "1"}  # (predicted, true)
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.25, 0.75, 0], [0.5, 0.5, 0], [0, 0, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ant", "bee", "cat"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ant", "bee", "cat"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert colour_bar.get_ylabel() == "share of the true class"


@pytest.mark.parametrize(("n_classes", "written", "ticks"), [(20, True, 20), (21, False, 21), (70, False, 24)])
def test_large_confusion_matrices_stay_readable(n_classes: int, written: bool, ticks: int) -> None:
    names = tuple(f"a rather long name {index}" for index in range(n_classes))
    description = Description("many", "classification", columns("x"), ("y",), names)
    targets = np.tile(np.arange(n_classes), 2)
    data = make_data(description, np.zeros((2 * n_classes, 1)), targets, lambda x: np.eye(n_classes))
    axes = draw("confusion_matrix", data)[0]
    assert bool(axes.texts) == written
    assert len(axes.get_xticks()) == ticks
    assert max(len(label.get_text()) for label in axes.get_xticklabels()) <= 16


def test_data_are_coloured_by_class(plane: FigureData) -> None:
    (axes,) = draw("data", plane)
    (points,) = axes.collections
    features = np.concatenate([plane.train.features, plane.test.features])
    targets = np.concatenate([plane.train.targets, plane.test.targets])
    np.testing.assert_array_equal(points.get_offsets(), features)
    np.testing.assert_allclose(
        points.get_facecolors()[:, :3], np.array([to_rgb(colour) for colour in COLOURS])[targets]
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    (legend,) = FIGURES["data"].draw(plane).legends
    assert [text.get_text() for text in legend.texts] == ["red", "green", "blue"]


@pytest.mark.parametrize("name", ["right_and_wrong", "decision_regions"])
def test_right_points_are_parted_from_wrong_ones(name: str, plane: FigureData) -> None:
    figure = FIGURES[name].draw(plane)
    axes = figure.axes[0]
    right, wrong = axes.collections
    mistakes = plane.outputs.argmax(axis=1) != plane.test.targets
    assert 0 < mistakes.sum() < len(mistakes)
    np.testing.assert_array_equal(wrong.get_offsets(), plane.test.features[mistakes])
    np.testing.assert_array_equal(right.get_offsets(), plane.test.features[~mistakes])
    assert to_rgb(wrong.get_edgecolors()[0]) == to_rgb(WRONG)
    entries = [text.get_text() for text in figure.legends[0].texts]
    classes = ["red", "green", "blue"] if name == "decision_regions" else []
    assert entries == [f"right ({(~mistakes).sum()})", f"wrong ({mistakes.sum()})", *classes]
    assert f"{(~mistakes).mean():.1%}" in figure.get_suptitle()


@pytest.mark.parametrize(("n_samples", "sizes"), [(200, (26, 52)), (1200, (13, 26))])
def test_crosses_are_twice_as_large_as_points(n_samples: int, sizes: tuple[float, float], plane: FigureData) -> None:
    rows = np.arange(n_samples) % len(plane.test.targets)
    test = Part(plane.test.features[rows], plane.test.targets[rows])
    crowd = replace(plane, test=test, outputs=plane.predict(test.features))
    right, wrong = draw("right_and_wrong", crowd)[0].collections
    assert (right.get_sizes()[0], wrong.get_sizes()[0]) == pytest.approx(sizes)


def test_regions_have_the_colour_of_the_class_predicted_there(plane: FigureData) -> None:
    image = draw("decision_regions", plane)[0].images[0]
    left, right, bottom, top = image.get_extent()
    colours = image.get_array()
    pale = 0.65 + 0.35 * class_colours(3)
    corners = np.array([[left, bottom], [right, bottom], [left, top]])
    expected = pale[plane.predict(corners).argmax(axis=1)]
    np.testing.assert_allclose([colours[0, 0], colours[0, -1], colours[-1, 0]], expected)
    assert image.origin == "lower"


def test_names_are_written_on_the_plane_where_colours_are_too_many(plane: FigureData) -> None:
    names = tuple(f"class {index}" for index in range(9))
    description = replace(plane.description, class_names=names)
    widened = replace(plane, description=description, outputs=np.pad(plane.outputs, ((0, 0), (0, 6))))
    figure = FIGURES["data"].draw(widened)
    assert not figure.legends
    assert [text.get_text() for text in figure.axes[0].texts] == ["class 0", "class 1", "class 2"]  # those in the data


def test_worst_mistakes_are_sorted_and_captioned(images: FigureData) -> None:
    rows, title = select_worst(images)
    predicted, confidence = images.outputs.argmax(axis=1), images.outputs.max(axis=1)
    n_wrong = int((predicted != images.test.targets).sum())
    assert 0 < len(rows) == min(25, n_wrong)
    assert (predicted[rows] != images.test.targets[rows]).all()
    assert (np.diff(confidence[rows]) <= 0).all()
    assert confidence[rows[0]] == confidence[predicted != images.test.targets].max()
    assert title == f"{n_wrong} of 60 test images wrong, the worst first"
    panels = draw("worst_mistakes", images)
    assert len(panels) == len(rows)
    names, worst = images.description.class_names, rows[0]
    expected = f"true {names[images.test.targets[worst]]}\npredicted {names[predicted[worst]]}\n{confidence[worst]:.1%}"
    assert panels[0].get_title() == expected
    np.testing.assert_array_equal(panels[0].images[0].get_array(), images.test.features[worst].reshape(2, 3))


def test_at_most_25_mistakes_are_shown(images: FigureData) -> None:
    hopeless = replace(images, test=replace(images.test, targets=(images.predicted + 1) % 6))
    assert len(draw("worst_mistakes", hopeless)) == 25


def test_without_mistakes_the_least_certain_images_are_shown(images: FigureData) -> None:
    perfect = replace(images, test=replace(images.test, targets=images.predicted))
    rows, title = select_worst(perfect)
    confidence = images.outputs.max(axis=1)
    assert title == "no mistake in 60 test images, the least certain first"
    np.testing.assert_array_equal(confidence[rows], np.sort(confidence)[:25])


def test_fitted_curves_show_targets_and_the_networks_function(curve: FigureData) -> None:
    (axes,) = draw("fitted_curves", curve)
    assert [line.get_label() for line in axes.lines] == ["sin, network", "cos, network"]
    grid = np.asarray(axes.lines[0].get_xdata())
    assert (grid[0], grid[-1]) == (0, 1)  # all the range, and from left to right although the rows are not
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 1 - grid / 2)
    expected = np.stack([curve.test.features[:, 0], curve.test.targets[:, 1]], axis=1)
    np.testing.assert_array_equal(axes.collections[1].get_offsets(), expected)
    assert axes.get_xlabel() == "x"


def test_predicted_against_actual_has_a_panel_a_target_and_the_diagonal(curve: FigureData) -> None:
    panels = draw("predicted_against_actual", curve)
    assert [axes.get_title() for axes in panels] == ["sin", "cos"]
    expected = np.stack([curve.test.targets[:, 1], curve.outputs[:, 1]], axis=1)
    np.testing.assert_array_equal(panels[1].collections[0].get_offsets(), expected)
    diagonal = panels[1].lines[0]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == list(panels[1].get_xlim())
    assert panels[0].get_xlim() == panels[0].get_ylim()


def test_predicted_against_actual_of_many_targets_says_what_is_left_out() -> None:
    names = tuple(f"target {index}" for index in range(8))
    description = Description("wide", "regression", columns("x", "y"), names)
    targets = np.random.default_rng(0).normal(size=(4000, 8))
    figure = FIGURES["predicted_against_actual"].draw(
        make_data(description, targets[:, :2], targets, lambda x: targets[2000:])
    )
    assert len(figure.axes) == 6
    assert figure.get_suptitle() == "wide: predicted against actual, the first 6 of 8 targets, 1,500 of 2,000 drawn"
    assert len(figure.axes[0].collections[0].get_offsets()) == 1500


def test_calibration_shows_each_filled_bin_and_the_error() -> None:
    description = Description("pair", "classification", columns("x"), ("y",), ("no", "yes"))
    top = np.array([0.92, 0.92, 0.92, 0.64])
    outputs = np.stack([top, 1 - top], axis=1)
    data = make_data(description, np.zeros((8, 1)), np.array([0] * 4 + [0, 0, 1, 1]), lambda x: outputs)
    figure = FIGURES["calibration"].draw(data)
    upper, lower = figure.axes
    points = next(line for line in upper.lines if line.get_label() == "network")
    np.testing.assert_allclose(points.get_xydata(), [[0.64, 0], [0.92, 2 / 3]])
    diagonal = next(line for line in upper.lines if line.get_label() == "perfect calibration")
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    error = 3 / 4 * (0.92 - 2 / 3) + 1 / 4 * 0.64
    assert figure.get_suptitle() == f"pair: expected calibration error {error:.3f}"
    heights = [bar.get_height() for bar in lower.patches]
    assert heights[9] == 1 / 4  # 0.64 lies in (9/15, 10/15]
    assert heights[13] == 3 / 4
    assert sum(heights) == 1


def test_the_confusion_matrix_names_the_weights_of_the_training(plane: FigureData) -> None:
    title = FIGURES["confusion_matrix"].draw(replace(plane, class_weights="balanced")).get_suptitle()
    assert title == "clusters: confusion matrix of the test part, class_weights=balanced"


def test_scores_of_each_class_are_those_of_scikit_learn(plane: FigureData) -> None:
    (axes,) = draw("class_scores", plane)
    expected = precision_recall_fscore_support(plane.test.targets, plane.predicted)
    dots = [collection.get_offsets() for collection in axes.collections[1:]]
    np.testing.assert_allclose([offsets[:, 0] for offsets in dots], expected[:3])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"{name} ({count})" for name, count in zip(("red", "green", "blue"), expected[3], strict=True)]


def test_a_class_that_is_not_there_has_no_scores() -> None:
    description = Description("three", "classification", columns("x"), ("y",), ("ant", "bee", "cat"))
    data = make_data(description, np.zeros((8, 1)), np.array([0, 1] * 4), lambda x: np.eye(3)[[0, 1, 1, 1]])
    (axes,) = draw("class_scores", data)
    assert np.isnan(np.ma.filled(axes.collections[1].get_offsets().astype(float), np.nan)[2, 0])
    assert len(draw("threshold_curves", data)[0].lines) == 3  # the diagonal, and two classes


def test_curves_over_all_thresholds_are_those_of_scikit_learn(plane: FigureData) -> None:
    roc, precision = draw("threshold_curves", plane)
    for position, line in enumerate(roc.lines[1:]):
        truth, scores = plane.test.targets == position, plane.outputs[:, position]
        expected = roc_curve(truth, scores, drop_intermediate=False)
        np.testing.assert_allclose(line.get_xydata(), np.stack(expected[:2], axis=1))
        again = precision_recall_curve(truth, scores)
        np.testing.assert_allclose(precision.lines[position].get_xydata()[::-1], np.stack(again[1::-1], axis=1))
        assert f"area {roc_auc_score(truth, scores):.3f}" in line.get_label()


def test_of_many_classes_the_hardest_to_tell_are_drawn() -> None:
    generator = np.random.default_rng(0)
    names = tuple(f"class {index}" for index in range(40))
    targets, outputs = np.resize(np.arange(40), 800), generator.random((400, 40))
    outputs[np.arange(400), targets[400:]] += generator.random(400) * (targets[400:] > 5)
    data = make_data(
        Description("many", "classification", columns("x"), ("y",), names),
        np.zeros((800, 1)),
        targets,
        lambda x: outputs,
    )
    figure = FIGURES["threshold_curves"].draw(data)
    assert figure.get_suptitle() == "many: every threshold, the 6 of 40 classes that are hardest to tell"
    drawn = {line.get_label().partition(":")[0] for line in figure.axes[0].lines[1:]}
    assert len(drawn & {f"class {index}" for index in range(6)}) >= 4
    assert FIGURES["class_scores"].draw(data).get_suptitle() == "many: scores of each class, the 30 lowest of 40"


def test_of_very_many_samples_evenly_spaced_ones_are_ranked(plane: FigureData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plainmlp.evaluation.figures.classes.MAX_RANKED", 50)
    title = FIGURES["threshold_curves"].draw(plane).get_suptitle()
    assert title == "clusters: every threshold, 50 of 200 drawn"


def test_residuals_are_what_a_prediction_is_too_high_by(table: FigureData) -> None:
    (axes,) = draw("residuals", table)
    expected = np.stack([table.outputs[:, 0], (table.outputs - table.test.targets)[:, 0]], axis=1)
    np.testing.assert_allclose(axes.collections[0].get_offsets(), expected)


def test_the_most_important_column_comes_first(table: FigureData) -> None:
    (axes,) = draw("importance", table)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a", "c"]
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.2, 0.0]


def test_names_with_dollar_signs_are_no_formulas(plane: FigureData, tmp_path: Path) -> None:
    description = replace(plane.description, name=r"a $\broken{ name$", class_names=("$1", "<= $50K$", "$x^{$"))
    paths = draw_figures(replace(plane, description=description), tmp_path)  # matplotlib refuses a broken formula
    assert len(paths) == len(EXPECTED["plane"])
    assert caption("$1K$") == r"\$1K\$"


def test_captions_are_cut_to_their_length() -> None:
    assert caption("a" * 16) == "a" * 16
    assert caption("a" * 17) == "a" * 15 + "…"
    assert caption("abcdef", 3) == "ab…"


def test_thinned_rows_are_evenly_spread_and_said_to_be_so() -> None:
    rows, note = thinned(11, 3)
    assert rows.tolist() == [0, 5, 10]
    assert note == ", 3 of 11 drawn"
    rows, note = thinned(3, 3)
    assert rows.tolist() == [0, 1, 2]
    assert not note


def test_value_range_leaves_a_margin_also_around_one_value_and_skips_missing_ones() -> None:
    assert value_range(np.array([0.0, np.nan, 10.0])) == (-0.5, 10.5)
    assert value_range(np.array([3.0, 3.0])) == (2.5, 3.5)


def test_missing_feature_values_are_left_out(plane: FigureData, tmp_path: Path) -> None:
    plane.test.features[0, 0] = np.nan
    assert len(draw_figures(plane, tmp_path)) == len(EXPECTED["plane"])


def test_colours_are_all_different() -> None:
    for n_classes in (1, 6, 7, 30):
        assert len(np.unique(class_colours(n_classes), axis=0)) == n_classes


def test_a_large_cloud_stays_small_on_disk(plane: FigureData, tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(40_000, 2))
    large = Part(features, np.resize([0, 1, 2], 40_000))
    data = replace(plane, test=large, outputs=plane.predict(features))
    for path in draw_figures(data, tmp_path):
        assert path.stat().st_size < 300_000, path.name
    assert "15,000 of 40,200 drawn" in FIGURES["data"].draw(data).get_suptitle()
