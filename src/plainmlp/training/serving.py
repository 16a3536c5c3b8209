"""How MLflow loads and calls a model, and the forms of raw features that it accepts."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.system.errors import InputError
from plainmlp.training.model import Model

if TYPE_CHECKING:
    from pandas import DataFrame


class Served:
    """A model as MLflow calls it."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> "DataFrame":
        """Return the model's outputs for raw features, as `raw_features` takes them, with names as `predict_frame` does.

        If something is wrong with them, the client of a server gets the line that says so.
        """
        try:
            return self._model.label_outputs(self._model.predict(raw_features(self._model, data)))
        except InputError as error:
            raise _as_answer(error) from None

    def get_raw_model(self) -> Model:
        """Return the model itself; MLflow looks for this name."""
        return self._model


def raw_features(model: Model, data: Any) -> Array:
    """Return the raw features of rows given as a table, an array, a list, or a single row.

    Parameters
    ----------
    data : DataFrame, Series, mapping, ndarray or sequence
        A table; a mapping from names to values, or to columns of values; a sequence of such rows; or the rows' values in
        the order of the columns, of shape (n_samples, n_columns) or (n_columns,), or of images (n_samples, height, width)
        or (height, width). A mapping or a table may lack columns that the model can fill.

    Raises
    ------
    InputError
        They do not fit.
    """
    if isinstance(data, np.ndarray):
        return _of_array(model, data)
    from pandas import DataFrame, Series

    if isinstance(data, DataFrame):
        return model.preparation.from_frame(data)
    if isinstance(data, Series):
        data = data.to_dict()
    if isinstance(data, Mapping):
        is_row = all(np.ndim(value) == 0 for value in data.values())
        return model.preparation.from_frame(DataFrame([data] if is_row else _columns(data)))
    if not isinstance(data, (list, tuple)):
        message = f"the rows are of the type {type(data).__name__}; allowed: a table, an array, or a list of rows"
        raise InputError(message)
    if data and all(isinstance(row, Mapping) for row in data):
        return model.preparation.from_frame(DataFrame(data))
    return _of_array(model, _array(data))


def _columns(data: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return columns of values, all of one length."""
    lengths = {name: np.shape(value)[0] if np.ndim(value) == 1 else -1 for name, value in data.items()}
    if -1 in lengths.values() or len(set(lengths.values())) > 1:
        message = "the columns have different lengths; allowed: a value for each row in every column"
        raise InputError(message)
    return {name: list(value) for name, value in data.items()}


def _array(rows: list[Any] | tuple[Any, ...]) -> Array:
    """Return a list of rows as an array: of numbers if it holds nothing else."""
    try:
        values = np.array(rows)
    except ValueError:
        message = "the rows have different lengths; allowed: as many values in each as the model has columns"
        raise InputError(message) from None
    return values if values.dtype.kind in "buif" else np.array(rows, dtype=object)  # texts would make texts of numbers


def _of_array(model: Model, values: Array) -> Array:
    preparation = model.preparation
    names, image = [column.name for column in preparation.columns], model.description.image_shape
    if image is not None and image in (values.shape, values.shape[1:]) and values.shape[1:] != (len(names),):
        values = values.reshape(-1, len(names))
    if values.shape == (len(names),):
        values = values[np.newaxis]
    if values.ndim != 2 or values.shape[1] != len(names):
        n_columns = len(names)
        forms = [(n_columns,), ("rows", n_columns), *([] if image is None else [image, ("rows", *image)])]
        allowed = ", ".join(str(form).replace("'", "") for form in forms)
        message = f"the rows have the shape {values.shape}; allowed: {allowed}"
        raise InputError(message)
    if preparation.is_plain and values.dtype.kind in "buif" and not np.isinf(values).any():
        return values.astype(np.float64)
    from pandas import DataFrame

    frame = DataFrame(values, columns=names)
    return preparation.from_frame(frame.infer_objects() if values.dtype.kind == "O" else frame)


def _as_answer(error: InputError) -> Exception:
    """Return an error as MLflow's own, whose message its server sends; MLflow is loaded if it calls."""
    exceptions = sys.modules.get("mlflow.exceptions")
    return error if exceptions is None else exceptions.MlflowException.invalid_parameter_value(str(error))


def _load_pyfunc(path: str) -> Served:
    """Load the file that `Model.save` wrote; MLflow looks for this name."""
    return Served(Model.load(Path(path)))
