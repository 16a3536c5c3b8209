"""A fitted estimator as an ONNX file."""

from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

from plainmlp.data.arrays import Column, Description
from plainmlp.data.preparation import Preparation
from plainmlp.data.scaling import Scaling
from plainmlp.estimators.base import BaseMLP
from plainmlp.estimators.classifier import MLPClassifier
from plainmlp.exports.onnx_file import check_target, write_onnx
from plainmlp.exports.sources import Source
from plainmlp.training.model import Model


def export_estimator(estimator: BaseMLP, path: Path | str) -> str:
    """Write a fitted estimator to an ONNX file; return in words how far the file's outputs are from the estimator's.

    The input is `features`, doubles of shape (batch, n_features). The outputs are `predicted`, the classes as texts or
    the numbers, and `probabilities`, as for any exported model. The file is checked and compared before it is written.
    This needs ``pip install 'plainmlp[pipeline,onnx]'``.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    path : path
        Must end in .onnx, and not exist.

    Raises
    ------
    NotFittedError
        The estimator was not fitted.
    InputError
        The file exists, has another ending or cannot be written, or ONNX is not installed.
    """
    check_is_fitted(estimator)
    check_target(Path(path))
    return write_onnx(Path(path), Source(_model(estimator), {}, None))


def _model(estimator: BaseMLP) -> Model:
    """Return the model of an estimator, which takes unscaled features."""
    network, n_columns = estimator.network_, estimator.n_features_in_
    names = tuple(getattr(estimator, "feature_names_in_", [f"x{place}" for place in range(n_columns)]))
    scaling = Scaling(np.zeros(n_columns), np.ones(n_columns))
    preparation = Preparation(tuple(map(Column, names)), names, None, scaling, None)
    description = _description(estimator, preparation.columns)
    return Model(network.architecture, network.parameters, preparation, description)


def _description(estimator: BaseMLP, columns: tuple[Column, ...]) -> Description:
    """Return what columns and targets are called: classes as texts, labels and numbers by their places."""
    name = type(estimator).__name__
    if isinstance(estimator, MLPClassifier) and not estimator.multilabel_:
        return Description(name, "classification", columns, ("y",), tuple(map(str, estimator.classes_.tolist())))
    targets = tuple(f"y{place}" for place in range(estimator.n_outputs_))
    return Description(name, "multilabel" if isinstance(estimator, MLPClassifier) else "regression", columns, targets)
