"""Raw features of every kind go through the graph as through the preparation, bit for bit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configurations import composed
from exported import copying_model, description_of, drawn_model, model_on
from parted import split_section
from plainmlp.composition.compose import parse, quote
from plainmlp.data.arrays import Column, Part
from plainmlp.data.preparation import Preparation, fit_preparation
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.data.stored import RowFile, StoredRows
from plainmlp.exports import onnx_file
from plainmlp.exports.features import graph_inputs
from plainmlp.exports.network import onnx_model
from plainmlp.exports.onnx_file import Runtime, compare, drawn_rows
from plainmlp.system.errors import InputError

pytestmark = pytest.mark.slow

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ROWS = 120
DAYS = pd.date_range("1899-12-30", periods=ROWS, freq="401D")
KEYS = ("dataset.dates=parts", "dataset.missing=mean", "dataset.rare_levels=0.06")


def write_table(path: Path) -> None:
    """Write numbers, texts with rare ones, truths and dates, with gaps in all of them but the truths, and a class."""
    generator = np.random.default_rng(2)
    cities = np.where(np.arange(ROWS) % 30 == 7, ["Genève", "Zürich"] * (ROWS // 2), ["Bern", "Chur", "Basel"] * 40)
    columns = {
        "area": generator.normal(80, 20, ROWS).round(2),
        "city": cities,
        "a number, of rooms": generator.integers(1, 9, ROWS),
        "garden": np.arange(ROWS) % 3 == 0,
        "sold": DAYS.strftime("%Y-%m-%dT%H:%M:%S"),
        "kind": np.where(generator.random(ROWS) < 0.5, "groß", "klein"),
    }
    frame = pd.DataFrame(columns).astype(object)
    for place, name in enumerate(("area", "city", "a number, of rooms", "sold")):
        frame.loc[np.arange(ROWS) % 17 == place, name] = None
    frame.to_csv(path, index=False)


def table_splits(path: Path, *overrides: str) -> Splits:
    given = ["dataset=table", f"dataset.path={quote(str(path))}", "dataset.target=kind", *overrides]
    config = parse(composed(*given))
    return split(fetch(config.dataset), config.split, config.dataset.missing)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "flats.csv"
    write_table(path)
    return path


def prepared(preparation: Preparation, features, dtype):
    """Return the inputs that the graph makes of raw features."""
    model = copying_model(preparation, dtype)
    return Runtime(onnx_model(model, {})).answer(graph_inputs(preparation, features))["predicted"]


@DTYPES
@pytest.mark.parametrize("dates", ["parts", "days"])
def test_numbers_texts_truths_dates_and_gaps_become_the_same_inputs(table, dates, dtype):
    splits = table_splits(table, *KEYS, f"dataset.dates={dates}")
    assert {"city=(rare)", "garden", "a number, of rooms"} <= set(splits.preparation.input_names)
    for part in splits.parts().values():
        assert np.isnan(part.features).any()
        expected = splits.preparation.inputs(part.features, dtype)
        np.testing.assert_array_equal(prepared(splits.preparation, part.features, dtype), expected)


def test_every_day_of_the_calendar_has_its_year_month_and_day_of_the_week():
    column = Column("day", dates="parts")
    days = np.append(np.arange(-150_000.0, 150_000.0, 7 / 3), [-0.5, 0.5, 11016, 11016.999, -25509, 47540])[
        :, np.newaxis
    ]
    part = Part(days, np.zeros(len(days), np.int64))
    preparation = fit_preparation(part, description_of("cross_entropy", (column,)), split_section(), "refuse")
    np.testing.assert_array_equal(prepared(preparation, days, np.float64), preparation.inputs(days, np.float64))


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [("refuse", "refuse"), ("refuse", "rare"), ("mean", "refuse"), ("mean", "missing"), ("mean", "rare")],
)
@pytest.mark.parametrize("rare_levels", ["null", "0.06"])
def test_a_text_is_the_level_that_it_is_for_predict_or_nan_where_that_refuses(table, missing, unknown, rare_levels):
    keys = ("drop=[area,sold,'a number, of rooms']", f"unknown={unknown}", f"rare_levels={rare_levels}")
    whole = pd.read_csv(table)
    path = table.with_name("filled.csv")
    (whole if missing == "mean" else whole.dropna()).to_csv(path, index=False)
    preparation = table_splits(path, f"dataset.missing={missing}", *(f"dataset.{key}" for key in keys)).preparation
    texts = ["Bern", "Basel", "Genève", "Paris", "basel", "(rare)", ""]
    model = copying_model(preparation)
    answers = Runtime(onnx_model(model, {})).answer(
        {"city": np.array(texts, object)[:, np.newaxis], "garden": np.ones((len(texts), 1))}
    )["predicted"]
    for text, answer in zip(texts, answers, strict=True):
        frame = pd.DataFrame({"city": [text or None], "garden": [1.0]})
        try:
            expected = preparation.inputs(preparation.from_frame(frame), np.float32)[0]
        except InputError:
            expected = np.full(len(answer), np.nan)
        np.testing.assert_array_equal(answer, expected, err_msg=f"{text!r}")


@pytest.mark.parametrize("name", ["clusters", "digits", "sincos", "iris", "wine", "diabetes", "table"])
@DTYPES
def test_every_data_set_is_answered_as_by_predict(name, dtype, table, tmp_path):
    if name == "table":
        splits = table_splits(table, *KEYS)
    elif name in {"clusters", "digits", "sincos"}:
        config = parse(composed(f"dataset={name}"))
        splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    else:
        splits = bundled(name, tmp_path / "data.csv")
    model = model_on(splits.preparation, splits.description, dtype)
    run = Runtime(onnx_model(model, {}))
    spread = 1 if splits.preparation.target_scaling is None else splits.preparation.target_scaling.scale.max()
    for rows in (splits.test.features, drawn_rows(splits.preparation)):
        difference = compare(model, run, rows)
        assert difference.largest < 32 * np.finfo(dtype).eps * max(spread, 1)
        assert difference.n_alike in {None, difference.n_rows}


def bundled(name: str, path: Path) -> Splits:
    """Return a data set of scikit-learn, by way of a CSV file."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    kind = bunch.target if name == "diabetes" else np.array(bunch.target_names)[bunch.target]
    bunch.data.assign(kind=kind).to_csv(path, index=False)
    return table_splits(path)


def test_rows_that_stay_in_their_file_are_compared_some_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(onnx_file, "MAX_ROWS", 22)
    np.save(tmp_path / "rows.npy", np.random.default_rng(4).normal(5, 3, (30, 4)))
    model = drawn_model()
    difference = compare(model, Runtime(onnx_model(model, {})), StoredRows(RowFile(tmp_path / "rows.npy")))
    assert (difference.n_rows, difference.n_alike) == (22, 22)
