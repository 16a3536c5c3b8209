import random

import pytest

from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
from plainmlp.sweeps.ranking.results import SweepResults
from swept import board_of, failure, grid, result, whole_sweep

SEEDS = range(4)


def scores(activation, values, seeds=SEEDS, **metrics):
    return [
        result({"model.activation": activation, "seed": seed}, value, **metrics)
        for seed, value in zip(seeds, values, strict=True)
    ]


GOOD = scores("tanh", [0.91, 0.93, 0.92, 0.94])
CLOSE = scores("relu", [0.92, 0.92, 0.91, 0.94])
POOR = scores("sigmoid", [0.70, 0.73, 0.71, 0.74])


def verdicts(board):
    return {row.settings["model.activation"]: row.verdict for row in board.rows}


def test_seeds_are_one_row_ranked_by_their_mean():
    board = board_of([*POOR, *CLOSE, *GOOD])
    assert board.keys == ("model.activation",)
    assert [row.settings["model.activation"] for row in board.rows] == ["tanh", "relu", "sigmoid"]
    assert [(row.score.n, pytest.approx(row.score.mean)) for row in board.rows] == [(4, 0.925), (4, 0.9225), (4, 0.72)]


def test_losses_rank_the_other_way():
    board = board_of([*POOR, *CLOSE, *GOOD], metric="validation_loss")
    assert [row.settings["model.activation"] for row in board.rows] == ["sigmoid", "relu", "tanh"]


def test_ties_are_said_as_ties():
    board = board_of([*POOR, *CLOSE, *GOOD])
    assert verdicts(board) == {"tanh": "best", "relu": "tied", "sigmoid": "worse"}
    assert board.rows[0].p_value is None
    assert board.rows[1].p_value > 0.05 > board.rows[2].p_value


def test_comparisons_are_corrected_for_their_number():
    """A row that differs at 0.03 alone is worse among two and tied among many."""
    slight = scores("elu", [0.90, 0.925, 0.90, 0.932])
    assert verdicts(board_of([*GOOD, *slight]))["elu"] == "worse"
    many = [point for n in range(5) for point in scores(f"close {n}", [0.92, 0.92, 0.91, 0.938])]
    assert verdicts(board_of([*GOOD, *slight, *many]))["elu"] == "tied"


def test_one_seed_cannot_be_told_apart():
    board = board_of([*scores("tanh", [0.9], [0]), *scores("relu", [0.1], [0])])
    assert verdicts(board) == {"tanh": "best", "relu": "untested"}
    assert board.rows[1].p_value is None


def test_rows_without_common_seeds_are_untested_and_do_not_count_in_the_correction():
    others = [point for n in range(9) for point in scores(f"other {n}", [0.5, 0.6], [7, 8])]
    alone, among = board_of([*GOOD, *POOR]), board_of([*GOOD, *POOR, *others])
    p_values = [next(r.p_value for r in b.rows if "sigmoid" in r.settings.values()) for b in (alone, among)]
    assert p_values[0] == p_values[1]
    assert list(verdicts(among).values()).count("untested") == 9


def test_pairs_are_of_the_same_seed():
    """The same values in another order of the seeds are no constant difference."""
    shifted = scores("relu", [0.90, 0.92, 0.91, 0.93])
    assert verdicts(board_of([*GOOD, *shifted]))["relu"] == "worse"
    crossed = scores("relu", [0.93, 0.91, 0.92, 0.90])
    assert verdicts(board_of([*GOOD, *crossed]))["relu"] == "tied"


def test_test_metrics_are_of_the_best_alone():
    finished = [
        *scores("tanh", [0.91, 0.93], [0, 1], test_accuracy=0.5, test_loss=float("inf")),
        *scores("relu", [0.90, 0.92], [0, 1], test_accuracy=0.99),
    ]
    board = board_of(finished)
    assert {name: summary.mean for name, summary in board.test.items()} == {"test_accuracy": 0.5}


def test_of_equal_means_the_smaller_network_is_first():
    large = scores("aaa", [0.9, 0.8], [0, 1], n_parameters=900.0)
    small = scores("bbb", [0.8, 0.9], [0, 1], n_parameters=1000.0 / 2)
    assert [row.n_parameters for row in board_of([*large, *small]).rows] == [500, 900]


def test_of_equal_means_the_lower_log_loss_is_first_however_large_the_network():
    large = scores("aaa", [1.0, 0.9], [0, 1], n_parameters=900.0, validation_log_loss=0.1)
    small = scores("bbb", [0.9, 1.0], [0, 1], n_parameters=500.0, validation_log_loss=0.2)
    board = board_of([*small, *large, *scores("ccc", [0.8, 0.9], [0, 1], validation_log_loss=0.01)])
    assert [row.settings["model.activation"] for row in board.rows] == ["aaa", "bbb", "ccc"]
    first, second, third = (row.score.mean for row in board.rows)
    assert first == second > third


def test_failed_points_are_counted_and_listed():
    failed = [
        failure({"model.activation": name, "seed": seed}) for name, seed in [("tanh", 9), ("gelu", 10), ("gelu", 9)]
    ]
    board = board_of(GOOD, failed)
    assert [(f.child.parameters["model.activation"], f.seed) for f in board.failures] == [
        ("gelu", "9"),
        ("gelu", "10"),
        ("tanh", "9"),
    ]
    assert [row.n_failed for row in board.rows] == [1]


def test_a_sweep_in_which_all_failed_has_an_empty_leaderboard():
    board = board_of([], [failure({"model.activation": "relu", "seed": 0})])
    assert (board.rows, board.test, len(board.failures)) == ((), {}, 1)


def test_order_of_the_children_changes_nothing():
    board = whole_sweep()
    finished = [point for row in board.rows for point in row.results]
    failed = [failure(point) for point in grid({"model.hidden_sizes": [[1]], "optimizer.learning_rate": [9.0]})]
    boards = []
    for seed in range(3):
        shuffled = random.Random(seed)
        points = shuffled.sample(finished, len(finished)), shuffled.sample(failed, len(failed))
        boards.append(build_leaderboard(SweepResults(board.metric, tuple(points[0]), tuple(points[1]))))
    assert boards[0] == boards[1] == boards[2]
