"""Numbers too large for what is computed with them are refused before the training, with their column and the limit."""

import numpy as np
import pandas as pd
import pytest

from checkouts import ROOT
from plainmlp.composition.compose import compose, parse
from plainmlp.data.stages import fetch, split
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.system.errors import InputError
from plainmlp.training.train import train_configured

TABLE = ["dataset=table", "dataset.target=y", "training.epochs=1", "model.hidden_sizes=[3]"]


def metrics(path, feature, target, *overrides):
    """Return the metrics of a table whose last row holds these numbers, all of them in float32."""
    pd.DataFrame({"x": np.linspace(0, feature, 30), "y": np.linspace(0.5, target, 30)}).to_csv(path, index=False)
    config = parse(compose(ROOT / "conf", [*TABLE, f"dataset.path={path}", *overrides]))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    return evaluate(train_configured(config, splits).model, splits, 0).metrics["test"]


@pytest.mark.parametrize(
    ("feature", "target", "overrides", "words"),
    [
        (1, -1e200, (), r"the target 'y' is -.*e\+198 in row 2; allowed: numbers from -1e\+150 to 1e\+150"),
        (1, 1e200, ("split.target_scaling=minmax", "training.dtype=float64"), "the target 'y' is .*e\\+198 in row"),
        (1, 1e100, (), "the target 'y' varies by about .*e\\+99, which float32 cannot hold; allowed: up to 3.4e\\+38"),
        (1, 1e100, ("split.target_scaling=none",), "target 1 holds .*e\\+.*, which is too large for float32 once"),
        (
            1e60,
            1,
            ("split.scaling=none",),
            "column 'x' holds .*e\\+.*, which is too large for float32 .*: up to 3.4e\\+38",
        ),
    ],
)
def test_what_is_too_large_is_refused(tmp_path, feature, target, overrides, words):
    with pytest.raises(InputError, match=words):
        metrics(tmp_path / "data.csv", feature, target, *overrides)


def test_what_scaling_or_float64_can_hold_is_not(tmp_path):
    for overrides in ((), ("split.scaling=none", "training.dtype=float64")):
        assert np.isfinite(list(metrics(tmp_path / "data.csv", 1e60, 1, *overrides).values())).all()
    values = metrics(tmp_path / "data.csv", 1, 1e100, "training.dtype=float64")
    assert np.isfinite(list(values.values())).all()
