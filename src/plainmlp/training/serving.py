"""The door through which MLflow loads a model again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainmlp.training.model import Model

if TYPE_CHECKING:
    from pandas import DataFrame


class Served:
    """A model as MLflow calls it."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, frame: "DataFrame", params: dict[str, Any] | None = None) -> "DataFrame":
        """Return what the model says of a table of raw features."""
        return self._model.predict_frame(frame)


def _load_pyfunc(path: str) -> Served:
    """Load the file that `Model.save` wrote; MLflow looks for this name."""
    return Served(Model.load(Path(path)))
