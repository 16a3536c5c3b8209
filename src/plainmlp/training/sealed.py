"""Safetensors files with a checksum over their content."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from plainmlp.data.arrays import Array
from plainmlp.system.errors import InputError
from plainmlp.system.wording import reason

# what a record with other keys, types or depths than ours raises
MISFITS = (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)
METADATA = "plainmlp"  # one key only: the file format does not keep the order of several


def sealed_bytes(tensors: dict[str, Array], content: dict[str, Any]) -> bytes:
    """Return tensors, and content that JSON can hold, as a file."""
    from safetensors.numpy import save

    return save(tensors, {METADATA: _seal(tensors.values(), content)})


def read_sealed(
    path: Path, kind: str, names_in: Callable[[dict[str, Any]], list[str]]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a file of `sealed_bytes`.

    Parameters
    ----------
    kind : str
        What the file is, for messages.
    names_in : callable (content) -> list of str
        Return the names of all tensors in the order in which they were written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb"), safe_open(path, framework="numpy") as file:
            sealed = (file.metadata() or {})[METADATA]
            content = json.loads(sealed)["content"]
            tensors = {name: file.get_tensor(name) for name in names_in(content)}
            is_sound = len(file.keys()) == len(tensors) and sealed == _seal(tensors.values(), content)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or reason(error)})"
        raise InputError(message) from error
    except (SafetensorError, *MISFITS) as error:
        message = f"{path}: is damaged, or not a {kind} of plainmlp ({reason(error)})"
        raise InputError(message) from error
    if not is_sound:
        message = f"{path}: is damaged: its content does not have the checksum that was written with it"
        raise InputError(message)
    return tensors, content


def _seal(tensors: Iterable[Array], content: dict[str, Any]) -> str:
    """Return the content with a checksum; a reader compares the exact text, in which 1E-5 is not 1e-5."""
    arrays = list(tensors)
    text = json.dumps(content, sort_keys=True)
    signed = f"[{text}, {json.dumps(arrays[0].dtype.str)}]".encode()
    digest = hashlib.sha256(signed + b"".join(array.tobytes() for array in arrays)).hexdigest()
    return f'{{"content": {text}, "sha256": "{digest}"}}'
