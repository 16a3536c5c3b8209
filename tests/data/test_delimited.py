"""How a text table is written: found where one way alone fits, said, and set where it cannot be found."""

import gzip

import numpy as np
import pytest

from plainmlp.config.schema import DatasetSection
from plainmlp.data.reading import read_table
from plainmlp.system.errors import InputError

TABLE = DatasetSection(name="table")


def file_of(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("a.csv", "x;y\n1,5;2\n-2,25;3\n", ("read with separator semicolon, decimal comma",)),
        ("a.csv", "x;y\n1.5;2\n-2.25;3\n", ("read with separator semicolon",)),
        ("a.csv", "x\ty\n1.5\t2\n-2.25\t3\n", ("read with separator tab",)),
        ("a.csv", "x|y\n1,5|2\n-2,25|3\n", ("read with separator bar, decimal comma",)),
        ("a.tsv", "x\ty\n1.5\t2\n-2.25\t3\n", ()),
        ("a.tsv", "x,y\n1.5,2\n-2.25,3\n", ("read with separator comma",)),
        ("a.csv", "x,y\n1.5,2\n-2.25,3\n", ()),
    ],
)
def test_the_only_way_that_fits_is_found_and_said(tmp_path, name, content, note):
    cells = read_table(file_of(tmp_path, content, name), TABLE)
    assert cells.frame["x"].tolist() == [1.5, -2.25]
    assert cells.frame["y"].tolist() == [2, 3]
    assert cells.notes == note


def test_where_two_separators_fit_the_usual_one_is_taken(tmp_path):
    cells = read_table(file_of(tmp_path, "a;b,y\n1;2,3\n4;5,6\n"), TABLE)
    assert list(cells.frame.columns) == ["a;b", "y"]


def test_numbers_with_either_sign_are_left_alone(tmp_path):
    cells = read_table(file_of(tmp_path, "a;y\n1.5;3,5\n2.5;4,5\n"), TABLE)
    assert cells.frame["a"].tolist() == [1.5, 2.5]
    told = read_table(file_of(tmp_path, "a;y\n1.5;3,5\n2.5;4,5\n"), DatasetSection(name="table", decimal="comma"))
    assert told.frame["y"].tolist() == [3.5, 4.5]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a;b\n1;2\n3;4;5\n", "line 3 has 3 cells where the header has 2"),
        ("a;b;c\n1,5;2;3\n4;5,5\n", "line 3 has 2 cells where the header has 3"),
        ("a;b|c\n1;2\n3,4\n", "(dataset.separator=semicolon or bar)"),
    ],
)
def test_a_ragged_line_is_named_in_cells_of_the_right_separator(tmp_path, content, words):
    with pytest.raises(InputError) as caught:
        read_table(file_of(tmp_path, content), TABLE)
    assert words in str(caught.value)


def test_what_is_said_holds(tmp_path):
    path = file_of(tmp_path, "a,b;c\n1,2;3\n4,5;6\n")
    assert list(read_table(path, DatasetSection(name="table", separator="semicolon")).frame.columns) == ["a,b", "c"]


def test_an_encoding_can_be_named(tmp_path):
    path = file_of(tmp_path, "Größe;y\n1;ä\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"is not UTF-8: byte 0xf6 in line 1;.*dataset.encoding=cp1252"):
        read_table(path, TABLE)
    assert read_table(path, DatasetSection(name="table", encoding="cp1252")).frame.to_dict("list") == {
        "Größe": [1],
        "y": ["ä"],
    }
    for name in ("utf9", "zip", "rot13"):
        with pytest.raises(InputError, match=f"dataset.encoding='{name}' is unknown"):
            read_table(path, DatasetSection(name="table", encoding=name))


def test_texts_can_stand_for_gaps(tmp_path):
    cells = read_table(
        file_of(tmp_path, "x,y\n-,1\n2,k.A.\n"), DatasetSection(name="table", missing_values=("-", "k.A."))
    )
    np.testing.assert_array_equal(cells.frame.to_numpy(float), [[np.nan, 1], [2, np.nan]])


@pytest.mark.parametrize(("name", "sign"), [("a.csv.gz", ","), ("a.tsv.gz", "\t"), ("A.CSV.GZ", ",")])
def test_a_zipped_table_is_read(tmp_path, name, sign):
    cells = read_table(file_of(tmp_path, gzip.compress(f"x{sign}y\n1{sign}2\n".encode()), name), TABLE)
    assert cells.frame.to_dict("list") == {"x": [1], "y": [2]}


def test_a_zipped_table_is_unfolded_as_far_as_the_memory_allows(tmp_path, monkeypatch):
    path = file_of(tmp_path, gzip.compress(b"x,y\n" + b"1,2\n" * 10**7), "a.csv.gz")
    assert path.stat().st_size < 10**5
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.1")
    with pytest.raises(InputError, match=r"a.csv.gz: unpacking .* bytes or more would take about"):
        read_table(path, TABLE)


@pytest.mark.parametrize(
    "content", [b"", b"x,y\n1,2\n", gzip.compress(b"x,y\n1,2\n", mtime=0)[:-4]], ids=["empty", "plain", "cut"]
)
def test_a_damaged_zipped_table_is_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"a.csv.gz: (the gzip-ed file is truncated or damaged|the file is empty)"):
        read_table(file_of(tmp_path, content, "a.csv.gz"), TABLE)
