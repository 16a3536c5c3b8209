import csv
import json
import random
from dataclasses import replace

import pytest

from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
from plainmlp.sweeps.ranking.results import SweepResults
from plainmlp.sweeps.ranking.statistics import Summary
from plainmlp.sweeps.reports import (
    TIES,
    _shown_interval,
    describe_sweep,
    show_leaderboard,
    write_leaderboard,
    write_runs,
)
from swept import board_of, failure, result, whole_sweep


def small_board():
    finished = [
        result({"model.activation": "re|lu", "seed": 0}, 0.5, training_seconds=1.5, test_accuracy=0.25),
        result({"model.activation": "tanh", "seed": 0}, 1 / 3, training_seconds=2.5, test_accuracy=0.99),
        result({"model.activation": "tanh", "seed": 1}, 0.4, training_seconds=3.5, test_accuracy=0.99),
    ]
    return board_of(finished, [failure({"model.activation": "gelu", "seed": 0})])


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_has_every_row_and_no_number_rounded(tmp_path):
    board = small_board()
    write_leaderboard(tmp_path, board)
    rows = rows_of(tmp_path / "leaderboard.csv")
    assert [(row["rank"], row["model.activation"], row["n"], row["verdict"]) for row in rows] == [
        ("1", "re|lu", "1", "best"),
        ("2", "tanh", "2", "untested"),
    ]
    assert float(rows[1]["mean"]) == board.rows[1].score.mean
    assert (float(rows[1]["low"]), float(rows[1]["high"])) == board.rows[1].score.interval
    assert (rows[0]["standard_deviation"], rows[0]["low"], rows[0]["p_value"], rows[0]["n_parameters"]) == ("",) * 4


def test_json_has_all_of_it_and_the_test_part_of_the_best_alone(tmp_path):
    write_leaderboard(tmp_path, small_board())
    record = json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))
    assert (record["metric"], record["higher_is_better"]) == ("validation_accuracy", True)
    assert (record["n_finished"], record["n_failed"], record["keys"]) == (3, 1, ["model.activation"])
    assert [point["seed"] for point in record["rows"][1]["points"]] == ["0", "1"]
    assert record["best"]["test"]["test_accuracy"]["mean"] == 0.25
    assert record["failures"][0]["settings"] == {"model.activation": "gelu", "seed": "0"}
    assert "0.99" not in (tmp_path / "leaderboard.json").read_text(encoding="utf-8")


def test_markdown_is_whole_tables(tmp_path):
    write_leaderboard(tmp_path, small_board())
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    for line in (
        "Ranked by the mean of `validation_accuracy` over the seeds; higher is better.",
        TIES,
        "3 points finished, 1 failed.",
        r"| 1 | re\|lu | 1 | 0.5 | - | - | best |  |",
        "| test_accuracy | 1 | 0.25 | - | - |",
        r"| gelu | 0 | TrainingError: the loss \| is not finite |",
    ):
        assert line in text.splitlines()
    assert "the lower `validation_log_loss` ranks first" in text
    assert "untested: fewer than two seeds" in text


def test_lower_is_said_to_be_better_where_it_is(tmp_path):
    write_leaderboard(tmp_path, board_of([result({"seed": 0}, 0.5)], metric="validation_loss"))
    assert "lower is better" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))["higher_is_better"] is False


def test_what_differs_from_run_to_run_is_in_the_table_of_runs_alone(tmp_path):
    board = small_board()
    write_leaderboard(tmp_path, board)
    assert write_runs(tmp_path, board) == [tmp_path / "runs.csv", tmp_path / "training_time.png"]
    rows = rows_of(tmp_path / "runs.csv")
    assert [(row["rank"], row["model.activation"], row["seed"], float(row["training_seconds"])) for row in rows] == [
        ("1", "re|lu", "0", 1.5),
        ("2", "tanh", "0", 2.5),
        ("2", "tanh", "1", 3.5),
    ]
    assert [row["run_id"] for row in rows] == [point.child.run_id for row in board.rows for point in row.results]
    for path in tmp_path.glob("leaderboard.*"):
        text = path.read_text(encoding="utf-8")
        assert not any(secret in text for row in rows for secret in (row["run_id"], row["training_seconds"]))


def test_a_board_without_rows_is_written(tmp_path, capsys):
    board = board_of([], [failure({"model.activation": "gelu", "seed": 0})])
    write_leaderboard(tmp_path, board)
    show_leaderboard(board)
    assert rows_of(tmp_path / "leaderboard.csv") == []
    assert "1 points failed" in capsys.readouterr().out


def test_order_of_the_children_changes_no_byte(tmp_path):
    board = whole_sweep()
    points = [point for row in board.rows for point in row.results]
    texts = []
    for seed in range(2):
        shuffled = tuple(random.Random(seed).sample(points, len(points)))
        write_leaderboard(tmp_path, build_leaderboard(SweepResults(board.metric, shuffled, ())))
        texts.append([path.read_bytes() for path in sorted(tmp_path.iterdir())])
    assert texts[0] == texts[1]


