"""The regressor: one number or several for each sample."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d

from plainmlp.estimators.base import BaseMLP, keep_signature
from plainmlp.estimators.parameters import choice
from plainmlp.estimators.rows import Rows
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.losses import LOSSES, default_loss


@keep_signature
@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron that predicts one number or several; `BaseMLP` describes parameters and attributes."""

    _losses = tuple(name for name, loss in LOSSES.items() if "regression" in loss.tasks)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more iteration, over the given rows; see `fit`."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers, of shape (n_samples,), or (n_samples, n_outputs) if there are several."""
        inputs = self._inputs(X)
        outputs = self.network_.outputs(inputs)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _encode(self, y: Any, *, reset: bool, classes: Any = None) -> Array:
        """Return the targets, of shape (n_samples, n_outputs)."""
        columns = y if np.ndim(y) == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)[:, np.newaxis]
        if not reset and columns.shape[1] != self.n_outputs_:
            message = f"y has {columns.shape[1]} columns; allowed: {self.n_outputs_}, as before"
            raise ValueError(message)
        return np.asarray(columns, np.float64)

    def _class_weights(self, targets: Array) -> None:
        return None

    def _convert(self, rows: Rows) -> Rows:
        return rows

    def _outputs(self, targets: Array) -> tuple[str, int]:
        given = choice("loss", self.loss)[0]
        return default_loss("regression") if given == "auto" else given, targets.shape[1]

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
