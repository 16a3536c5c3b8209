"""What the columns of a data set are said to be."""

import csv

import numpy as np
import pandas as pd

from plainmlp.config.schema import DatasetSection
from plainmlp.data.cells import Cells
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.summary import summarize_dataset, summarize_table, summary_lines, table_lines, write_columns
from plainmlp.data.table import table_dataset

ROWS = 40
FRAME = pd.DataFrame(
    {
        "number": np.arange(ROWS) / 7,
        "name": [f"K{row}" for row in range(ROWS)],
        "count": range(ROWS),
        "sort": ["a", "b", "b", None] * (ROWS // 4),
        "old": [0, 1] * (ROWS // 2),
        "same": 3,
        "price": np.arange(ROWS) / 3,
    }
)
CELLS = Cells(FRAME, "data.csv", range(2, ROWS + 2))


def rows_of(summaries):
    return {summary.name: (summary.role, summary.taken_for, summary.levels, summary.gaps) for summary in summaries}


def test_every_column_is_said_to_be_something():
    dataset = table_dataset(CELLS, DatasetSection(name="table", target="price", missing="mean", drop=("name",)))
    found = {summary.name: summary for summary in summarize_dataset(dataset)}
    assert rows_of(found.values()) == {
        "price": ("target", "number", None, 0),
        "number": ("feature", "number", None, 0),
        "count": ("feature", "whole number", None, 0),
        "sort": ("feature", "category", 2, 10),
        "old": ("feature", "0 or 1", None, 0),
        "same": ("feature", "whole number", None, 0),
    }
    assert (found["sort"].distinct, found["number"].distinct) == (2 / 30, 1)
    assert "dataset.id or dataset.drop" in found["count"].remark
    assert found["same"].remark == "the same in every row"


def test_a_table_is_described_with_what_would_be_refused():
    found = {summary.name: summary for summary in summarize_table(CELLS, DatasetSection(name="table", target="price"))}
    assert found["name"].taken_for == "refused"
    assert found["name"].remark.startswith("holds 40 different texts in 40 rows, such as 'K0'; allowed: up to 10")
    assert "dataset.missing=mean or median" in found["sort"].remark
    assert rows_of(
        summarize_table(CELLS, DatasetSection(name="table", target="sort", id="name", columns=("number",)))
    ) == {
        "number": ("feature", "number", None, 0),
        "name": ("id", "", None, 0),
        "count": ("drop", "", None, 0),
        "sort": ("target", "refused", None, 0),
        "old": ("drop", "", None, 0),
        "same": ("drop", "", None, 0),
        "price": ("drop", "", None, 0),
    }


def test_lines_of_a_table_name_each_column_and_of_other_data_its_size_alone():
    dataset = table_dataset(CELLS, DatasetSection(name="table", target="price", missing="mean", drop=("name",)))
    first, header, *lines = summary_lines(dataset)
    assert first == "table: 40 rows of 5 features, target price (numbers)"
    assert header.split() == ["column", "role", "taken", "for", "levels", "gaps", "distinct", "remark"]
    assert [line.split()[0] for line in lines] == ["price", "number", "count", "sort", "old", "same"]
    assert summary_lines(fetch_dataset("digits")) == ["digits: 1797 rows of 64 features, target digit (10 classes)"]


def test_of_many_columns_some_are_shown():
    wide = Cells(pd.DataFrame({f"x{number}": np.arange(3) / 7 for number in range(300)}), "data.csv")
    lines = table_lines(summarize_table(wide, DatasetSection(name="table", target="x0")))
    assert len(lines) == 42
    assert lines[-1] == "and 260 more columns"


def test_the_report_holds_what_is_shown(tmp_path):
    dataset = table_dataset(CELLS, DatasetSection(name="table", target="price", columns=("number", "old")))
    write_columns(tmp_path / "columns.csv", summarize_dataset(dataset))
    with (tmp_path / "columns.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [
        ["price", "target", "number", "", "0", "", ""],
        ["number", "feature", "number", "", "0", "100.0%", ""],
        ["old", "feature", "0 or 1", "", "0", "5.0%", ""],
    ]
