"""What the columns of a real file are taken for: ids, dates, rare levels, and what is refused with what to do."""

import datetime
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from parted import split_section
from plainmlp.composition.compose import compose
from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column
from plainmlp.data.cells import Cells
from plainmlp.data.columns import RARE, encode_feature
from plainmlp.data.preparation import Preparation, fit_preparation
from plainmlp.data.table import table_dataset
from plainmlp.system.errors import InputError

TABLE = DatasetSection(name="table")

CONF = Path(__file__).resolve().parents[2] / "conf"
ROWS = 60
DATES = pd.date_range("1968-02-27", periods=ROWS, freq="13D")


def cells_of(values, *, typed=False, decimal="."):
    frame = pd.DataFrame({"x": values})
    return Cells(frame, "data.csv", None if typed else range(2, 2 + len(frame)), decimal=decimal)


def refusal(values, **options):
    with pytest.raises(InputError) as caught:
        encode_feature(cells_of(values, **options), "x", TABLE)
    return str(caught.value)


def dataset_of(table, **options):
    frame = pd.DataFrame({**table, "y": np.arange(len(next(iter(table.values())))) / 7})
    return table_dataset(
        Cells(frame, "data.csv", range(2, 2 + len(frame))), DatasetSection(name="table", target="y", **options)
    )


def prepared(dataset, missing="refuse"):
    preparation = fit_preparation(dataset.rows, dataset.description, split_section(), missing)
    return Preparation.from_dict(preparation.to_dict())  # as a model keeps it


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([f"K{row:05d}" for row in range(ROWS)], "if it names the rows, say so (dataset.id=x)"),
        (DATES.strftime("%d.%m.%Y"), "make numbers of dates (dataset.dates=parts or days)"),
        ([f"{row},{row}" for row in range(ROWS)], "need dataset.decimal=comma"),
        ([f"{row % 20}.{row % 20}.3" for row in range(ROWS)], "join what is rare (dataset.rare_levels=0.01)"),
    ],
)
def test_texts_with_a_level_for_every_few_rows_are_refused_with_what_to_do(values, words):
    message = refusal(values)
    assert "different texts in 60 rows" in message
    assert "allowed: up to 10, a tenth of the rows" in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("colour", "dataset.drop=[colour]"),
        ("Größe", "\"dataset.drop=['Größe']\""),
        ("my id", "\"dataset.drop=['my id']\""),
        ("it's", r'''"dataset.drop=['it\'s']"'''),
    ],
)
def test_what_to_do_is_an_override_that_works(name, written):
    frame = pd.DataFrame({name: [f"text {row}" for row in range(ROWS)]})
    with pytest.raises(InputError) as caught:
        encode_feature(Cells(frame, "data.csv"), name, TABLE)
    assert f"({written})" in str(caught.value)
    found = compose(CONF, ["dataset=table", "dataset.path=a", "dataset.target=b", shlex.split(written)[0]])
    assert found["dataset"]["drop"] == [name]


def test_a_few_levels_are_allowed_in_a_small_table():
    column, _ = encode_feature(cells_of([f"level {row % 10}" for row in range(20)]), "x", TABLE)
    assert len(column.categories) == 10


def test_a_text_for_a_gap_is_named_also_among_decimal_commas():
    message = refusal(["1,5", "-", "2,5", "3,25"], decimal=",")
    assert (
        "has the text '-' where numbers belong, in line 3; allowed: a number, or \"dataset.missing_values=['-']\""
        in message
    )


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%S"])
def test_dates_become_year_month_and_day_of_the_week(form):
    dataset = dataset_of({"day": DATES.strftime(form)}, dates="parts")
    preparation = prepared(dataset)
    assert preparation.input_names == ("day.year", "day.month", "day.day_of_week")
    expected = np.column_stack([DATES.year, DATES.month, DATES.isocalendar().day])
    np.testing.assert_array_equal(preparation.inputs(dataset.rows.features, np.float64), expected)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_dates_become_days(unit):
    typed = pd.Series(DATES.as_unit(unit)) + pd.Timedelta(hours=6)
    dataset = dataset_of({"day": typed, "x": range(ROWS)}, dates="days")
    expected = [(day.date() - datetime.date(1970, 1, 1)).days + 0.25 for day in DATES]
    np.testing.assert_array_equal(dataset.rows.features[:, 0], expected)
    assert prepared(dataset).input_names == ("day", "x")


