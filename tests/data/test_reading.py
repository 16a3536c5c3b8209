import csv
import io
import resource

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainmlp.config.schema import DatasetSection
from plainmlp.data.cells import listed
from plainmlp.data.reading import read_table
from plainmlp.data.table import table_dataset
from plainmlp.system.errors import InputError

TABLE = DatasetSection(name="table")

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def csv_file(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def data_set_or_refusal(path):
    try:
        return table_dataset(read_table(path, TABLE), DatasetSection(name="table", target="y", missing="mean"))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,b\n", "only a header"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells where the header has 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells where the header has 2"),
        ('a,b\n"x\ny",2\n\n3\n', "line 5 has 1 cells"),
        ("a,a\n1,2\n", "'a' occurs 2 times"),
        (",b\n1,2\n", "column 1 has no name"),
        (b"a,b\n1,2\n\xff,2\n", "not UTF-8: byte 0xff in line 3"),
        (b"a,b\n1,\x00\n", "a zero byte in line 2"),
        ('a,b\n1,"2\n', "not well-formed CSV"),
        ("a,b\n1," + "2" * 200_000 + "\n", "line 2 is not well-formed CSV"),
    ],
)
def test_each_bad_csv_is_named(tmp_path, content, words):
    path = csv_file(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_table(path, TABLE)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "words"), [("data.xls", "ends in '.xls'"), ("none.csv", "No such file")])
def test_files_that_cannot_be_read_are_refused(tmp_path, name, words):
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / name, TABLE)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_is_no_table(tmp_path, suffix):
    (tmp_path / f"x{suffix}").mkdir()
    with pytest.raises(InputError):
        read_table(tmp_path / f"x{suffix}", TABLE)


def test_missing_parquet_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "none.parquet", TABLE)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    cells = read_table(csv_file(tmp_path, '\ufeff"a,a",b\r\n1,x\r\n'), TABLE)
    assert list(cells.frame.columns) == ["a,a", "b"]
    assert cells.frame["b"].tolist() == ["x"]


def test_places_are_lines_of_the_file(tmp_path):
    cells = read_table(csv_file(tmp_path, 'a,b\n"x\ny",1\n\nz,2\n'), TABLE)
    assert [cells.place(row) for row in range(2)] == ["line 2", "line 5"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n"])
def test_damaged_parquet_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="not a valid Parquet file"):
        read_table(csv_file(tmp_path, content, "data.parquet"), TABLE)


def test_a_table_that_does_not_fit_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    frame = pd.DataFrame({"a": np.zeros(10**6, np.int8), "b": np.zeros(10**6, np.int8)})
    frame.to_parquet(tmp_path / "x.parquet")
    frame[:2000].to_csv(tmp_path / "x.csv", index=False)
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.05")
    with pytest.raises(InputError, match=r"reading 1000000 rows of 2 columns would take about 64.0 MB of memory"):
        read_table(tmp_path / "x.parquet", TABLE)
    read_table(tmp_path / "x.csv", TABLE)
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.00005")
    with pytest.raises(InputError, match=r"x.csv: reading its 8004 bytes would take about 0.1 MB of memory"):
        read_table(tmp_path / "x.csv", TABLE)


def test_a_long_text_in_many_rows_of_a_parquet_file_is_unfolded_once(tmp_path):
    texts = pa.DictionaryArray.from_arrays(pa.array(np.arange(10**4) % 2, pa.int32()), ["a" * 10**5, "b"])
    pq.write_table(pa.table({"x": texts, "y": range(10**4)}), tmp_path / "x.parquet", store_schema=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dataset = table_dataset(read_table(tmp_path / "x.parquet", TABLE), DatasetSection(name="table", target="y"))
    assert dataset.rows.features[:4, 0].tolist() == [0, 1, 0, 1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, None], [b"1", b"2"]])
def test_a_parquet_column_of_no_single_values_is_refused(tmp_path, values):
    pq.write_table(pa.table({"x": values, "y": [0, 1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x.parquet: column 'x' holds .*; allowed: numbers, texts, true and false"):
        read_table(tmp_path / "x.parquet", TABLE)


def test_signs_that_cannot_be_shown_are_escaped_in_messages(tmp_path):
    path = csv_file(tmp_path, '"a\nb",y,"c\x1b"\nx,\x07,1\nx,\x07,2\n')
    for target, words in (
        ("a\tb", r"did you mean 'a\\nb'\? \(columns: a\\nb, y, c\\x1b\)"),
        ("y", r"is \\x07 in every row"),
    ):
        with pytest.raises(InputError, match=words):
            table_dataset(read_table(path, TABLE), DatasetSection(name="table", target=target))


def test_parquet_is_counted_in_rows_and_its_index_is_left_out(tmp_path):
    pd.DataFrame({"a": [1, 2, 3]}, index=[5, 6, 7]).query("a > 1").to_parquet(tmp_path / "x.parquet")
    cells = read_table(tmp_path / "x.parquet", TABLE)
    assert cells.place(1) == "row 2"
    assert cells.frame.index.tolist() == [0, 1]


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": []}), pd.DataFrame(index=[0, 1])])
def test_an_empty_parquet_is_refused(tmp_path, frame):
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="the table is empty"):
        read_table(tmp_path / "x.parquet", TABLE)


def test_of_many_names_some_are_listed():
    assert listed([str(number) for number in range(99)]).endswith("11 ... 99 in all")


@settings(deadline=None)
@given(rows=st.lists(st.tuples(NUMBERS, TEXTS.map(lambda text: f"_{text}")), min_size=1, max_size=6))
def test_cells_come_back_as_they_were_written(tmp_path_factory, rows):
    text = io.StringIO()
    csv.writer(text).writerows([("number", "text"), *rows])
    cells = read_table(csv_file(tmp_path_factory.mktemp("csv"), text.getvalue()), TABLE)
    np.testing.assert_array_equal(cells.frame["number"].to_numpy(float), [number for number, _ in rows])
    assert cells.frame["text"].tolist() == [label for _, label in rows]


@settings(deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text(alphabet='ab,"\n\r 1.-einfNaTrue;', max_size=60)))
def test_any_bytes_give_a_data_set_or_an_input_error(tmp_path_factory, content):
    head = b"y,a\n" if isinstance(content, bytes) else "y,a\n"
    path = csv_file(tmp_path_factory.mktemp("csv"), head + content)
    outcome = data_set_or_refusal(path)
    if isinstance(outcome, str):
        assert "\n" not in outcome
    else:
        assert not np.isinf(outcome.rows.features).any()
        assert np.isfinite(outcome.rows.targets).all()
