import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configurations import refusal
from plainmlp.training.history import read_digests, read_history, read_steps, write_history, write_steps


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)), min_size=1, max_size=5))
def test_history_reads_back_to_the_last_bit(tmp_path, rows):
    history = {"train_loss": [row[0] for row in rows], "learning_rate": [row[1] for row in rows]}
    digests = tuple("ab" * 32 if row % 2 else "" for row in range(len(rows)))
    write_history(tmp_path / "history.csv", history, digests)
    assert read_history(tmp_path / "history.csv") == history
    assert read_digests(tmp_path / "history.csv") == digests


def test_table_has_a_row_an_epoch_from_0(tmp_path):
    history = {"train_loss": [0.1, math.inf], "dead_units": [0.0, 1.0]}
    write_history(tmp_path / "reports" / "history.csv", history, ["", "00ff"])
    expected = b"epoch,train_loss,dead_units,state_digest\n0,0.1,0.0,\n1,inf,1.0,00ff\n"
    assert (tmp_path / "reports" / "history.csv").read_bytes() == expected


def test_table_of_steps_has_a_row_a_step_or_none(tmp_path):
    path = tmp_path / "reports" / "steps.csv"
    steps = {"step": [0, 100], "loss": [0.1, math.inf]}
    write_steps(path, steps)
    assert path.read_bytes() == b"step,loss\n0,0.1\n100,inf\n"
    assert read_steps(path) == steps
    write_steps(path, {})
    assert path.read_bytes() == b"step\n"
    assert read_steps(path) == {}
    path.write_bytes(b"step,loss\n0,x\n")
    assert refusal(read_steps, path).startswith(f"{path}: is missing or damaged; train again")


@pytest.mark.parametrize(
    "content",
    [None, b"", b"epoch,train_loss\n", b"epoch,a\n0,x\n", b"epoch,a\n0\n", b"epoch,a\n0,1,2\n", b"\xff\xfe\n1\n"],
)
def test_damaged_history_is_named(tmp_path, content):
    path = tmp_path / "history.csv"
    if content is not None:
        path.write_bytes(content)
    assert refusal(read_history, path).startswith(f"{path}: is missing or damaged; train again")


def test_columns_of_several_lengths_are_not_written(tmp_path):
    path = tmp_path / "history.csv"
    with pytest.raises(ValueError, match="zip"):
        write_history(path, {"a": [1.0], "b": [2.0]}, [])
    assert list(Path(tmp_path).iterdir()) == []


def test_table_without_digests_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_bytes(b"epoch,train_loss\n0,1.0\n")
    assert refusal(read_digests, path).startswith(f"{path}: is missing or damaged; train again")