def test_dates_are_read_in_prediction_as_in_training():
    texts = [*DATES.strftime("%d.%m.%Y")[:-1], None]
    dataset = dataset_of({"day": texts, "c": ["a", "b"] * (ROWS // 2)}, dates="parts", missing="median")
    preparation = prepared(dataset, "median")
    features = preparation.from_frame(pd.DataFrame({"day": texts, "c": "a"}))
    np.testing.assert_array_equal(features[:, 0], dataset.rows.features[:, 0])
    assert preparation.to_frame(dataset.rows.features)["day"].tolist() == texts
    with pytest.raises(InputError, match="has '1968-02-27' where a date belongs, in row 1; allowed: dates written %d"):
        preparation.from_frame(pd.DataFrame({"day": ["1968-02-27"], "c": "a"}))


def test_dates_without_a_form_are_written_as_iso_has_them():
    dataset = dataset_of({"day": pd.Series(DATES) + pd.Timedelta(hours=6)}, dates="days")
    frame = prepared(dataset).to_frame(dataset.rows.features)
    assert frame["day"].tolist()[0] == "1968-02-27T06:00:00"
    np.testing.assert_array_equal(prepared(dataset).from_frame(frame), dataset.rows.features)


def test_day_and_month_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match="'01/02/2020', and no row shows which number is the day"):
        dataset_of({"day": ["01/02/2020", "03/04/2020"] * 5}, dates="parts")


def test_texts_that_are_no_dates_stay_categories():
    dataset = dataset_of({"c": ["a", "b"] * 5, "day": ["2020-01-01"] * 10}, dates="parts")
    assert [column.dates for column in dataset.description.columns] == [None, "parts"]


def test_dates_of_a_typed_source_are_refused_with_what_to_do():
    assert "dataset.dates=parts or days" in refusal(DATES, typed=True)


LEVELS = np.repeat(["b", "c", "a", "d"], [30, 26, 3, 1])


def test_rare_levels_join_as_with_scikit_learn():
    dataset = dataset_of({"x": LEVELS}, rare_levels=0.1, unknown="rare")
    column = dataset.description.columns[0]
    assert (column.categories, column.rare) == (("b", "c", RARE), ("a", "d"))
    oracle = OneHotEncoder(min_frequency=0.1, handle_unknown="infrequent_if_exist", sparse_output=False)
    oracle.fit(LEVELS[:, np.newaxis])
    preparation, asked = prepared(dataset), np.array(["d", "b", "new", "c", "a"])
    found = preparation.inputs(preparation.from_frame(pd.DataFrame({"x": asked})), np.float64)
    np.testing.assert_array_equal(found, oracle.transform(asked[:, np.newaxis]))
    assert preparation.to_frame(np.array([[2.0], [0.0]]))["x"].tolist() == ["a", "b"]


def test_an_unknown_level_where_none_is_rare_is_none_of_them():
    dataset = dataset_of({"x": LEVELS}, unknown="rare")
    oracle = OneHotEncoder(min_frequency=1, handle_unknown="infrequent_if_exist", sparse_output=False)
    oracle.fit(LEVELS[:, np.newaxis])
    preparation = prepared(dataset)
    found = preparation.inputs(preparation.from_frame(pd.DataFrame({"x": ["new", "a"]})), np.float64)
    np.testing.assert_array_equal(found, oracle.transform([["new"], ["a"]]))


def test_an_unknown_level_can_be_a_gap():
    dataset = dataset_of({"x": LEVELS}, unknown="missing", missing="mean")
    features = prepared(dataset, "mean").from_frame(pd.DataFrame({"x": ["new", "b"]}))
    np.testing.assert_array_equal(features, [[np.nan], [1]])
    with pytest.raises(
        InputError, match=r"dataset.unknown=missing needs a value for what is missing: set dataset.missing"
    ):
        dataset_of({"x": LEVELS}, unknown="missing")


def test_an_unknown_level_is_refused_with_what_to_do():
    preparation = prepared(dataset_of({"x": LEVELS}))
    with pytest.raises(
        InputError, match=r"unknown value 'new' \(allowed: a, b, c, d\); .*dataset.unknown=missing or rare"
    ):
        preparation.from_frame(pd.DataFrame({"x": ["new"]}))


def test_known_levels_are_listed_the_rare_ones_too():
    preparation = prepared(dataset_of({"x": LEVELS}, rare_levels=0.1))
    with pytest.raises(InputError, match=r"unknown value 'new' \(allowed: b, c, a, d\)"):
        preparation.from_frame(pd.DataFrame({"x": ["new"]}))
    assert preparation.from_frame(pd.DataFrame({"x": ["d", "c"]})).tolist() == [[2], [1]]


def test_columns_of_most_data_sets_are_recorded_as_ever():
    assert Column("x").to_dict() == {"name": "x", "categories": None}
    assert Column("x", ("a", "b")).to_dict() == {"name": "x", "categories": ("a", "b")}


COLUMNS = {"id": [7, 3, 9, 1] * 3, "a": [0.5, 1.5, 2.5, 3.5] * 3, "b": [1.0, 2.0, 4.0, 8.0] * 3}


def test_columns_can_be_chosen_or_left_out():
    names = [
        [column.name for column in dataset_of(COLUMNS, **options).description.columns]
        for options in ({}, {"drop": ("id",)}, {"columns": ("b", "a")}, {"id": "id"}, {"id": "id", "drop": ("a",)})
    ]
    assert names == [["id", "a", "b"], ["a", "b"], ["b", "a"], ["a", "b"], ["b"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"drop": ("aa",)}, "dataset.drop='aa' is not a column of data.csv; did you mean 'a'?"),
        ({"columns": ("c",)}, "dataset.columns='c' is not a column"),
        ({"drop": ("y",)}, "dataset.drop='y' is the target too"),
        ({"columns": ("a", "y")}, "dataset.columns='y' is the target too"),
        ({"id": "a", "sample_weights": "a"}, "dataset.id='a' is the sample_weights too"),
        ({"drop": ("id", "a", "b")}, "no feature column is left beside a, b, id, y"),
    ],
)
def test_a_column_has_one_role(options, words):
    with pytest.raises(InputError) as caught:
        dataset_of(COLUMNS, **options)
    assert words in str(caught.value)


