"""Feather files; Parquet files are read in test_reading.py."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from plainmlp.config.schema import DatasetSection
from plainmlp.data.reading import read_table
from plainmlp.system.errors import InputError

TABLE = DatasetSection(name="table")


def test_a_feather_file_is_read_with_its_types(tmp_path):
    frame = pd.DataFrame({"x": [1.5, None], "c": ["a", "b"], "d": pd.to_datetime(["2020-01-01", None]), "n": [1, 2]})
    frame.to_feather(tmp_path / "a.feather")
    cells = read_table(tmp_path / "a.feather", TABLE)
    assert cells.lines is None
    assert cells.frame["c"].tolist() == ["a", "b"]
    assert cells.frame["d"].dtype.kind == "M"
    np.testing.assert_array_equal(cells.frame["x"], [1.5, np.nan])


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"a,b\n1,2\n"])
def test_a_damaged_feather_file_is_refused(tmp_path, content):
    (tmp_path / "a.feather").write_bytes(content)
    with pytest.raises(InputError, match="is not a valid Feather file"):
        read_table(tmp_path / "a.feather", TABLE)


def test_a_feather_file_of_no_single_values_is_refused(tmp_path):
    feather.write_feather(pa.table({"x": [[1], [2]]}), str(tmp_path / "a.feather"))
    with pytest.raises(InputError, match="column 'x' holds list"):
        read_table(tmp_path / "a.feather", TABLE)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"x": np.zeros(10**6)}), "reading 1000000 rows of 1 columns would take about 32.0 MB"),
        (pa.table({"x": ["a" * 10**7]}), "unpacking its columns would take about"),
    ],
)
def test_a_feather_file_that_does_not_fit_the_memory_is_refused(tmp_path, monkeypatch, table, words):
    feather.write_feather(table, str(tmp_path / "a.feather"), compression="zstd")
    assert (tmp_path / "a.feather").stat().st_size < 10**5
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.005")
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / "a.feather", TABLE)