def test_terminal_shows_the_first_rows_and_how_many_more(capsys):
    board = whole_sweep()
    show_leaderboard(board)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("validation_accuracy (higher is better)")
    assert [line.split()[0] for line in lines[2:12]] == [str(rank) for rank in range(1, 11)]
    assert "[128,64]" in lines[2]
    assert "best" in lines[2]
    assert f"and {len(board.rows) - 10} more rows in leaderboard.csv" in lines
    assert any("statistically tied with the best" in line for line in lines)


def test_terminal_shows_the_run_of_the_best_seed_of_each_row(capsys):
    points = [
        result({"model.activation": name, "seed": s}, s / 4, run=f"{name}{s}" * 4) for name in "ab" for s in range(3)
    ]
    board = board_of(points)
    show_leaderboard(board)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-2:] == ["best", "run"]
    assert [line.split()[-1] for line in lines[2:4]] == ["a2a2a2a2", "b2b2b2b2"]
    assert board.best_run == "a2" * 4


def test_terminal_shows_whole_values_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("plainmlp.tracking.terminal.WIDEST", 80)
    show_leaderboard(whole_sweep())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:14])) <= 80
    assert any(line.split()[:3] == ["1", "tanh", "[128,64]"] for line in lines)


def test_terminal_says_what_decides_where_several_share_the_best_mean(capsys):
    points = [result({"backend.name": name, "seed": 0}, 1.0) for name in ("numpy", "torch")]
    show_leaderboard(board_of(points))
    said = capsys.readouterr().out
    assert "2 rows share the best mean; the lower validation_log_loss ranks first, then the smaller network" in said
    assert said.splitlines()[1].split()[0] == "backend"


def every_kind_of_row():
    """Return a leaderboard with an interval that is cut off, seeds that agree, a single seed and a failed point."""
    scores = {8: (0.9, 0.95, 0.97), 16: (0.8, 0.8), 32: (0.5,)}
    points = [
        result(
            {"model.hidden_sizes": [size], "seed": seed},
            value,
            run=f"{size:x}{seed}" * 8,
            n_parameters=1234.0 + size,
            training_seconds=size / 10,
            test_accuracy=value - 0.1,
        )
        for size, values in scores.items()
        for seed, value in enumerate(values)
    ]
    return board_of(points, [failure({"model.hidden_sizes": [64], "seed": 0})])


def test_terminal_shows_every_kind_of_row(capsys):
    show_leaderboard(every_kind_of_row())
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "validation_accuracy (higher is better), mean over n seeds and its 95 % interval",
        "   hidden_sizes  verdict   n  mean  interval     parameters  seconds  best run",
        "1  [8]           best      3  0.94  0.85 to 1    1,242       0.80     82828282",
        "2  [16]          tied      2  0.8   seeds agree  1,250       1.60     10010010",
        "3  [32]          untested  1  0.5                1,266       3.20     20020020",
        "2 of 3 rows are statistically tied with the best",
        "the best on the test part: test_accuracy 0.84",
        "1 points failed, listed in leaderboard.md",
    ]


def test_description_is_the_table_and_how_to_go_on():
    assert describe_sweep(every_kind_of_row(), "0123", "#/x").splitlines() == [
        "Mean of `validation_accuracy` over n seeds; higher is better. [Charts of the points](#/x).",
        "",
        "| rank | hidden_sizes | n | mean | interval | verdict | best run |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 1 | [8] | 3 | 0.94 | 0.8504 to 1 | best | 82828282 |",
        "| 2 | [16] | 2 | 0.8 | the seeds agree | tied | 10010010 |",
        "| 3 | [32] | 1 | 0.5 | - | untested | 20020020 |",
        "",
        "2 of 3 rows are statistically tied with the best.",
        "",
        "the best on the test part: test_accuracy 0.84.",
        "",
        "1 points failed, listed in leaderboard.md.",
        "",
        "The best as the main job: `python pipelines/repro.py run=0123`",
        "",
        "Rank and compute again: `python pipelines/verify.py --sweep 0123`",
    ]


def test_description_of_a_sweep_that_failed_says_how_to_compute_it_again():
    board = board_of([], [failure({"model.activation": "gelu", "seed": 0})])
    assert describe_sweep(board, "0123").splitlines() == [
        "1 points failed, listed in leaderboard.md.",
        "",
        "Rank and compute again: `python pipelines/verify.py --sweep 0123`",
    ]


@pytest.mark.parametrize(
    ("n", "interval", "shown"),
    [
        (3, (0.75, 1.0), "± 0.12"),
        (3, (0.5, 1.0), "0.5 to 1"),
        (3, None, "seeds agree"),
        (1, None, ""),
    ],
)
def test_interval_is_shown_by_its_ends_where_one_is_cut_off(n, interval, shown):
    assert _shown_interval(Summary(n, 0.875, 0.1, interval)) == shown


def test_a_sweep_without_a_best_point_offers_none_though_it_has_a_baseline(tmp_path, capsys):
    board = replace(board_of([], [failure({"model.activation": "gelu", "seed": 0})]), baseline=0.5)
    show_leaderboard(board)
    said = describe_sweep(board, "0123")
    assert "repro.py" not in said
    for text in (said, capsys.readouterr().out):
        assert "baseline" not in text
        assert "1 points failed" in text