def test_ids_and_rows_of_the_source_stay_with_the_samples():
    frame = pd.DataFrame({"name": list("abcdef"), "x": range(6), "y": [1.5, None, 2.5, 3.5, None, 4.5]})
    options = {"target": "y", "id": "name", "missing_target": "drop"}
    dataset = table_dataset(Cells(frame, "data.csv", range(2, 8)), DatasetSection(name="table", **options))
    assert dataset.notes == ("2 of 6 rows have no target and are left out",)
    part = dataset.rows.take(np.array([3, 1]))
    assert (part.ids.tolist(), part.rows.tolist(), part.targets.tolist()) == (["f", "c"], [5, 2], [[4.5], [2.5]])
    with pytest.raises(InputError, match=r"missing in line 3 \(2 of 6 rows\).*dataset.missing_target=drop"):
        table_dataset(Cells(frame, "data.csv", range(2, 8)), DatasetSection(name="table", target="y", id="name"))


def test_two_targets_of_one_file_do_not_leak():
    frame = pd.DataFrame({"a": range(12), "first": np.arange(12) / 7, "b": range(12), "second": np.arange(12) / 3})
    for target, other in (("first", "second"), ("second", "first")):
        dataset = table_dataset(Cells(frame, "data.csv"), DatasetSection(name="table", target=target, drop=(other,)))
        assert [column.name for column in dataset.description.columns] == ["a", "b"]
    both = table_dataset(Cells(frame, "data.csv"), DatasetSection(name="table", target=("first", "second")))
    assert [column.name for column in both.description.columns] == ["a", "b"]
