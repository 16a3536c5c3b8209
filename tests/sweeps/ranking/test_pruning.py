"""The leaderboard of successive halving: one row a candidate, what was pruned below what went on."""

from plainmlp.sweeps.reports import write_leaderboard
from swept import board_of, failure, result


def halved(activation, epochs, value, seed=0, method="halving"):
    return result(
        {"model.activation": activation, "training.stop_after": epochs, "seed": seed, "sweep.method": method}, value
    )


def test_every_candidate_has_the_row_of_its_longest_training(tmp_path):
    trained = [
        halved(name, 1, value, seed) for name, value in (("relu", 0.9), ("tanh", 0.5), ("elu", 0.8)) for seed in (0, 1)
    ]
    trained += [halved("relu", 3, 0.7, seed) for seed in (0, 1)] + [halved("elu", 3, 0.75, seed) for seed in (0, 1)]
    trained += [halved("elu", None, 0.6, seed) for seed in (0, 1)]
    board = board_of(trained)
    rows = [(*row.settings.values(), row.score.mean, row.score.n, row.verdict) for row in board.rows]
    assert rows == [("elu", "null", 0.6, 2, "best"), ("relu", "3", 0.7, 2, "pruned"), ("tanh", "1", 0.5, 2, "pruned")]
    write_leaderboard(tmp_path, board)
    assert "pruned: behind others after as many epochs" in (tmp_path / "leaderboard.md").read_text()


def test_candidate_that_failed_later_is_no_row():
    lost = failure({"model.activation": "relu", "training.stop_after": None, "seed": 0, "sweep.method": "halving"})
    board = board_of([halved("relu", 1, 0.9), halved("tanh", 1, 0.8)], [lost])
    assert [row.settings["model.activation"] for row in board.rows] == ["tanh"]
    assert len(board.failures) == 1


def test_pauses_in_a_grid_are_values_as_any_others(tmp_path):
    board = board_of([halved("relu", epochs, epochs / 10, method="grid") for epochs in (1, 2, 3)])
    assert [row.settings["training.stop_after"] for row in board.rows] == ["3", "2", "1"]
    assert {row.verdict for row in board.rows} == {"best", "untested"}
    write_leaderboard(tmp_path, board)
    assert "pruned" not in (tmp_path / "leaderboard.md").read_text()
