"""Fitted estimators in ONNX: the answers of ONNX Runtime are those of predict and predict_proba."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from configurations import refusal
from plainmlp import MLPClassifier, MLPRegressor
from plainmlp.exports.estimators import export_estimator

X = np.random.default_rng(0).normal(size=(60, 3))
PLACES = X.argmax(axis=1)
TARGETS = {
    "classes": np.array(["Bern", "Chur", "Genf"])[PLACES],
    "two classes": PLACES == 0,
    "labels": (X > 0).astype(int),
    "numbers": X[:, :2] ** 2,
    "a number": X[:, 0] ** 2,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", TARGETS)
def test_the_file_answers_as_the_estimator_does(kind: str, dtype: type, tmp_path: Path) -> None:
    from onnxruntime import InferenceSession

    is_regression = kind.endswith(("number", "numbers"))
    estimator = (MLPRegressor if is_regression else MLPClassifier)(5, max_iter=3, n_iter_no_change=float("inf"))
    rows = X.astype(dtype)
    estimator.fit(rows, TARGETS[kind])
    said = export_estimator(estimator, tmp_path / "model.onnx")
    assert "256 rows drawn at random" in said
    session = InferenceSession(tmp_path / "model.onnx")
    answers = dict(
        zip(
            (each.name for each in session.get_outputs()),
            session.run(None, {"features": rows.astype(float)}),
            strict=True,
        )
    )
    close = {"rtol": 64 * np.finfo(dtype).eps, "atol": 64 * np.finfo(dtype).eps}
    predicted = estimator.predict(rows)
    if is_regression:
        np.testing.assert_allclose(answers["predicted"], predicted.reshape(len(rows), -1), **close)
        return
    np.testing.assert_allclose(answers["probabilities"], estimator.predict_proba(rows), **close)
    if kind != "labels":
        assert answers["predicted"].tolist() == predicted.astype(str).tolist()


def test_what_cannot_be_written_is_refused_and_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        export_estimator(MLPClassifier(), tmp_path / "model.onnx")
    fitted = MLPRegressor(2, max_iter=1, n_iter_no_change=float("inf")).fit(X, X[:, 0])
    assert refusal(export_estimator, fitted, tmp_path / "model.txt").endswith("the file must end in .onnx")
    assert list(tmp_path.iterdir()) == []
