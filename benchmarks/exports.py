"""Compare what exported models answer in ONNX Runtime with predict, on every data set, and write the table of that."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from _checkout import ROOT
from _performance import write_section
from plainmlp.composition.compose import compose, parse, quote
from plainmlp.data.stages import fetch, split
from plainmlp.exports.network import onnx_model
from plainmlp.exports.onnx_file import Runtime, compare
from plainmlp.training.train import train_configured

TITLE = "## How close ONNX Runtime comes"
PAGE = ROOT / "docs" / "exporting.md"
TEXT = """Before the command writes the file, it checks it with `onnx.checker`, runs it once in ONNX Runtime, and says how far the answers are
from those of `predict` on the test part or, if that is not at hand, on rows drawn at random. Measured on the test parts
(`make exports`), after three epochs:

| data | dtype | largest difference | same class |
|---|---|---|---|
"""
REASON = """
The inputs of the network are equal bit for bit. What differs is the order of sums and the last bits of `exp` and `tanh`, which each
runtime computes in its own way. Tests hold every activation and every loss, in both dtypes, to 16 times the rounding error of the
dtype, in ONNX Runtime and in ONNX's own reference.
"""
BUNDLED = ("iris", "wine", "diabetes")
DTYPES = ("float32", "float64")
ROWS = 120


def tables(folder: Path) -> dict[str, list[str]]:
    """Write the tables, and return the overrides for each, by their names in the section."""
    from sklearn import datasets

    found = {}
    for name in BUNDLED:
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        kind = bunch.target if name == "diabetes" else np.array(bunch.target_names)[bunch.target]
        found[f"{name}, as CSV"] = _as_csv(folder / f"{name}.csv", bunch.data.assign(kind=kind))
    keys = ["dataset.dates=parts", "dataset.missing=mean", "dataset.rare_levels=0.06"]
    found["a table with texts, dates, gaps and rare levels"] = [*_as_csv(folder / "flats.csv", _flats()), *keys]
    return found


def _as_csv(path: Path, frame: pd.DataFrame) -> list[str]:
    frame.to_csv(path, index=False)
    return ["dataset=table", f"dataset.path={quote(str(path))}", "dataset.target=kind"]


def _flats() -> pd.DataFrame:
    generator, places = np.random.default_rng(2), np.arange(ROWS)
    area = np.where(places % 17 == 0, np.nan, generator.normal(80, 20, ROWS).round(2))
    cities = np.where(places % 30 == 7, ["Thun", "Zug"] * (ROWS // 2), ["Bern", "Chur", "Basel"] * (ROWS // 3))
    sold = pd.date_range("1899-12-30", periods=ROWS, freq="401D").strftime("%Y-%m-%d")
    kind = np.where(generator.random(ROWS) < 0.5, "large", "small")
    return pd.DataFrame({"area": area, "city": cities, "sold": sold, "kind": kind})


def row(name: str, overrides: Sequence[str], dtype: str) -> str:
    """Return the line of a data set: train, export, compare."""
    given = [*overrides, f"training.dtype={dtype}", "training.epochs=3"]
    config = parse(compose(ROOT / "conf", given))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    model = train_configured(config, splits).model
    found = compare(model, Runtime(onnx_model(model, {})), splits.test.features)
    alike = "" if found.n_alike is None else f"{found.n_alike} of {found.n_rows}"
    return f"| {name} | {dtype} | {found.largest:.1e} | {alike} |"


def main() -> None:
    """Compare, print the lines, write their section."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with TemporaryDirectory() as folder:
        cases = {f"`{name}`": [f"experiment={name}"] for name in ("clusters", "digits", "sincos")}
        rows = [row(name, given, dtype) for name, given in (cases | tables(Path(folder))).items() for dtype in DTYPES]
    print(*rows, sep="\n")
    write_section(TITLE, f"{TITLE}\n\n{TEXT}" + "\n".join(rows) + f"\n{REASON}", PAGE)


if __name__ == "__main__":
    main()
