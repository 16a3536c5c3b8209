"""The figures of a sweep: which apply where, what they show, and that their files are the same from run to run."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from plainmlp.evaluation.figures.scores import limits
from plainmlp.sweeps.figures.pictures import (
    SWEEP_FIGURES,
    TIMING_FIGURES,
    best_of_pairs,
    choose_keys,
    draw_sweep_figures,
    swept_values,
    value_words,
)
from plainmlp.system.files import digest_file
from swept import ACTIVATIONS, SIZES, board_of, failure, grid, result, whole_sweep

pytestmark = pytest.mark.slow

ALL = {**SWEEP_FIGURES, **TIMING_FIGURES}
LOOKED_AT = {
    "accuracies": {
        "heatmap.png": "d47f6197fe83f04e",
        "learning_curves.png": "86f188a3d6d3e139",
        "parameters.png": "12d955ec2fa206fb",
        "training_time.png": "f428618ecaa90f5a",
    },
    "losses": {
        "heatmap.png": "92caa5ca57d6c4c2",
        "learning_curves.png": "7581d26e0df6388c",
        "parameters.png": "8659fd455ae9d246",
        "training_time.png": "667d9f6aed0cdbb4",
    },
    "crowded": {
        "heatmap.png": "e6c4c4698f977e4d",
        "learning_curves.png": "6b4080c4dcc5aed5",
        "parameters.png": "3c90ef74882f45aa",
    },
}


@pytest.fixture(scope="module")
def board():
    return whole_sweep()


def simple_board(*keys, seeds=1, **axes):
    """Return the leaderboard of a grid whose scores count up, without curves, sizes or times."""
    points = grid(axes or {key: ["a", "b"] for key in keys}, seeds)
    return board_of([result(point, 0.5 + index / 100) for index, point in enumerate(points)])


def names_drawn(board, tmp_path):
    return {path.stem for path in draw_sweep_figures(ALL, board, tmp_path)}


def test_every_figure_of_a_whole_sweep(board, tmp_path):
    assert names_drawn(board, tmp_path) == set(ALL) - {"train_rows"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], set()),
        (["a"], set()),
        (["a", "b"], {"heatmap"}),
        (["a", "b", "c"], {"heatmap"}),
    ],
)
def test_figures_apply_where_there_is_something_to_draw(keys, expected, tmp_path):
    assert names_drawn(simple_board(*keys), tmp_path) == expected


def test_nothing_is_drawn_where_all_failed(tmp_path):
    assert names_drawn(board_of([], [failure({"a": "b", "seed": 0})]), tmp_path) == set()


def test_same_bytes_whatever_the_users_own_settings(board, tmp_path):
    first = [path.read_bytes() for path in draw_sweep_figures(ALL, board, tmp_path / "first")]
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        second = [path.read_bytes() for path in draw_sweep_figures(ALL, whole_sweep(), tmp_path / "second")]
    assert first == second


def crowded_sweep():
    """Return the leaderboard of more settings than axes can name, whose curves and costs span decades."""
    names = [f"a long name {number}" for number in range(41)]
    points = grid({"optimizer.name": names, "training.stop_after": [1, 2], "model.dropout": ["", *range(8)]}, seeds=1)
    found = []
    for number, point in enumerate(points):
        curve = tuple(1 - 0.9 / (number + 1) - 0.5**epoch for epoch in range(26))
        found.append(replace(result(point, curve[-1], n_parameters=float(1 + number // 3)), curve=curve))
    return board_of(found)


@pytest.mark.parametrize("sweep", LOOKED_AT)
def test_figures_are_as_they_were_when_looked_at(sweep, tmp_path):
    board = {"accuracies": whole_sweep, "losses": lambda: whole_sweep(loss=True), "crowded": crowded_sweep}[sweep]()
    drawn = {path.name: digest_file(path)[:16] for path in draw_sweep_figures(ALL, board, tmp_path)}
    assert drawn == LOOKED_AT[sweep], f"look at {tmp_path}; where all is well, these are the digests"


def test_heatmap_is_over_sizes_and_activation_with_the_best_of_the_rest(board):
    axes = SWEEP_FIGURES["heatmap"].draw(board).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("hidden_sizes", "activation")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "[16]", "[64]", "[64, 32]", "[128, 64]"]
    assert [label.get_text() for label in axes.get_xticklabels()] == sorted(ACTIVATIONS)
    shown = axes.images[0].get_array()
    for i, size in enumerate(swept_values(board, "model.hidden_sizes")):
        for j, activation in enumerate(sorted(ACTIVATIONS)):
            wanted = {"model.hidden_sizes": size, "model.activation": activation}
            scores = [row.score.mean for row in board.rows if wanted.items() <= row.settings.items()]
            assert len(scores) == 3
            assert shown[i, j] == max(scores)
    assert len(axes.texts) == len(SIZES) * len(ACTIVATIONS)


def test_heatmap_frames_the_best(board):
    axes = SWEEP_FIGURES["heatmap"].draw(board).axes[0]
    (frame,) = axes.patches
    row, column = np.unravel_index(axes.images[0].get_array().argmax(), axes.images[0].get_array().shape)
    assert frame.get_xy() == (column - 0.5, row - 0.5)


def test_heatmap_of_losses_has_the_lowest_on_top():
    board = whole_sweep(loss=True)
    axes = SWEEP_FIGURES["heatmap"].draw(board).axes[0]
    image = axes.images[0]
    brightness = image.to_rgba(image.get_array())[..., :3].sum(axis=2)
    assert brightness.argmax() == image.get_array().argmin()


def test_heatmap_without_sizes_and_activation_takes_the_keys_with_most_values():
    board = simple_board(a=["x", "y"], b=[1, 2, 3], c=[1, 2, 3, 4])
    assert choose_keys(board) == ("b", "c")
    assert len(best_of_pairs(board, "b", "c")) == 12


def test_heatmap_shows_failed_pairs_as_empty():
    points = grid({"a": ["x", "y"], "b": ["1", "2"]}, seeds=1)
    board = board_of([result(point, 0.5) for point in points[:3]], [failure(points[3])])
    axes = SWEEP_FIGURES["heatmap"].draw(board).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["-", "0.5", "0.5", "0.5"]


def test_learning_curves_of_all_points_with_the_best_on_top(board):
    axes = SWEEP_FIGURES["learning_curves"].draw(board).axes[0]
    (others,) = axes.collections
    best = [line for line in axes.lines if len(line.get_xdata())]
    assert len(others.get_segments()) == 60 * 3 - 3
    assert [tuple(line.get_ydata()) for line in best] == [point.curve for point in board.rows[0].results]
    assert all(line.get_zorder() > others.get_zorder() for line in best)
    low, high = axes.get_ylim()
    values = [value for row in board.rows for point in row.results for value in point.curve]
    assert low < min(values) < max(values) < high


def test_learning_curves_take_values_that_are_not_finite(tmp_path):
    diverging = {"model.activation": "relu", "seed": 0}
    points = [result({"model.activation": "tanh", "seed": 0}, 0.5), result(diverging, 0.4)]
    curves = [(0.1, 0.5), (float("inf"), float("nan"), 0.4)]
    points = [replace(point, curve=curve) for point, curve in zip(points, curves, strict=True)]
    assert names_drawn(board_of(points, metric="validation_loss"), tmp_path) == {"learning_curves"}


@pytest.mark.parametrize(("name", "cost"), [("parameters", "n_parameters"), ("training_time", "training_seconds")])
def test_scores_are_drawn_over_their_costs(board, name, cost):
    figure = ALL[name].draw(board)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    for activation in ACTIVATIONS:
        rows = [row for row in board.rows if row.settings["model.activation"] == activation]
        line = lines[f"activation {activation}"]
        assert [*line.get_xdata()] == [getattr(row, cost) for row in rows]
        assert [*line.get_ydata()] == [row.score.mean for row in rows]
    assert (lines["best"].get_xdata()[0], lines["best"].get_ydata()[0]) == (
        getattr(board.rows[0], cost),
        board.rows[0].score.mean,
    )


@pytest.mark.parametrize("sizes", [(100, 200, 400), (0.1, 0.35, 0.7)])
def test_scores_are_drawn_over_the_rows_of_the_train_part(sizes, tmp_path):
    board = simple_board(
        "split.train", "model.activation", **{"split.train": [*map(str, sizes)], "model.activation": ["relu", "tanh"]}
    )
    assert "train_rows" in names_drawn(board, tmp_path)
    (axes,) = SWEEP_FIGURES["train_rows"].draw(board).axes
    drawn = next(line for line in axes.lines if line.get_label() == "activation tanh")
    assert sorted(drawn.get_xdata()) == list(sizes)
    assert axes.get_xlabel() == "rows of the train part" + (" as a share of all" if max(sizes) < 1 else "")


@pytest.mark.parametrize("loss", [False, True])
def test_front_is_the_best_score_up_to_a_cost(loss):
    board = whole_sweep(loss=loss)
    lines = {line.get_label(): line for line in SWEEP_FIGURES["parameters"].draw(board).axes[0].lines}
    front = lines["best up to here"]
    best = min if loss else max
    for size, score in zip(front.get_xdata(), front.get_ydata(), strict=True):
        assert score == best(row.score.mean for row in board.rows if row.n_parameters <= size)


@pytest.mark.parametrize("scores", [[0.9, 0.9], [0.1, 0.98], [0.95, 1.0], [-3.0, 0.99]])
@pytest.mark.parametrize("metric", ["validation_accuracy", "validation_loss", "validation_r2"])
def test_limits_hold_all_scores(metric, scores):
    low, high = limits(metric, np.array(scores))
    assert low < min(scores)
    assert high >= max(scores)


@pytest.mark.parametrize("metric", ["validation_accuracy", "validation_loss"])
def test_equal_scores_are_drawn(metric, tmp_path):
    points = [result(point, 0.5, n_parameters=10.0) for point in grid({"a": "xy", "b": "xy", "c": "xy"}, seeds=2)]
    board = board_of(points, metric=metric)
    assert names_drawn(board, tmp_path) == {"heatmap", "parameters"}


def test_values_are_fit_for_an_axis():
    values = ["", "[]", "[64, 32]", "0.02177953337809369", "0.001", "relu", "$" * 40]
    words = value_words(values)
    assert words[:6] == ["none", "none", "[64, 32]", "0.02178", "0.001", "relu"]
    assert words[6].startswith(r"\$")
    assert words[6].endswith("…")
