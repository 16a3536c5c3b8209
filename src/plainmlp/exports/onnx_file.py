"""An ONNX file of a trained model: checked, compared with the model, and only then written."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.data.preparation import Preparation
from plainmlp.data.stored import StoredRows
from plainmlp.exports.features import graph_inputs
from plainmlp.exports.network import PREDICTED, PROBABILITIES, onnx_model
from plainmlp.exports.sources import Source
from plainmlp.system.errors import InputError
from plainmlp.system.files import refuse_existing, replace_file
from plainmlp.system.wording import reason
from plainmlp.training.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

SUFFIX = ".onnx"
MAX_BYTES = 2_000_000_000  # of the 2 GiB that a message of Protocol Buffers may have
ROWS_AT_ONCE = 4096
MAX_ROWS = 1 << 16  # of data that stay in their file
FEW_DAYS, SHARE_OF_GAPS = 20000.0, 0.05  # in drawn rows: the most days before and after 1970, and the share of gaps


def check_target(path: Path) -> None:
    """Refuse a file that exists or has another ending, and an installation without ONNX."""
    if path.suffix != SUFFIX:
        message = f"{path}: the file must end in {SUFFIX}"
        raise InputError(message)
    refuse_existing(path)
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        message = f"an ONNX file needs pip install 'plainmlp[onnx]' ({error})"
        raise InputError(message) from error


def write_onnx(path: Path, source: Source) -> str:
    """Write a model to an ONNX file; return in words how far the file's outputs are from the model's.

    Raises
    ------
    InputError
        ONNX cannot express the model.
    """
    from onnx import checker, shape_inference

    if source.model.parameters.nbytes > MAX_BYTES:
        message = f"{path}: the network has more than the {MAX_BYTES:.2g} bytes that an ONNX file can hold"
        raise InputError(message)
    try:
        record = onnx_model(source.model, source.metadata)
        checker.check_model(record, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError, ValueError) as error:
        message = f"{path}: ONNX cannot express this model ({reason(error)})"
        raise InputError(message) from error
    rows, of_what = drawn_rows(source.model.preparation), "drawn at random (its data is not at hand)"
    if source.splits is not None:
        rows, of_what = source.splits.test.features, "of the test part"
    difference = compare(source.model, Runtime(record), rows)
    with replace_file(path) as temporary:
        temporary.write_bytes(record.SerializeToString())
    return difference.describe(of_what)


@dataclass(frozen=True)
class Difference:
    """How much the outputs for some rows differ.

    Parameters
    ----------
    largest : float
        Difference of the probabilities, or of the targets in their own units.
    n_alike : int, optional
        Rows of a classification with the same class.
    """

    n_rows: int
    largest: float
    n_alike: int | None

    def describe(self, rows: str) -> str:
        """Return the difference in words; `rows` says which rows were compared."""
        classes = "" if self.n_alike is None else f", the same class in {self.n_alike} of {self.n_rows}"
        return f"largest difference to predict {self.largest:.2g} over {self.n_rows} rows {rows}{classes}"


class Runtime:
    """An ONNX model in ONNX Runtime, as it will run elsewhere."""

    def __init__(self, record: "ModelProto") -> None:
        from onnxruntime import InferenceSession

        self._session = InferenceSession(record.SerializeToString(), providers=["CPUExecutionProvider"])
        self._names = [output.name for output in record.graph.output]

    def answer(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Return the outputs by their names."""
        with np.errstate(all="ignore"):  # rows may hold anything
            return dict(zip(self._names, self._session.run(None, inputs), strict=True))


def compare(model: Model, runtime: Runtime, features: Array) -> Difference:
    """Return how much the outputs for raw features, as in `Part.features`, differ from `Model.predict`."""
    is_classification = model.description.task == "classification"
    largest, n_alike = 0.0, 0
    n_rows = min(len(features), MAX_ROWS) if isinstance(features, StoredRows) else len(features)
    for start in range(0, n_rows, ROWS_AT_ONCE):
        rows = features[start : min(start + ROWS_AT_ONCE, n_rows)]
        answers = runtime.answer(graph_inputs(model.preparation, rows))
        ours = model.predict(rows)
        theirs = answers[PREDICTED if model.description.task == "regression" else PROBABILITIES]
        largest = max(largest, float(np.abs(theirs - ours).max()))
        if is_classification:
            classes = np.array(model.description.class_names)[ours.argmax(axis=1)]
            n_alike += int(np.count_nonzero(answers[PREDICTED] == classes))
    return Difference(n_rows, largest, n_alike if is_classification else None)


def drawn_rows(preparation: Preparation, n_rows: int = 256) -> Array:
    """Return raw features like those of the train part: random numbers and dates, and every level of a category."""
    generator, scaling = np.random.default_rng(0), preparation.input_scaling
    features, start = np.empty((n_rows, len(preparation.columns))), 0
    for place, column in enumerate(preparation.columns):
        if column.categories is not None:
            features[:, place] = np.arange(n_rows) % len(column.categories)
            continue
        if column.dates == "parts":
            features[:, place] = generator.uniform(-FEW_DAYS, FEW_DAYS, n_rows)
        else:
            features[:, place] = generator.normal(scaling.offset[start], scaling.scale[start], n_rows)
        start += len(column.input_names)
    if preparation.fill_values is not None:
        features[generator.random(features.shape) < SHARE_OF_GAPS] = np.nan
    return features
