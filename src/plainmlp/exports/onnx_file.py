"""An ONNX file of a trained model: checked, compared with the model, and only then written."""

from pathlib import Path

from plainmlp.exports.comparison import Runtime, compare, drawn_rows
from plainmlp.exports.network import onnx_model
from plainmlp.exports.sources import Source
from plainmlp.system.errors import InputError
from plainmlp.system.files import refuse_existing, replace_file
from plainmlp.system.wording import reason

SUFFIX = ".onnx"
MAX_BYTES = 2_000_000_000  # of the 2 GiB that a message of Protocol Buffers may have


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
