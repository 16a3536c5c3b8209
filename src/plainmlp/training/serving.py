"""The door through which MLflow loads a model again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainmlp.system.errors import InputError
from plainmlp.training.model import Model

if TYPE_CHECKING:
    from pandas import DataFrame


class Served:
    """A model as MLflow calls it."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, frame: "DataFrame", params: dict[str, Any] | None = None) -> "DataFrame":
        """Return what the model says of a table of raw features; what is wrong with it reaches who asks a server."""
        try:
            return self._model.predict_frame(frame)
        except InputError as error:
            raise _as_answer(error) from None


def _as_answer(error: InputError) -> Exception:
    """Return an error as MLflow's own, whose message a server answers with; MLflow, which calls, is loaded."""
    exceptions = sys.modules.get("mlflow.exceptions")
    return error if exceptions is None else exceptions.MlflowException.invalid_parameter_value(str(error))


def _load_pyfunc(path: str) -> Served:
    """Load the file that `Model.save` wrote; MLflow looks for this name."""
    return Served(Model.load(Path(path)))
